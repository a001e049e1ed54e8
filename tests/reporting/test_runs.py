"""The jobs' section: the longest run of each, and what it wrote."""

import json
from datetime import timedelta

import pyarrow as pa
from deltalake import write_deltalake

from builders import at
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reporting import sections
from clicksmith.reporting.html import render
from clicksmith.tables import JOB_RUNS
from toy_report import gathered


def run(job: str, seconds: float, outcome: str = "done", commits: tuple[dict, ...] = ()) -> dict:
    return {
        "run_uuid": f"{job}{seconds}",
        "job": job,
        "started_ts": at() + timedelta(seconds=seconds),
        "seconds": seconds,
        "outcome": outcome,
        "commits": json.dumps(commits),
        "peak_memory_mb": 512.4,
        "library_version": "1",
    }


def test_the_longest_done_run_of_each_job_is_shown(make_config):
    config = make_config()
    commit = {"table": "silver.events", "part": None, "version": 0, "rows": 1234, "counts": {}}
    rows = [
        run("clean_events", 40.0, commits=(commit,)),
        run("clean_events", 0.2),
        run("ingest_events", 10.0),
        run("measure_lift", 900.0, outcome="failed"),
    ]
    write_deltalake(
        Lake.of(config).uri(JOB_RUNS), pa.Table.from_pylist(rows, schema=JOB_RUNS.arrow_schema), mode="append"
    )
    data = gathered(config)
    shown = sections.runs(data.runs)
    assert [(row["job"], row["seconds"], row["share"]) for row in shown] == [
        ("ingest_events", "10.0", 25),
        ("clean_events", "40.0", 100),
    ]
    assert shown[1]["commits"] == ["silver.events: 1,234"]
    page = render(data)
    assert "silver.events: 1,234" in page and "900.0" not in page


def test_a_lake_without_runs_has_no_such_section(make_config):
    assert 'id="runs"' not in render(gathered(make_config()))
