"""The job on real Delta tables: what it accepts, rejects, refuses, and does when it is run again."""

import json
import os
import random
import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import ingest_events
from clicksmith.config import Config
from clicksmith.errors import ContractError, SourceError
from clicksmith.lakehouse import intake
from clicksmith.lakehouse.catalog import Lake
from clicksmith.sources.lines import NOT_JSON, NOT_UTF8
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVENTS_REJECTED,
    ITEMS_REJECTED,
    USERS_REJECTED,
    Table,
)

pytestmark = [pytest.mark.spark]

SIX = (BRONZE_EVENTS, BRONZE_ITEMS, BRONZE_USERS, EVENTS_REJECTED, ITEMS_REJECTED, USERS_REJECTED)
COLUMNS = {name: name for name in ("event_id", "event_type", "event_ts", "user_id", "item_id")}
Build = Callable[..., Config]


def event(number: int, **change: Any) -> dict[str, Any]:
    ts = f"2024-01-01T00:{number % 60:02d}:00Z"
    return {
        "event_id": f"e{number}",
        "event_type": "click",
        "event_ts": ts,
        "user_id": "u",
        "item_id": "i",
        **change,
    }


def source(path: Path, max_rejected_fraction: float = 0.05, **more: Any) -> list[str]:
    events = {"path": str(path), "format": "jsonl", "columns": COLUMNS}
    value = {"name": "files", "events": events, **more}
    return [f"source={json.dumps(value)}", f"contract.max_rejected_fraction={max_rejected_fraction}"]


def write(path: Path, lines: list[bytes | dict[str, Any]]) -> Path:
    path.write_bytes(
        b"".join(x + b"\n" if isinstance(x, bytes) else json.dumps(x).encode() + b"\n" for x in lines)
    )
    return path


def rows(lake: Lake, table: Table) -> pa.Table:
    delta = lake.open(table)
    assert delta is not None, table.name
    return delta.to_pyarrow_table()


def versions(lake: Lake) -> dict[str, int | None]:
    found = {table.name: lake.open(table) for table in SIX}
    return {name: None if delta is None else delta.version() for name, delta in found.items()}


def test_good_and_bad_events_are_parted_and_all_tables_exist(
    spark, tmp_path: Path, make_config: Build, lake: Lake
):
    bad: dict[str, bytes | dict[str, Any]] = {
        NOT_JSON: b'{"event_id": "x"',
        NOT_UTF8: b"\xff\xfe\x00",
        "event_type: not one of impression, click, cart, purchase, search": event(90, event_type="teleport"),
        "event_ts: before 1995-01-01": event(91, event_ts="1970-01-01T00:00:00Z"),
        "event_ts: not before 2050-01-01": event(92, event_ts="2100-01-01T00:00:00Z"),
        "user_id: missing": {k: v for k, v in event(93).items() if k != "user_id"},
    }
    # Duplicates are no error here: cleaning takes them out.
    path = write(tmp_path / "a.jsonl", [*map(event, range(10)), event(3), event(3), *bad.values()])
    config = make_config(*source(path, 0.5))
    ingest_events.run(config)
    found = rows(lake, BRONZE_EVENTS)
    assert sorted(found["event_id"].to_pylist()) == sorted([f"e{n}" for n in range(10)] + ["e3", "e3"])
    first = found.sort_by("event_id").slice(0, 1).to_pylist()[0]
    assert first["event_ts"] == datetime(2024, 1, 1, tzinfo=UTC)
    assert first["source"] == "files"
    snapshot = lake.get(BRONZE_EVENTS)
    assert set(found["ingest_id"].to_pylist()) == {snapshot.metadata["run_id"]}
    assert snapshot.metadata["counts"] == {"rows_in": 18, "accepted": 12, "rejected": 6}
    rejected = rows(lake, EVENTS_REJECTED).to_pylist()
    also = {"event_ts: not before 2050-01-01": ["event_ts: over 24 hours later than its ingest"]}
    expected = [[reason, *also.get(reason, [])] for reason in bad]
    assert sorted(row["reasons"] for row in rejected) == sorted(expected)
    raw = {row["reasons"][0]: row["raw"] for row in rejected}
    assert raw[NOT_JSON] == '{"event_id": "x"'
    assert json.loads(raw["event_ts: before 1995-01-01"]) == event(91, event_ts="1970-01-01T00:00:00Z")
    for table in SIX:
        assert rows(lake, table).column_names == table.column_names
    assert rows(lake, BRONZE_ITEMS).num_rows == rows(lake, USERS_REJECTED).num_rows == 0

    before = versions(lake)
    ingest_events.run(config)
    assert versions(lake) == before == dict.fromkeys(before, 0)


