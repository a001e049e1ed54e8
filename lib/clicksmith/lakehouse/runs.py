"""A row of ops.job_runs for each run of a job, and Spark's errors in our words. Needs no Spark."""

import json
import logging
import resource
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

import clicksmith
from clicksmith.config import Config
from clicksmith.errors import ClicksmithError, LakeError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.tables.ops import JOB_RUNS

logger = logging.getLogger(__name__)

_commits: ContextVar[list[Snapshot] | None] = ContextVar("commits", default=None)


def note_commit(snapshot: Snapshot) -> None:
    """Tell the run that is being recorded, if there is one, what it has committed."""
    found = _commits.get()
    if found is not None:
        found.append(snapshot)


@contextmanager
def record_run(job: str, config: Config) -> Iterator[None]:
    """Record what runs inside. A record that cannot be written costs a warning, never the run.

    Raises:
        LakeError: in place of an error of Spark's that the user can mend.
    """
    commits: list[Snapshot] = []
    token = _commits.set(commits)
    started_ts, started = datetime.now(UTC), time.monotonic()
    problem: str | None = None
    try:
        yield
    except Exception as error:
        explained = explain(error)
        problem = str(explained or error).splitlines()[0] if str(error) else type(error).__name__
        if explained is not None:
            raise explained from error
        raise
    finally:
        _commits.reset(token)
        seconds = time.monotonic() - started
        _write(Lake.of(config), _row(job, started_ts, seconds, problem, commits))


def explain(error: BaseException) -> LakeError | None:
    """An error of Spark's about damaged tables or full disks as one of ours; None for any other."""
    if isinstance(error, ClicksmithError) or not type(error).__module__.startswith(("pyspark", "py4j")):
        return None
    text = str(error)
    for marks, remedy in _REMEDIES.items():
        if any(mark in text for mark in marks):
            lines = [line.strip() for line in text.splitlines() if any(mark in line for mark in marks)]
            return LakeError(f"Spark failed: {lines[0][:500]}", remedy)
    return None


_REMEDIES = {
    ("No space left on device",): "Free disk space, or set spark.local.dir to a larger disk; then run again.",
    ("FAILED_READ_FILE", "is not a Parquet file", "Could not read footer"): (
        "A data file is damaged or gone. Restore it, or set the table back with RESTORE TABLE ... TO VERSION "
        "AS OF; then run the job that makes the table again."
    ),
    ("DELTA_UNSUPPORTED_FEATURES_FOR_READ", "DELTA_INVALID_PROTOCOL_VERSION"): (
        "The table was upgraded by a newer Delta. Downgrade it with ALTER TABLE ... DROP FEATURE there, or "
        "upgrade delta-spark here."
    ),
}


def _row(
    job: str, started_ts: datetime, seconds: float, problem: str | None, commits: list[Snapshot]
) -> dict[str, Any]:
    first = commits[0].metadata if commits else {}
    return {
        "run_uuid": uuid.uuid4().hex,
        "job": job,
        "started_ts": started_ts,
        "seconds": seconds,
        "outcome": "done" if problem is None else "failed",
        "problem": problem,
        "run_id": first.get("run_id"),
        "config_hash": first.get("config_hash"),
        "commits": json.dumps(
            [
                {
                    "table": snapshot.table.name,
                    "part": snapshot.metadata["part"],
                    "version": snapshot.version,
                    "rows": snapshot.num_rows,
                    "counts": snapshot.metadata["counts"],
                }
                for snapshot in commits
            ]
        ),
        # Linux counts in KiB, macOS in bytes.
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        / (2**20 if sys.platform == "darwin" else 2**10),
        "library_version": clicksmith.__version__,
    }


def _write(lake: Lake, row: dict[str, Any]) -> None:
    try:
        if row["outcome"] == "failed" and not storage.exists(lake.root):
            return  # a mistaken root is not made by mistake
        table = pa.Table.from_pylist([row], JOB_RUNS.arrow_schema)
        write_deltalake(lake.uri(JOB_RUNS), table, mode="append")
    except Exception as error:
        logger.warning("%s: this run is not recorded: %s", JOB_RUNS.name, str(error).splitlines()[0])
