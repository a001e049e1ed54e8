"""Commits happen once, whole, and only with rows that keep the contract."""

import json
import logging
import os
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession

from clicksmith.config import Config
from clicksmith.errors import ContractError, LakeError
from clicksmith.lakehouse import progress
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, conform, read, spark_schema
from clicksmith.lakehouse.lineage import Lineage, trace
from clicksmith.lakehouse.maintenance import maintain
from clicksmith.tables import ALL_TABLES, Column, Table
from clicksmith.tables.schema import TIMESTAMP

pytestmark = pytest.mark.spark

TOY = Table(
    "gold.toy", (Column("id", pa.string()), Column("value", pa.float64(), nullable=True)), key=("id",)
)
PARTED = Table("gold.parted", (Column("id", pa.string()), Column("kind", pa.string())), ("id",), ("kind",))


def run(name: str, seed: int = 0) -> Lineage:
    return trace(name, Config(seed=seed), {})


def rows(spark: SparkSession, lake: Lake, table: Table) -> set[tuple[object, ...]]:
    return {tuple(row) for row in read(spark, lake.get(table)).collect()}


def version(lake: Lake, table: Table) -> int:
    delta = lake.open(table)
    assert delta is not None
    return delta.version()


@pytest.fixture
def first(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([("a", 1.0), ("b", None)], "id string, value double")


@pytest.fixture
def second(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([("c", 3.0)], "id string, value double")


def test_rows_go_in_and_come_out(spark: SparkSession, lake: Lake, first: DataFrame) -> None:
    snapshot = commit(first, TOY, lake, run("toy"))
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}
    assert (snapshot.version, snapshot.num_rows) == (0, 2)
    assert snapshot.fingerprint == run("toy").fingerprint
    assert snapshot.metadata["job"] == "toy"
    assert run("toy").is_committed(lake, TOY)


def test_a_long_commit_says_how_far_it_is(
    spark: SparkSession,
    lake: Lake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The last task waits to hear of the others: Spark counts them with some delay."""
    monkeypatch.setattr(progress, "BEAT_SECONDS", 0.1)
    caplog.set_level("INFO", "clicksmith")
    heard = tmp_path / "heard"

    def hear(record: logging.LogRecord) -> bool:
        if ": 2 of 3 tasks" in record.getMessage():
            heard.touch()
        return True

    progress.logger.addFilter(hear)

    def slowly(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        time.sleep(1)
        context = TaskContext.get()
        assert context is not None
        last = time.monotonic() + 30
        while context.partitionId() == 2 and not heard.exists() and time.monotonic() < last:
            time.sleep(0.1)
        yield from batches

    ids = spark.createDataFrame([("a", 1.0), ("b", 2.0), ("c", 3.0)], "id string, value double")
    try:
        commit(ids.repartition(3).mapInArrow(slowly, ids.schema), TOY, lake, run("toy"))
    finally:
        progress.logger.removeFilter(hear)
    beats = [line for line in caplog.messages if line.startswith("writing gold.toy: ")]
    found = [re.fullmatch(r".*: (\d+) of (\d+) tasks of this stage are done, after \d+ s", b) for b in beats]
    assert {(int(m[1]), int(m[2])) for m in found if m} >= {(0, 3), (2, 3)}
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", 2.0), ("c", 3.0)}


def test_the_same_run_writes_once(
    spark: SparkSession, lake: Lake, first: DataFrame, second: DataFrame
) -> None:
    commit(first, TOY, lake, run("toy"))
    again = commit(
        second, TOY, lake, run("toy")
    )  # other rows cannot come from the same run; were they to, the first stay
    assert again.version == version(lake, TOY) == 0
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}


def test_going_back_to_an_earlier_run_commits_again(
    spark: SparkSession, lake: Lake, first: DataFrame, second: DataFrame
) -> None:
    commit(first, TOY, lake, run("toy", seed=1))
    commit(second, TOY, lake, run("toy", seed=2))
    assert rows(spark, lake, TOY) == {("c", 3.0)}
    assert not run("toy", seed=1).is_committed(lake, TOY)
    back = commit(first, TOY, lake, run("toy", seed=1))
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}
    assert back.version == 2


def test_a_pinned_version_stays_readable(
    spark: SparkSession, lake: Lake, first: DataFrame, second: DataFrame
) -> None:
    pinned = commit(first, TOY, lake, run("toy", seed=1))
    commit(second, TOY, lake, run("toy", seed=2))
    assert {row.id for row in read(spark, pinned).collect()} == {"a", "b"}


def test_a_part_is_replaced_and_the_others_stay(spark: SparkSession, lake: Lake) -> None:
    def part(kind: str, *ids: str) -> DataFrame:
        return spark.createDataFrame([(one, kind) for one in ids], "id string, kind string")

    commit(part("x", "1", "2"), PARTED, lake, run("x"), part="kind=x")
    commit(part("y", "3"), PARTED, lake, run("y"), part="kind=y")
    before = version(lake, PARTED)
    commit(part("x", "1", "2"), PARTED, lake, run("x"), part="kind=x")
    assert version(lake, PARTED) == before
    replaced = commit(part("x", "4"), PARTED, lake, run("x", seed=9), part="kind=x")
    assert rows(spark, lake, PARTED) == {("4", "x"), ("3", "y")}
    assert replaced.num_rows == 1
    assert run("y").is_committed(lake, PARTED, part="kind=y")
    assert not run("x").is_committed(lake, PARTED, part="kind=x")
    found = lake.find(PARTED, "kind=y")
    assert (
        found is not None and found.fingerprint == run("y").fingerprint and found.version == replaced.version
    )


def test_a_part_may_become_empty(spark: SparkSession, lake: Lake) -> None:
    schema = "id string, kind string"
    commit(spark.createDataFrame([("1", "x"), ("2", "x")], schema), PARTED, lake, run("x"), part="kind=x")
    commit(spark.createDataFrame([("3", "y")], schema), PARTED, lake, run("y"), part="kind=y")
    commit(spark.createDataFrame([], schema), PARTED, lake, run("x", seed=1), part="kind=x")
    assert rows(spark, lake, PARTED) == {("3", "y")}


def test_rows_of_another_part_are_refused(spark: SparkSession, lake: Lake) -> None:
    wrong = spark.createDataFrame([("1", "y")], "id string, kind string")
    commit(
        spark.createDataFrame([("0", "x")], "id string, kind string"), PARTED, lake, run("x"), part="kind=x"
    )
    with pytest.raises(LakeError, match=r"Writing gold\.parted failed"):
        commit(wrong, PARTED, lake, run("x", seed=1), part="kind=x")
    assert rows(spark, lake, PARTED) == {("0", "x")}


def test_a_null_where_none_may_be_stops_the_commit(
    spark: SparkSession, lake: Lake, first: DataFrame, capfd: pytest.CaptureFixture[str]
) -> None:
    commit(first, TOY, lake, run("toy"))
    broken = spark.createDataFrame([("x", 1.0), (None, 2.0)], "id string, value double")
    with pytest.raises(ContractError) as caught:
        commit(broken, TOY, lake, run("toy", seed=1))
    assert str(caught.value) == "gold.toy.id is null in a row, which its contract forbids."
    assert version(lake, TOY) == 0
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}
    assert "org.apache.spark" not in capfd.readouterr().err  # nothing hides our one line


def test_missing_column(spark: SparkSession) -> None:
    with pytest.raises(
        ContractError, match=r"Rows for gold\.toy lack the columns \['value'\]; they have \['id'\]"
    ):
        conform(spark.createDataFrame([("a",)], "id string"), TOY)


def test_conform_orders_casts_and_drops(spark: SparkSession) -> None:
    df = spark.createDataFrame([(1, "x", 5)], "value int, other string, id int")
    result = conform(df, TOY)
    assert result.dtypes == [("id", "string"), ("value", "double")]
    assert [tuple(row) for row in result.collect()] == [("5", 1.0)]


def test_timestamps_are_utc_microseconds(spark: SparkSession, lake: Lake) -> None:
    table = Table("gold.timed", (Column("event_ts", TIMESTAMP),), ())
    moment = datetime(2017, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    df = spark.createDataFrame([("2017-01-02T03:04:05.678901Z",)], "event_ts string").selectExpr(
        "timestamp(event_ts) AS event_ts"
    )
    commit(df, table, lake, run("timed"))
    delta = lake.open(table)
    assert delta is not None
    arrow = delta.to_pyarrow_table()
    assert arrow.schema.field("event_ts").type == TIMESTAMP
    assert arrow["event_ts"].to_pylist() == [moment]


def test_an_empty_table_is_a_table(spark: SparkSession, lake: Lake) -> None:
    snapshot = commit(spark.createDataFrame([], "id string, value double"), TOY, lake, run("toy"))
    assert rows(spark, lake, TOY) == set()
    assert snapshot.num_rows == 0


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_every_table_has_a_spark_schema(spark: SparkSession, table: Table) -> None:
    assert spark_schema(table).fieldNames() == table.column_names
    assert "ntz" not in spark_schema(table).simpleString()


def test_an_error_in_a_python_worker_is_named(spark: SparkSession, lake: Lake, first: DataFrame) -> None:
    def fail(batches: object) -> object:
        raise ZeroDivisionError("on purpose")

    broken = first.mapInArrow(fail, first.schema)
    with pytest.raises(LakeError, match=r"^Writing gold\.toy failed: ZeroDivisionError: on purpose\.$"):
        commit(broken, TOY, lake, run("toy"))


def short_of_a_row(spark: SparkSession) -> DataFrame:
    """Of two rows that were counted, one is left."""
    return spark.createDataFrame([("x", 9.0)], "id string, value double")


@pytest.mark.parametrize("has_rows", [True, False])
def test_a_commit_of_another_number_of_rows_is_void(
    spark: SparkSession, lake: Lake, first: DataFrame, has_rows: bool
) -> None:
    if has_rows:
        commit(first, TOY, lake, run("toy"))
    with pytest.raises(ContractError, match=r"gold\.toy: the rows written are not the 2 that"):
        commit(short_of_a_row(spark), TOY, lake, run("toy", seed=1), expected_rows=2)
    assert not run("toy", seed=1).is_committed(lake, TOY), "a second try does not find it done"
    if has_rows:
        assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}
        assert run("toy").is_committed(lake, TOY)
        delta = lake.open(TOY)
        assert delta is not None and delta.to_pyarrow_table().num_rows == 2, "nor does another reader see it"
    else:
        assert lake.find(TOY) is None
    assert commit(first, TOY, lake, run("toy", seed=1), expected_rows=2).num_rows == 2
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}


def test_a_run_killed_after_a_void_commit_has_published_nothing(
    spark: SparkSession, lake: Lake, first: DataFrame, second: DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit(first, TOY, lake, run("toy"))
    with monkeypatch.context() as killed:
        killed.setattr("clicksmith.lakehouse.commit.set_back", lambda *_: False)
        with pytest.raises(LakeError, match="superseded"):
            commit(short_of_a_row(spark), TOY, lake, run("toy", seed=1), expected_rows=2)
    assert version(lake, TOY) == 1, "it is on top of the table"
    assert lake.get(TOY).version == 0 and run("toy").is_committed(lake, TOY)
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}
    commit(second, TOY, lake, run("toy", seed=1), expected_rows=1)
    assert rows(spark, lake, TOY) == {("c", 3.0)}


@pytest.mark.parametrize("how", ["by others", pytest.param("by ours", marks=pytest.mark.soak)])
def test_a_void_commit_that_was_compacted_stays_void(
    spark: SparkSession,
    lake: Lake,
    first: DataFrame,
    second: DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    commit(first, TOY, lake, run("toy"))
    void = short_of_a_row(spark).union(second)  # as two files, which can be compacted
    with monkeypatch.context() as killed:
        killed.setattr("clicksmith.lakehouse.commit.set_back", lambda *_: False)
        with pytest.raises(LakeError, match="superseded"):
            commit(void, TOY, lake, run("toy", seed=1), expected_rows=3)
    if how == "by ours":
        maintain(spark, lake, TOY, Config().maintenance, {})
        delta = lake.open(TOY)
        assert delta is not None and set(delta.to_pyarrow_table()["id"].to_pylist()) == {"a", "b"}
    else:
        spark.sql(f"OPTIMIZE delta.`{lake.uri(TOY)}`").collect()
        assert (version(lake, TOY), lake.get(TOY).version) == (2, 0)
    assert run("toy").is_committed(lake, TOY)
    assert rows(spark, lake, TOY) == {("a", 1.0), ("b", None)}


def test_a_first_commit_that_was_void_leaves_nothing_beside_other_parts(
    spark: SparkSession, lake: Lake
) -> None:
    void = spark.createDataFrame([("1", "x")], "id string, kind string")
    with pytest.raises(ContractError, match="are not the 2 that"):
        commit(void, PARTED, lake, run("x"), "kind=x", expected_rows=2)
    commit(spark.createDataFrame([("2", "y")], "id string, kind string"), PARTED, lake, run("y"), "kind=y")
    assert rows(spark, lake, PARTED) == {("2", "y")}
    commit(void, PARTED, lake, run("x"), "kind=x", expected_rows=1)
    assert rows(spark, lake, PARTED) == {("1", "x"), ("2", "y")}


def test_rows_of_other_parts_that_were_put_into_the_same_file_are_not_counted(
    spark: SparkSession, lake: Lake
) -> None:
    table = Table("gold.together", (Column("id", pa.string()), Column("kind", pa.string())), ("id",))

    def part(kind: str, *ids: str) -> DataFrame:
        return spark.createDataFrame([(one, kind) for one in ids], "id string, kind string")

    commit(part("x", "1", "2"), table, lake, run("x"), "kind=x", expected_rows=2)
    commit(part("y", "3", "4", "5"), table, lake, run("y"), "kind=y", expected_rows=3)
    spark.sql(f"OPTIMIZE delta.`{lake.uri(table)}`").collect()
    again = commit(part("x", "6"), table, lake, run("x", seed=1), "kind=x", expected_rows=1)
    assert again.num_rows == 1
    assert rows(spark, lake, table) == {("6", "x"), ("3", "y"), ("4", "y"), ("5", "y")}


def test_a_restore_by_time_is_followed(spark: SparkSession, lake: Lake) -> None:
    def frame(*ids: str) -> DataFrame:
        return spark.createDataFrame([(one, 1.0) for one in ids], "id string, value double")

    commit(frame("a"), TOY, lake, run("toy", seed=1))
    commit(frame("b"), TOY, lake, run("toy", seed=2))
    delta = lake.open(TOY)
    assert delta is not None
    log = Path(lake.uri(TOY)) / "_delta_log"
    now = datetime.now(UTC)
    for number, hours in enumerate((3, 1)):  # the times of commits are those of the log's files
        moment = (now - timedelta(hours=hours)).timestamp()
        os.utime(log / f"{number:020}.json", (moment, moment))
    between = (now - timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S")
    spark._jvm.org.apache.spark.sql.delta.DeltaLog.clearCache()  # type: ignore[union-attr]
    spark.sql(f"RESTORE TABLE delta.`{lake.uri(TOY)}` TO TIMESTAMP AS OF '{between}'").collect()
    assert rows(spark, lake, TOY) == {("a", 1.0)}
    assert run("toy", seed=1).is_committed(lake, TOY)
    assert not run("toy", seed=2).is_committed(lake, TOY)
    assert [one.commit_version for one in lake.commits(TOY).undone] == [1]


@pytest.mark.parametrize("parts", [False, True])
def test_a_declared_column_is_gained(spark: SparkSession, lake: Lake, parts: bool) -> None:
    part = {True: ("kind=x", "kind=y"), False: (None, None)}[parts]
    wider = replace(PARTED, columns=(*PARTED.columns, Column("extra", pa.int64(), nullable=True)))
    old = spark.createDataFrame([("1", "x")], "id string, kind string")
    new = spark.createDataFrame([("2", "y", 5)], "id string, kind string, extra long")
    commit(old, PARTED, lake, run("x"), part[0])
    assert rows(spark, lake, wider) == {("1", "x", None)}, "a reader of the new column finds it null"
    assert not run("x").is_committed(lake, wider, part=part[0])
    commit(new, wider, lake, run("y"), part[1])
    assert rows(spark, lake, wider) == {("2", "y", 5)} | ({("1", "x", None)} if parts else set())


def test_columns_that_a_parted_table_cannot_gain_or_lose_are_refused(spark: SparkSession, lake: Lake) -> None:
    commit(spark.createDataFrame([("1", "x")], "id string, kind string"), PARTED, lake, run("x"), "kind=x")
    new = spark.createDataFrame([("2", "y", 5)], "id string, kind string, extra long")
    kind = PARTED["kind"]
    for columns, problem in (
        ((*PARTED.columns, Column("extra", pa.int64())), "lacks extra, which may not be null"),
        ((Column("extra", pa.int64(), nullable=True), kind), "has id, which is declared no more"),
        ((Column("id", pa.int64()), kind), "has id as string, declared as bigint"),
    ):
        other = replace(PARTED, columns=columns, key=())
        with pytest.raises(LakeError, match=rf"gold\.parted at .* {problem}.*set lake.root to a new lake"):
            commit(new, other, lake, run("y"), "kind=y")
    assert rows(spark, lake, PARTED) == {("1", "x")}


def test_the_log_is_read_only_as_far_as_it_is_needed(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        metadata = {"fingerprint": str(number), "part": f"kind={number}", "job": "toy"}
        write_deltalake(
            lake.uri(TOY),
            pa.table({"id": ["a"], "value": [1.0]}),
            mode="overwrite",
            commit_properties=CommitProperties(custom_metadata={"userMetadata": json.dumps(metadata)}),
        )
    asked: list[int | None] = []
    history = DeltaTable.history
    monkeypatch.setattr(DeltaTable, "history", lambda self, n=None: asked.append(n) or history(self, n))
    assert lake.get(TOY).fingerprint == "19"
    assert set(asked) == {8}
    for number in range(20):  # and none is passed over
        found = lake.get(TOY, f"kind={number}")
        assert (found.fingerprint, found.commit_version, found.version) == (str(number), number, 19)
    assert [one.fingerprint for one in lake.commits(TOY).standing] == [str(19 - n) for n in range(20)]
    assert lake.commits(TOY).oldest_version == 0
    before = lake.find(TOY, version=5)
    assert before is not None and (before.fingerprint, before.version) == ("5", 5)