def test_too_many_bad_rows_stop_the_job_after_they_are_kept(
    spark, tmp_path: Path, make_config: Build, lake: Lake
):
    lines = [*map(event, range(8)), event(8, user_id=None), event(9, user_id=None, event_type="x")]
    config = make_config(*source(write(tmp_path / "a.jsonl", lines)))
    for _ in range(2):  # the second time the rejected rows are there already
        with pytest.raises(ContractError, match=r"2 of 10 rows for bronze.events .* user_id: missing \(2\)"):
            ingest_events.run(config)
        assert rows(lake, EVENTS_REJECTED).num_rows == 2
        assert versions(lake)["bronze.events"] is None
        assert versions(lake)["bronze.events_rejected"] == 0


def test_a_run_that_was_killed_between_commits_goes_on(spark, tmp_path: Path, make_config: Build, lake: Lake):
    lines = [*map(event, range(50)), event(50, user_id=None)]
    config = make_config(*source(write(tmp_path / "a.jsonl", lines)))
    ingest_events.run(config)
    whole = rows(lake, BRONZE_EVENTS).sort_by("event_id")
    for missing in ([BRONZE_EVENTS], [BRONZE_EVENTS, BRONZE_USERS, BRONZE_ITEMS, EVENTS_REJECTED]):
        for table in missing:
            shutil.rmtree(lake.uri(table))
        ingest_events.run(config)
        assert versions(lake) == {table.name: 0 for table in SIX}
        assert rows(lake, BRONZE_EVENTS).sort_by("event_id").equals(whole)
        assert lake.get(BRONZE_EVENTS).metadata["counts"] == {"rows_in": 51, "accepted": 50, "rejected": 1}


def test_items_and_users_come_along(spark, tmp_path: Path, make_config: Build, lake: Lake):
    (tmp_path / "items.csv").write_text("sku;name;cost\n1;Tea;2.5\n2;Cup;\n;Nameless;1\n")
    items = {
        "path": str(tmp_path / "items.csv"),
        "format": "csv",
        "delimiter": ";",
        "columns": {"item_id": "sku", "title": "name", "price": "cost"},
    }
    path = write(tmp_path / "a.jsonl", [event(1)])
    ingest_events.run(make_config(*source(path, 0.5, items=items)))
    found = rows(lake, BRONZE_ITEMS).sort_by("item_id").select(["item_id", "title", "price"]).to_pylist()
    assert found == [
        {"item_id": "1", "title": "Tea", "price": 2.5},
        {"item_id": "2", "title": "Cup", "price": None},
    ]
    assert rows(lake, ITEMS_REJECTED)["raw"].to_pylist() == [";Nameless;1"]


def test_the_same_files_elsewhere_give_the_same_rows(spark, tmp_path: Path, make_config: Build, lake: Lake):
    tables = []
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        path = write(tmp_path / place / "a.jsonl", [*map(event, range(20))])
        ingest_events.run(make_config(*source(path), f"lake.root={tmp_path / place / 'lake'}"))
        tables.append(rows(Lake(str(tmp_path / place / "lake")), BRONZE_EVENTS).sort_by("event_id"))
    assert tables[0].equals(tables[1])


@pytest.mark.parametrize("content", [b"", b"\n\n\n"])
def test_an_empty_source_is_one_clear_error(
    spark, tmp_path: Path, make_config: Build, lake: Lake, content: bytes
):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(SourceError, match=r"is empty|holds no rows for bronze\.events"):
        ingest_events.run(make_config(*source(tmp_path / "a.jsonl")))
    assert versions(lake)["bronze.events"] is None


def test_a_first_run_whose_files_are_all_too_young_says_so(
    spark, tmp_path: Path, make_config: Build, lake: Lake
):
    write(tmp_path / "a.jsonl", [event(0)])
    config = make_config(*source(tmp_path / "a.jsonl", incremental=True, settle_seconds=3600))
    with pytest.raises(SourceError, match=r"younger than source\.settle_seconds \(3600 s\).* lower"):
        ingest_events.run(config)


