"""Batches of new files: each file once, what is missing again, a changed file refused."""

import os
import shutil
import time
from pathlib import Path

import pytest

from builders import at, event, rows_of
from clicksmith.config import FilesConfig, FilesTableConfig
from clicksmith.errors import LakeError, SourceError
from clicksmith.lakehouse import batches
from clicksmith.lakehouse.batches import Batch, known_files
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.sources.files import event_files
from clicksmith.tables import BRONZE_EVENTS, EVENT_FILES, EVENTS_REJECTED

pytestmark = pytest.mark.spark


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def arrive(folder: Path, **contents: str) -> None:
    for name, content in contents.items():
        (folder / name).write_text(content)


def next_batches(spark, lake: Lake, folder: Path, **settings) -> list[Batch]:
    table = FilesTableConfig(path=str(folder), format="jsonl", columns={})
    config = FilesConfig(events=table, incremental=True, **{"settle_seconds": 0, **settings})
    return batches.next_batches(spark, lake, event_files(config), config)


def ingest(spark, lake: Lake, batch: Batch) -> None:
    """What the job does with a batch, with one row a file."""
    lineage = Lineage("ingest_events", batch.fingerprint, "")
    nothing = spark.createDataFrame(rows_of(EVENTS_REJECTED, []))
    commit(nothing, EVENTS_REJECTED, lake, lineage, batch.part)
    rows = [event(name, "click", at(0), ingest_id=batch.ingest_id) for name in batch.files]
    frame = spark.createDataFrame(rows_of(BRONZE_EVENTS, rows))
    commit(frame, BRONZE_EVENTS, lake, lineage, batch.part)


def test_each_file_is_in_one_batch_and_the_ids_are_a_chain(spark, lake: Lake, folder: Path):
    arrive(folder, a="1", b="22", c="333")
    (first,) = next_batches(spark, lake, folder, max_files=2)
    assert (first.number, first.files) == (0, ("a", "b"))
    ingest(spark, lake, first)
    (second,) = next_batches(spark, lake, folder, max_files=2)
    assert (second.number, second.files) == (1, ("c",))
    ingest(spark, lake, second)
    assert next_batches(spark, lake, folder, max_files=2) == []
    (folder / "a").unlink()
    assert next_batches(spark, lake, folder, max_files=2) == [], "old files may go"
    assert lake.count_rows(lake.get(BRONZE_EVENTS)) == 3
    assert first.ingest_id != second.ingest_id


def test_a_batch_that_was_begun_is_done_again_whatever_has_arrived_since(spark, lake: Lake, folder: Path):
    arrive(folder, a="1")
    (begun,) = next_batches(spark, lake, folder)
    arrive(folder, b="2")
    (again,) = next_batches(spark, lake, folder)
    assert begun == again
    ingest(spark, lake, again)
    ingest(spark, lake, again)
    assert lake.count_rows(lake.get(BRONZE_EVENTS)) == 1, "a batch's rows replace its own"
    (later,) = next_batches(spark, lake, folder)
    assert later.files == ("b",)


@pytest.mark.parametrize(
    "table",
    [BRONZE_EVENTS, pytest.param(EVENTS_REJECTED, marks=pytest.mark.soak)],
    ids=lambda table: table.name,
)
def test_all_batches_that_a_restore_undid_are_done_again_oldest_first(spark, lake: Lake, folder: Path, table):
    done = []
    for name in "abc":
        arrive(folder, **{name: name})
        (batch,) = next_batches(spark, lake, folder)
        ingest(spark, lake, batch)
        done.append(batch)
    spark.sql(f"RESTORE TABLE delta.`{lake.uri(table)}` TO VERSION AS OF 0").collect()
    assert next_batches(spark, lake, folder) == done[1:]
    ingest(spark, lake, done[2])  # as a run did that looked at the last batch alone
    arrive(folder, d="d")
    assert next_batches(spark, lake, folder) == [done[1]]
    ingest(spark, lake, done[1])
    assert lake.count_rows(lake.get(BRONZE_EVENTS)) == 3
    (new,) = next_batches(spark, lake, folder)
    assert (new.number, new.files) == (3, ("d",))
    shutil.rmtree(lake.uri(table))
    assert next_batches(spark, lake, folder) == [*done, new]


