"""Users' sequences as a kind of data."""

from itertools import pairwise
from typing import Any

import pyarrow as pa

from clicksmith.config import Config, PresetOptions
from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.drawn import Samples
from clicksmith.generators.diversity import View, sample_figures
from clicksmith.generators.kind import Event, Figures, Kind, Shown
from clicksmith.generators.sequence.shop_codec import EVENT_COLUMNS, OWNER, ShopCodec
from clicksmith.generators.tabular.kind import columns_made
from clicksmith.seeds import Holdout
from clicksmith.tables import TWINS


def _fit(rows: pa.Table, options: PresetOptions) -> ShopCodec:
    return ShopCodec.fit(rows, options.min_users)


def _by_user(holdout: Holdout) -> Holdout:
    return Holdout((OWNER,))


def view_of(sequences: EncodedSequences) -> View:
    """Columns of owners and of events; two sequences are the same whose events are."""
    keys = [sequences.events[start:end].tobytes() for start, end in pairwise(sequences.offsets.tolist())]
    return View([*sequences.owners.T, *sequences.events.T], keys)


def _signs(sample: EncodedSequences, real: EncodedSequences) -> Figures:
    return sample_figures(sample, real, view_of)


def _show(rows: pa.Table) -> list[Shown]:
    return [
        [
            Event(item, type_, None if before is None else (at - before).total_seconds())
            for item, type_, at, before in zip(
                row["item_ids"],
                row["event_types"],
                row["event_ts"],
                [None, *row["event_ts"][:-1]],
                strict=True,
            )
        ]
        for row in rows.to_pylist()
    ]


def _describe(codec: Any) -> str:
    return f"""Of each user, how many events it has and when the last one was:

{columns_made(codec.core.owners)}

Of each of its events, the time as the gap to the one before; items are those of the catalogue, and none of
them is left out as rare:

{columns_made(codec.core.events)}"""


def _judge(config: Config, samples: Samples) -> list[Metric]:
    from clicksmith.evaluation.sequences.judge import judge_sequences  # trees, which a report does without

    return judge_sequences(config, samples)


SEQUENCES = Kind(
    name="sequences",
    twin=TWINS["sequences"],
    columns=(OWNER, *EVENT_COLUMNS),
    block_rows=512,
    task_rows=512,
    makes=EVENT_COLUMNS,
    constants={"split": "train"},
    own_id=(OWNER,),
    holdout=_by_user,
    fit=_fit,
    fit_batches=None,
    read_codec=ShopCodec.from_parts,
    signs=_signs,
    describe=_describe,
    show=_show,
    judged=(OWNER, *EVENT_COLUMNS),
    judge=_judge,
)
"""A row of gold.sequences. A generated one is of a user of its own, whose id is the sample's."""
