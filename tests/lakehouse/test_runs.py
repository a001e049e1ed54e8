"""A row a run: what it committed, or why it failed."""

import json
from pathlib import Path

import pytest

import ingest_events
from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.job import EXIT_USER_ERROR, run_job
from clicksmith.lakehouse.runs import record_run
from clicksmith.tables import BRONZE_EVENTS, EVENTS_REJECTED, JOB_RUNS
from faults import clicks


def runs(lake: Lake) -> list[dict]:
    delta = lake.open(JOB_RUNS)
    return (
        [] if delta is None else sorted(delta.to_pyarrow_table().to_pylist(), key=lambda r: r["started_ts"])
    )


@pytest.mark.spark
def test_what_a_run_committed_and_that_the_next_found_it_done(spark, tmp_path: Path, lake: Lake):
    clicks.write_clicks(tmp_path / "in", 100)
    flags = [f"--set={setting}" for setting in clicks.settings(tmp_path / "lake", tmp_path / "in")]
    assert run_job(ingest_events.run, "", flags) == 0
    assert run_job(ingest_events.run, "", flags) == 0
    first, second = runs(lake)
    commits = {commit["table"]: commit for commit in json.loads(first["commits"])}
    assert (first["job"], first["outcome"], first["problem"]) == ("ingest_events", "done", None)
    assert first["run_id"] == lake.get(BRONZE_EVENTS).metadata["run_id"]
    assert commits[BRONZE_EVENTS.name]["counts"] == {"rows_in": 101, "accepted": 100, "rejected": 1}
    assert (commits[BRONZE_EVENTS.name]["rows"], commits[EVENTS_REJECTED.name]["rows"]) == (100, 1)
    assert first["seconds"] > 0 and first["peak_memory_mb"] > 10
    assert (second["outcome"], json.loads(second["commits"]), second["run_id"]) == ("done", [], None)


def test_a_failed_run_tells_why(tmp_path: Path, lake: Lake):
    (tmp_path / "lake").mkdir()
    flags = [f"--set={setting}" for setting in clicks.settings(tmp_path / "lake", tmp_path / "nowhere")]
    assert run_job(ingest_events.run, "", flags) == EXIT_USER_ERROR
    (run,) = runs(lake)
    assert run["outcome"] == "failed"
    assert run["problem"].startswith("source.events.path:") and "matches no file" in run["problem"]


def test_a_mistaken_root_is_not_made(tmp_path: Path):
    flags = [f"--set={setting}" for setting in clicks.settings(tmp_path / "lake", tmp_path / "nowhere")]
    assert run_job(ingest_events.run, "", flags) == EXIT_USER_ERROR
    assert not (tmp_path / "lake").exists()


def test_a_record_that_cannot_be_written_costs_a_warning(tmp_path: Path, caplog):
    (tmp_path / "lake").write_text("a file, no folder")
    config = Config.model_validate({"lake": {"root": str(tmp_path / "lake")}})
    with record_run("train_generator", config):
        pass
    assert "this run is not recorded" in caplog.text


def test_an_interrupted_run_is_not_done(tmp_path: Path, lake: Lake):
    (tmp_path / "lake").mkdir()
    config = Config.model_validate({"lake": {"root": str(tmp_path / "lake")}})
    with pytest.raises(KeyboardInterrupt), record_run("train_generator", config):
        raise KeyboardInterrupt
    (run,) = runs(lake)
    assert (run["outcome"], run["problem"]) == ("failed", "KeyboardInterrupt")
