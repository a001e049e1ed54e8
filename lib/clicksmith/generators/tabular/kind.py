"""Training examples as a kind of data."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.config import Config, PresetOptions
from clicksmith.encoding.category import CategoryCodec
from clicksmith.encoding.columns import ColumnCodec, cardinalities_of
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.drawn import Samples
from clicksmith.generators.diversity import rows_of_a_table, sample_figures
from clicksmith.generators.kind import Figures, Kind, Scan
from clicksmith.generators.tabular.example_codec import INPUT_COLUMNS, USER_COLUMN, ExampleCodec
from clicksmith.seeds import Holdout
from clicksmith.tables import TWINS
from clicksmith.tables.gold import JUDGED_COLUMNS


def _fit(rows: pa.Table, options: PresetOptions) -> ExampleCodec:
    return ExampleCodec.fit(rows, options.min_users)


def _fit_batches(scan: Scan, options: PresetOptions) -> tuple[ExampleCodec, list[NDArray[np.int64]]]:
    return ExampleCodec.fit_batches(scan, options.min_users)


def _signs(sample: Encoded, real: Encoded) -> Figures:
    return sample_figures(sample, real, rows_of_a_table)


def _same(holdout: Holdout) -> Holdout:
    return holdout


def columns_made(codec: TableCodec) -> str:
    """What a table's codec makes, as a table in Markdown."""
    rows = [
        f"| {name} | {type_} | {_coded_as(column)} | {_sizes(column)} |"
        for name, type_, column in zip(codec.names, codec.types, codec.columns, strict=True)
    ]
    return "\n".join(["| column | type | coded as | codes |", "|---|---|---|---|", *rows])


def _coded_as(column: ColumnCodec) -> str:
    if isinstance(column, NumericCodec):
        bins = max(len(column.edges) - 1, 0)
        if not bins:
            return "its values" if column.atoms else "always missing"
        return f"{bins} quantile bins" + (f" and {len(column.atoms)} frequent values" if column.atoms else "")
    if isinstance(column, CategoryCodec):
        return "categories, rare ones as one" if column.counts else "categories"
    return column.kind


def _sizes(column: ColumnCodec) -> str:
    return " x ".join(f"{size:,}" for size in cardinalities_of(column))


def _describe(codec: Any) -> str:
    return f"""{columns_made(codec.core)}

Beside these: item_id, drawn among the ids seen with the row's item attributes, and event_ts, on one of
the training days."""


def _judge(config: Config, samples: Samples) -> list[Metric]:
    from clicksmith.evaluation.examples import judge_examples  # trees, which a report does without

    return judge_examples(config, samples)


EXAMPLES = Kind(
    name="examples",
    twin=TWINS["examples"],
    columns=(USER_COLUMN, *INPUT_COLUMNS),
    block_rows=4096,
    task_rows=20_000,
    makes=INPUT_COLUMNS,
    constants={"is_cold_user": False, "is_cold_item": False, "sample_weight": 1.0, "split": "train"},
    own_id=("example_id",),
    holdout=_same,
    fit=_fit,
    fit_batches=_fit_batches,
    read_codec=ExampleCodec.from_parts,
    signs=_signs,
    describe=_describe,
    show=None,
    judged=tuple(column.name for column in JUDGED_COLUMNS),
    judge=_judge,
)
"""A row of gold.training_examples. Generated ones have no user, session, request or propensity."""
