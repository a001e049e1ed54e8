"""A row of ops.job_runs for each run of a job, and its errors in our words. Needs no Spark."""

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
from clicksmith.errors.explain import doing
from clicksmith.errors.redact import redact_text, secrets_in
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
def record_run(job: str, config: Config) -> Iterator[str]:
    """Record what runs inside, which is given the run's id. A record that cannot be written costs a warning.

    Raises:
        ClicksmithError: in place of another library's error.
    """
    commits: list[Snapshot] = []
    lake, token = Lake.of(config), _commits.set(commits)
    started_ts, started = datetime.now(UTC), time.monotonic()
    run_uuid, problem = uuid.uuid4().hex, None
    settings = {
        "spark.driver_memory": config.spark.driver_memory,
        "spark.rows_per_partition": f"{config.spark.rows_per_partition:,}",
        "ray.num_workers": str(config.ray.num_workers),
    }
    try:
        with doing(job, tables=lake.places, settings=settings):
            yield run_uuid
    except BaseException as error:  # an interrupted run is not done either
        told = redact_text(str(error), secrets_in(config.model_dump(mode="json"))).splitlines()
        problem = told[0] if told else type(error).__name__
        raise
    finally:
        _commits.reset(token)
        seconds = time.monotonic() - started
        _write(lake, _row(run_uuid, job, started_ts, seconds, problem, commits))


def _row(
    run_uuid: str,
    job: str,
    started_ts: datetime,
    seconds: float,
    problem: str | None,
    commits: list[Snapshot],
) -> dict[str, Any]:
    first = commits[0].metadata if commits else {}
    return {
        "run_uuid": run_uuid,
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
        logger.warning("%s: this run is not recorded: %s", JOB_RUNS.name, " ".join(str(error).split())[:300])
