"""Batches of new files: each file once, a killed batch again, a changed file refused."""

import pytest

from builders import at, event, rows_of
from clicksmith.errors import LakeError, SourceError
from clicksmith.lakehouse import batches
from clicksmith.lakehouse.batches import next_batch
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.tables import BRONZE_EVENTS

pytestmark = pytest.mark.spark


def ingest(spark, lake: Lake, batch: batches.Batch) -> None:
    """What the job does with a batch, with one row a file."""
    rows = [event(name, "click", at(0), ingest_id=batch.ingest_id) for name in batch.files]
    frame = spark.createDataFrame(rows_of(BRONZE_EVENTS, rows))
    commit(frame, BRONZE_EVENTS, lake, Lineage("ingest_events", f"f{batch.number}", ""), batch.part)


def test_each_file_is_in_one_batch_and_the_ids_are_a_chain(spark, lake: Lake):
    first = next_batch(spark, lake, {"b": 2, "a": 1, "c": 3}, max_files=2)
    assert first is not None and (first.number, first.files) == (0, ("a", "b"))
    ingest(spark, lake, first)
    second = next_batch(spark, lake, {"b": 2, "a": 1, "c": 3}, max_files=2)
    assert second is not None and (second.number, second.files) == (1, ("c",))
    ingest(spark, lake, second)
    assert next_batch(spark, lake, {"b": 2, "a": 1, "c": 3}, max_files=2) is None
    assert next_batch(spark, lake, {"c": 3}, max_files=2) is None, "old files may go"
    assert lake.count_rows(lake.get(BRONZE_EVENTS)) == 3
    assert first.ingest_id != second.ingest_id


def test_a_batch_that_was_begun_is_done_again_whatever_has_arrived_since(spark, lake: Lake):
    begun = next_batch(spark, lake, {"a": 1}, max_files=9)
    again = next_batch(spark, lake, {"a": 1, "b": 2}, max_files=9)
    assert begun == again
    assert again is not None
    ingest(spark, lake, again)
    ingest(spark, lake, again)
    assert lake.count_rows(lake.get(BRONZE_EVENTS)) == 1, "a batch's rows replace its own"
    later = next_batch(spark, lake, {"a": 1, "b": 2}, max_files=9)
    assert later is not None and later.files == ("b",)


def test_a_file_that_changed_is_refused(spark, lake: Lake):
    next_batch(spark, lake, {"a": 1}, max_files=9)
    with pytest.raises(SourceError, match="The file a has 5 bytes; batch 0 found 1"):
        next_batch(spark, lake, {"a": 5}, max_files=9)


def test_a_lake_that_was_ingested_as_a_whole_is_refused(spark, lake: Lake):
    rows = spark.createDataFrame(rows_of(BRONZE_EVENTS, [event("1", "click", at(0))]))
    commit(rows, BRONZE_EVENTS, lake, Lineage("ingest_events", "f", ""))
    with pytest.raises(SourceError, match="as a whole"):
        next_batch(spark, lake, {"a": 1}, max_files=9)


def test_of_two_runs_that_race_with_other_files_one_is_refused(spark, lake: Lake, monkeypatch):
    ours = next_batch(spark, lake, {"a": 1}, max_files=9)
    assert ours is not None
    # The other run looked before ours had written its files down, and saw one file more.
    seen: list[dict] = [{}]
    known_files = batches.known_files
    monkeypatch.setattr(
        batches, "known_files", lambda *arguments: seen.pop() if seen else known_files(*arguments)
    )
    monkeypatch.setattr(Lake, "open", _without_newest_version(Lake.open))
    with pytest.raises(LakeError, match="superseded"):
        next_batch(spark, lake, {"a": 1, "b": 2}, max_files=9)


def _without_newest_version(open_table):
    calls = []

    def open_as_of_before(self, table, version=None):
        calls.append(table)
        return None if len(calls) <= 3 else open_table(self, table, version)

    return open_as_of_before
