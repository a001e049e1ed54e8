"""Commits happen once, whole, and only with rows that keep the contract."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame, SparkSession

from clicksmith.config import Config
from clicksmith.errors import ContractError, LakeError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, conform, read, spark_schema
from clicksmith.lakehouse.lineage import Lineage, trace
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