def test_batches_whose_commits_the_log_has_dropped_are_there(
    spark, lake: Lake, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in "abc":
        arrive(folder, **{name: name})
        (batch,) = next_batches(spark, lake, folder)
        ingest(spark, lake, batch)
    # Delta drops entries after thirty days, at a checkpoint.
    from clicksmith.lakehouse import catalog

    log = catalog._log
    monkeypatch.setattr(catalog, "_log", lambda delta: (c for c in log(delta) if c["version"] > 1))
    assert next_batches(spark, lake, folder) == []


def test_batches_that_are_no_longer_written_down_are_not_ingested_twice(spark, lake: Lake, folder: Path):
    for name in "ab":
        arrive(folder, **{name: name})
        (batch,) = next_batches(spark, lake, folder)
        ingest(spark, lake, batch)
    spark.sql(f"RESTORE TABLE delta.`{lake.uri(EVENT_FILES)}` TO VERSION AS OF 0").collect()
    with pytest.raises(LakeError, match="has batches that bronze"):
        next_batches(spark, lake, folder)
    spark.sql(f"RESTORE TABLE delta.`{lake.uri(EVENT_FILES)}` TO VERSION AS OF 1").collect()
    assert next_batches(spark, lake, folder) == []


@pytest.mark.parametrize(("content", "found"), [("23456", "now 5"), ("2", "now others")])
def test_a_file_that_changed_is_refused(spark, lake: Lake, folder: Path, content: str, found: str):
    arrive(folder, a="1")
    (batch,) = next_batches(spark, lake, folder)
    ingest(spark, lake, batch)
    arrive(folder, a=content)
    later(folder / "a")
    with pytest.raises(SourceError, match=rf"changed .* a \(batch 0 found 1 bytes, {found}.*accept_changed="):
        next_batches(spark, lake, folder)


def later(path: Path) -> None:
    """Written a second later than it says, since clocks of file systems are coarse."""
    moment = path.stat().st_mtime_ns + 10**9
    os.utime(path, ns=(moment, moment))


def test_a_changed_file_that_is_accepted_counts_as_it_is(spark, lake: Lake, folder: Path):
    arrive(folder, a1="1", a2="2", b="3")
    (batch,) = next_batches(spark, lake, folder)
    ingest(spark, lake, batch)
    arrive(folder, a1="changed", a2="changed as well", b="others")
    with pytest.raises(SourceError, match=r"1 files have changed.*: b \(batch"):
        next_batches(spark, lake, folder, accept_changed=["a*"])
    assert next_batches(spark, lake, folder, accept_changed=["a*", "b"]) == []
    assert next_batches(spark, lake, folder) == [], "from then on"
    assert {name: row["num_bytes"] for name, row in known_files(lake).items()} == {"a1": 7, "a2": 15, "b": 6}
    assert lake.get(BRONZE_EVENTS).version == 0, "its rows stay"
    arrive(folder, a1="")
    with pytest.raises(SourceError, match=r"a1 \(batch 0 found 7 bytes, now 0\)"):
        next_batches(spark, lake, folder)


def test_a_begun_batch_of_an_accepted_file_is_ingested_as_it_is_now(spark, lake: Lake, folder: Path):
    arrive(folder, a="half")
    (begun,) = next_batches(spark, lake, folder)
    arrive(folder, a="all of it")
    (again,) = next_batches(spark, lake, folder, accept_changed=["a"])
    assert again.ingest_id == begun.ingest_id, "its rows replace what there is of the first try"
    assert again.fingerprint != begun.fingerprint, "rejected rows of the first try are not taken for its own"


def test_a_file_that_was_copied_anew_is_the_same(spark, lake: Lake, folder: Path):
    arrive(folder, a="1", b="x" * 10**6)
    (batch,) = next_batches(spark, lake, folder)
    ingest(spark, lake, batch)
    for name in "ab":
        later(folder / name)
    assert next_batches(spark, lake, folder) == []
    times = {name: (folder / name).stat().st_mtime_ns for name in "ab"}
    assert {name: row["modified_ns"] for name, row in known_files(lake).items()} == times, "not read again"
    with (folder / "b").open("r+") as file:  # one block in the middle
        file.seek(500_000)
        file.write("y" * 70_000)
    later(folder / "b")
    with pytest.raises(SourceError, match=r"b \(batch 0 found 1,000,000 bytes, now others"):
        next_batches(spark, lake, folder)


def test_files_that_are_being_written_wait(spark, lake: Lake, folder: Path):
    arrive(folder, old="1", new="2", empty="")
    hours_ago = time.time() - 7200
    os.utime(folder / "old", (hours_ago, hours_ago))
    os.utime(folder / "empty", (hours_ago, hours_ago))
    (batch,) = next_batches(spark, lake, folder, settle_seconds=3600)
    assert batch.files == ("old",), "one is too new, and one is yet to be filled"
    ingest(spark, lake, batch)
    assert next_batches(spark, lake, folder, settle_seconds=3600) == []
    arrive(folder, empty="3")
    (batch,) = next_batches(spark, lake, folder)
    assert batch.files == ("empty", "new")


def test_a_file_of_the_future_does_not_wait_for_it(spark, lake: Lake, folder: Path):
    arrive(folder, future="1", new="2")
    os.utime(folder / "future", (time.time() + 86_400, time.time() + 86_400))
    (batch,) = next_batches(spark, lake, folder, settle_seconds=3600)
    assert batch.files == ("future",)


def test_a_lake_of_before_gains_what_it_lacks(spark, lake: Lake, folder: Path):
    """Files that were written down by their sizes alone."""
    arrive(folder, a="1")
    os.utime(folder / "a", (0, 0))
    row = spark.createDataFrame(
        [(0, "a", 1, "i0")], "batch long, file string, num_bytes long, ingest_id string"
    )
    metadata = '{"fingerprint": "f", "job": "ingest_events", "part": "batch=0"}'
    row.write.format("delta").option("userMetadata", metadata).save(lake.uri(EVENT_FILES))
    ingest(spark, lake, Batch(0, "i0", ("a",), "f0"))
    assert next_batches(spark, lake, folder) == []
    arrive(folder, b="2")
    (batch,) = next_batches(spark, lake, folder)
    assert (batch.number, batch.files) == (1, ("b",))
    found = {name: (row["num_bytes"], row["content_hash"] is None) for name, row in known_files(lake).items()}
    assert found == {"a": (1, True), "b": (1, False)}


def test_a_lake_that_was_ingested_as_a_whole_is_refused(spark, lake: Lake, folder: Path):
    arrive(folder, a="1")
    (batch,) = next_batches(spark, lake, folder)
    ingest(spark, lake, batch)
    rows = spark.createDataFrame(rows_of(BRONZE_EVENTS, [event("1", "click", at(0))]))
    commit(rows, BRONZE_EVENTS, lake, Lineage("ingest_events", "f", ""))
    for table in (None, EVENT_FILES):
        if table is not None:
            shutil.rmtree(lake.uri(table))
        with pytest.raises(SourceError, match="as a whole"):
            next_batches(spark, lake, folder)


def test_of_two_runs_that_race_with_other_files_one_is_refused(spark, lake: Lake, folder: Path, monkeypatch):
    arrive(folder, a="1")
    next_batches(spark, lake, folder)
    arrive(folder, b="2")
    # The other run looked before ours had written its files down, and saw one file more.
    monkeypatch.setattr(batches, "known_files", lambda _: {})
    monkeypatch.setattr(Lake, "open", _without_newest_version(Lake.open))
    with pytest.raises(LakeError, match="superseded"):
        next_batches(spark, lake, folder)


def _without_newest_version(open_table):
    calls = []

    def open_as_of_before(self, table, version=None):
        calls.append(table)
        unseen = table is EVENT_FILES and calls.count(EVENT_FILES) <= 3  # what the commit looks at first
        return None if unseen else open_table(self, table, version)

    return open_as_of_before
