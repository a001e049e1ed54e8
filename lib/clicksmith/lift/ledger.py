"""Which measurements were started on which rows. Who tries often enough finds a gain in noise: it is counted.

Written before anything is trained, so that a measurement that was given up counts as well. Needs no Spark.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from clicksmith.errors.explain import doing
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lift.task import kind_of
from clicksmith.tables import MEASUREMENTS


def note(lake: Lake, run_id: str, examples: Snapshot, arms: Iterable[str]) -> dict[str, int]:
    """Write a measurement down, unless it is there already.

    Args:
        lake: the lake.
        run_id: of the measurement.
        examples: gold.training_examples; what other tasks are measured on is made with it, of the same rows.
        arms: what is tried, as ``task/arm``.

    Returns:
        By kind of task, how many others that tried it were started on the same rows before it.

    Raises:
        LakeError: it cannot be written; a measurement that nobody counts is not begun.
    """
    with doing(f"Writing {MEASUREMENTS.name}", tables=lake.places):
        uri, tried = lake.uri(MEASUREMENTS), sorted(arms)
        rows = _rows(uri)
        same = [row for row in rows if row["training_fingerprint"] == examples.fingerprint]
        mine = [row["started_ts"] for row in same if row["run_id"] == run_id]
        if not mine:
            row = {
                "run_id": run_id,
                "started_ts": datetime.now(UTC),
                "training_fingerprint": examples.fingerprint,
                "training_version": examples.version,
                "arms": tried,
            }
            write_deltalake(uri, pa.Table.from_pylist([row], MEASUREMENTS.arrow_schema), mode="append")
    others = {row["run_id"]: row["arms"] for row in same if not mine or row["started_ts"] < min(mine)}
    tasks_before = [{kind_of(arm) for arm in arms_before} for arms_before in others.values()]
    return {kind: sum(kind in tasks for tasks in tasks_before) for kind in sorted(set(map(kind_of, tried)))}


def _rows(uri: str) -> list[dict[str, Any]]:
    if not DeltaTable.is_deltatable(uri):
        return []
    rows: list[dict[str, Any]] = DeltaTable(uri).to_pyarrow_table().to_pylist()
    return rows
