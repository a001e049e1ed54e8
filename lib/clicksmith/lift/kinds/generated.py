"""Generated sequences as a next-item model is trained on them."""

from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import ArmConfig, Config
from clicksmith.evaluation.provenance import require_current
from clicksmith.generators.artefact import generator_id
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.lift.kinds.roles import no_row, role_of, too_few_fits
from clicksmith.lift.task import Arm
from clicksmith.reading.guards import require_train_split
from clicksmith.reading.inputs import Vocabulary
from clicksmith.reading.sequences import COLUMNS
from clicksmith.reading.snapshot import load_table

TAIL_QUANTILE = 0.25

Chosen = Mapping[str, tuple[pa.Table, ...]]
"""Generated sequences that an arm may take, of each fit, by the arm's name."""


def generated_sequences(
    config: Config, fit: str, snapshot: Snapshot, real: Snapshot, like: pa.Table, max_rows: int
) -> pa.Table:
    """A fit's published sequences, the first ones by hash of their sample id.

    Args:
        config: of the generators.
        fit: its name.
        snapshot: gold.synthetic_sequences.
        real: gold.sequences.
        like: real rows; what generated ones do not have of their columns is null.
        max_rows: at most so many.

    Raises:
        TrainingError: they claim to be of another split, or their generator learnt from another table.
    """
    rows = load_table(snapshot, [*COLUMNS, "split", "generator_id"], {"generator": fit}, max_rows)
    require_train_split(rows, snapshot)
    current = generator_id(fit, trace_generator(config, fit, real))
    require_current(pc.unique(rows.column("generator_id")).to_pylist(), current, snapshot, real)
    arrays = [
        rows.column(field.name) if field.name in COLUMNS else pa.nulls(rows.num_rows, field.type)
        for field in like.schema
    ]
    return pa.table(arrays, schema=like.schema)


def chosen_sequences(arm: ArmConfig, rows: pa.Table, real: pa.Table, vocabulary: Vocabulary) -> pa.Table:
    """Of generated sequences, those that an arm may take.

    ``rare_items``: half of their items are among the least popular quarter of all that real users took;
    ``short_histories``: as long as the shortest quarter of real ones, or shorter.
    """
    if arm.only == "rare_items":
        return rows.filter(pa.array(takes_rare(rows, real, vocabulary)))
    if arm.only == "short_histories":
        shortest = np.quantile(_lengths(real), TAIL_QUANTILE)
        return rows.filter(pa.array(_lengths(rows) <= shortest))
    return rows


def takes_rare(rows: pa.Table, real: pa.Table, vocabulary: Vocabulary) -> NDArray[np.bool_]:
    """Whether half of what each took is among the least popular quarter of all that real users took, (N,)."""
    rare = np.quantile(_popularity(real, vocabulary), TAIL_QUANTILE)
    lengths = _lengths(rows)
    owner = np.repeat(np.arange(rows.num_rows), lengths)
    num_rare = np.bincount(owner, _popularity(rows, vocabulary) <= rare, rows.num_rows)
    return np.asarray(num_rare * 2 >= np.maximum(lengths, 1))


def _popularity(rows: pa.Table, vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Training outcomes of the item of each event."""
    items = pc.list_flatten(rows.column("item_ids"))
    return np.asarray(vocabulary.num_outcomes[vocabulary.numbers(items)])


def _lengths(rows: pa.Table) -> NDArray[np.int64]:
    return np.asarray(pc.list_value_length(rows.column("item_ids")).to_numpy())


def generated_stock(
    config: Config,
    synthetic: Mapping[str, Mapping[str, Snapshot]],
    source: Snapshot,
    real: pa.Table,
    vocabulary: Vocabulary,
) -> tuple[Chosen, dict[str, Arm], dict[str, str]]:
    """What arms of generated sequences may take, and which of them can be measured.

    Args:
        config: its section lift.
        synthetic: gold.synthetic_sequences of each published fit, by the generator's and the fit's name.
        source: gold.sequences.
        real: its rows that the control trains on.
        vocabulary: of its items.

    Returns:
        By an arm's name: the sequences of each fit, enough for its ratio; the arm, with the ratio as it comes
        out; or why it cannot be measured.
    """
    wanted = {name: arm for name, arm in config.lift.next_item.arms.items() if arm.generator is not None}
    published = _published(config, wanted.values(), synthetic, source, real)
    arms, chosen, skipped = {}, {}, {}
    for name, arm in wanted.items():
        generator = str(arm.generator)
        fits = published[generator]
        found = [chosen_sequences(arm, fit, real, vocabulary) for fit in fits]
        fewest = min((fit.num_rows for fit in found), default=0)
        num_rows = [fit.num_rows for fit in fits]
        why = no_row(arm, real.num_rows) or too_few_fits(generator, num_rows, len(config.fits_of(generator)))
        if not why and not fewest:
            why = f"generator {generator!r} published no sequences of {arm.only}"
        if why:
            skipped[name] = why
            continue
        added = min(round(arm.ratio * real.num_rows), fewest)
        chosen[name] = tuple(fit.slice(0, added) if arm.only is None else fit for fit in found)
        preset = config.generators[generator].preset
        arms[name] = Arm(arm.kind, role_of(arm, preset), added / max(1, real.num_rows), len(found))
    return chosen, arms, skipped


def _published(
    config: Config,
    arms: Iterable[ArmConfig],
    synthetic: Mapping[str, Mapping[str, Snapshot]],
    source: Snapshot,
    real: pa.Table,
) -> dict[str, list[pa.Table]]:
    """The sequences of each fit of a generator: as many as the arm needs that takes most of them."""
    ratios: dict[str, float] = {}
    for arm in arms:
        ratio = arm.ratio if arm.only is None else config.synthesis.ratio
        ratios[str(arm.generator)] = max(ratio, ratios.get(str(arm.generator), 0.0))
    return {
        name: [
            generated_sequences(config, fit, there, source, real, max(1, round(ratio * real.num_rows)))
            for fit, there in synthetic.get(name, {}).items()
        ]
        for name, ratio in ratios.items()
    }