def test_a_missing_column_stops_before_anything_is_written(
    spark, tmp_path: Path, make_config: Build, lake: Lake
):
    lines = [{"uid" if k == "user_id" else k: v for k, v in event(n).items()} for n in range(5)]
    with pytest.raises(SourceError, match=r"no column 'user_id'.*nearest there is 'uid'"):
        ingest_events.run(make_config(*source(write(tmp_path / "a.jsonl", lines))))
    assert set(versions(lake).values()) == {None}


def test_ten_megabytes_of_random_bytes(spark, tmp_path: Path, make_config: Build, lake: Lake):
    noise = random.Random(5).randbytes(10_000_000)
    folder = tmp_path / "source"  # the lake lies beside it
    folder.mkdir()
    (folder / "noise.jsonl").write_bytes(noise)
    write(folder / "good.jsonl", [event(1), event(2)])
    expected = sum(1 for line in noise.split(b"\n") if line.strip(b"\r").strip(b" "))
    with pytest.raises(ContractError, match=f"{expected:,} of {expected + 2:,} rows"):
        ingest_events.run(make_config(*source(folder)))
    assert rows(lake, EVENTS_REJECTED).num_rows == expected
    ingest_events.run(make_config(*source(folder, 1.0)))
    assert sorted(rows(lake, BRONZE_EVENTS)["event_id"].to_pylist()) == ["e1", "e2"]
    assert rows(lake, EVENTS_REJECTED).num_rows == expected


def test_a_source_that_changes_while_it_is_read_leaves_nothing_behind(
    spark, tmp_path: Path, make_config: Build, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    """What was kept on disk is lost with its executor, and the file is another by then, of the same size."""
    path = write(tmp_path / "a.jsonl", [*map(event, range(9))])
    settings = source(path, 0.5, incremental=True, settle_seconds=0)
    commit_accepted = intake._commit_accepted

    def lose(spark, what, *arguments):
        if what.table is BRONZE_EVENTS:
            what.checked.unpersist(blocking=True)
            path.write_bytes(path.read_bytes().replace(b'"click"', b'"clock"', 1))
            later = path.stat().st_mtime_ns + 10**9  # clocks of file systems are coarse
            os.utime(path, ns=(later, later))
        commit_accepted(spark, what, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(intake, "_commit_accepted", lose)
        with pytest.raises(ContractError, match=r"bronze\.events: the rows written are not the 9 that were"):
            ingest_events.run(make_config(*settings))
    assert lake.find(BRONZE_EVENTS) is None
    with pytest.raises(SourceError, match=r"a\.jsonl \(batch 0 found .* bytes, now others\)"):
        ingest_events.run(make_config(*settings))
    accepting = source(path, 0.5, incremental=True, settle_seconds=0, accept_changed=["a.jsonl"])
    ingest_events.run(make_config(*accepting))
    assert sorted(rows(lake, BRONZE_EVENTS)["event_id"].to_pylist()) == [f"e{n}" for n in range(1, 9)]
    assert rows(lake, EVENTS_REJECTED).num_rows == 1


def test_a_run_that_another_one_overtook_ends(
    spark, tmp_path: Path, make_config: Build, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    config = make_config(*source(write(tmp_path / "a.jsonl", [*map(event, range(5)), b"no record"]), 0.5))
    commit, overtaken = intake.commit, []

    def commit_late(frame, table, *arguments, **named):
        if table is EVENTS_REJECTED and not overtaken:
            overtaken.append(True)
            ingest_events.run(config)
        return commit(frame, table, *arguments, **named)

    monkeypatch.setattr(intake, "commit", commit_late)
    thread = threading.Thread(target=ingest_events.run, args=[config], daemon=True)
    thread.start()
    thread.join(timeout=120)
    assert not thread.is_alive(), "it waits for counts of a write that never ran"
    assert (rows(lake, BRONZE_EVENTS).num_rows, rows(lake, EVENTS_REJECTED).num_rows) == (5, 1)


def test_a_lake_of_batches_is_not_replaced_by_what_is_left_of_its_files(
    spark, tmp_path: Path, make_config: Build, lake: Lake
):
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "a.jsonl", [event(1)])
    ingest_events.run(make_config(*source(folder, incremental=True, settle_seconds=0)))
    write(folder / "b.jsonl", [event(2)])
    (folder / "a.jsonl").unlink()
    with pytest.raises(SourceError, match="in batches of new files"):
        ingest_events.run(make_config(*source(folder)))
    assert rows(lake, BRONZE_EVENTS)["event_id"].to_pylist() == ["e1"]
