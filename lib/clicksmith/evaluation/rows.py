"""A figure as a row of gold.evaluation_metrics. Needs no Spark."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.tables import EVALUATION_METRICS

ROWS, PROFILE = "rows", "profile"
"""Slices of an attack's figure: by all columns of the rows, and by those alone that tell of a user."""


@dataclass(frozen=True)
class Metric:
    """One figure; see the columns of gold.evaluation_metrics. An undefined value is NaN here, null there."""

    metric: str
    slice: str
    arm: str
    value: float
    num_rows: int
    ci_low: float | None = None
    ci_high: float | None = None
    ceiling: float | None = None
    seed: int | None = None


def metrics_table(metrics: Iterable[Metric], run_id: str, job: str) -> pa.Table:
    """The figures of a run as rows of gold.evaluation_metrics."""
    rows = [{"run_id": run_id, "job": job, **asdict(metric)} for metric in metrics]
    for row in rows:
        row["value"] = None if math.isnan(row["value"]) else row["value"]
    return pa.Table.from_pylist(rows, schema=EVALUATION_METRICS.arrow_schema)


def read_metrics(snapshot: Snapshot, job: str) -> list[Metric]:
    """The figures of one job: a few thousand rows at most."""
    table = DeltaTable(snapshot.uri, version=snapshot.version).to_pyarrow_table(
        filters=[("job", "=", job)], columns=list(Metric.__dataclass_fields__)
    )
    keys = [(name, "ascending") for name in ("metric", "slice", "arm", "seed")]
    ordered = table.take(pc.sort_indices(table, sort_keys=keys))
    rows = ordered.to_pylist()
    return [Metric(**{**row, "value": math.nan if row["value"] is None else row["value"]}) for row in rows]
