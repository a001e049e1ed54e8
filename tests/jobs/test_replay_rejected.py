"""The job by itself; tests/properties/test_batches.py replays whole streams."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import replay_rejected
from builders import rows_of
from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import EXIT_USER_ERROR
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.tables import BRONZE_EVENTS, EVENTS_REJECTED

NAMES = ("event_id", "event_type", "event_ts", "user_id", "item_id")


def test_it_starts_in_a_process_of_its_own(tmp_path: Path) -> None:
    """Where no Spark runs yet: a lake without rejected events is told before any is started."""
    (tmp_path / "lake").mkdir()
    command = [sys.executable, replay_rejected.__file__, "--set", f"lake.root={tmp_path / 'lake'}"]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    assert "bronze.events_rejected was not found" in done.stderr
    assert done.returncode == EXIT_USER_ERROR


@pytest.mark.spark
def test_rows_are_held_against_the_moment_of_their_own_ingest(  # type: ignore[no-untyped-def]
    spark, tmp_path: Path, make_config: Callable[..., Config], lake: Lake
) -> None:
    """Of two batches, ingested in January and in June, with an event of March each."""
    for ingest_id, month in (("january", 1), ("june", 6)):
        event = {"event_id": ingest_id, "event_type": "click", "event_ts": "2024-03-01T00:00:00Z"}
        raw = json.dumps({**event, "user_id": "u", "item_id": "i"})
        row = {"raw": raw, "reasons": ["x"], "ruleset_version": "v", "source": "s", "ingest_id": ingest_id}
        lineage = Lineage("ingest_events", ingest_id, "", began=datetime(2024, month, 1, tzinfo=UTC))
        frame = spark.createDataFrame(rows_of(EVENTS_REJECTED, [row]))
        commit(frame, EVENTS_REJECTED, lake, lineage, f"ingest_id={ingest_id}")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("{}")
    columns = {name: name for name in NAMES}
    events = {"path": str(tmp_path / "in"), "format": "jsonl", "columns": columns}
    source = {"name": "files", "events": events, "incremental": True}
    replay_rejected.run(make_config(f"source={json.dumps(source)}"))
    accepted, rejected = (lake.open(table).to_pyarrow_table() for table in (BRONZE_EVENTS, EVENTS_REJECTED))  # type: ignore[union-attr]
    assert accepted["event_id"].to_pylist() == ["june"]
    assert [json.loads(raw)["event_id"] for raw in rejected["raw"].to_pylist()] == ["january"]
    assert rejected["reasons"].to_pylist() == [["event_ts: over 24 hours later than its ingest"]]
    assert lake.get(EVENTS_REJECTED).metadata["began"] == "2024-06-01T00:00:00+00:00"
