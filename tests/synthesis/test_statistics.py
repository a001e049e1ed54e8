"""Statistics by Spark: the same codec as in memory, whatever the partitions; bounded tasks; clear errors."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.encoding.category import CategoryCodec
from clicksmith.encoding.identifiers import IdentifierCodec
from clicksmith.encoding.moments import MomentCodec
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.options import MIN_USERS, Options
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ContractError
from clicksmith.synthesis.statistics import collect_statistics
from clicksmith.tables import Column

pytestmark = pytest.mark.spark

UTC = pa.timestamp("us", tz="UTC")
COLUMNS = (
    Column("brand", pa.string(), nullable=True),
    Column("clicked", pa.bool_()),
    Column("item", pa.string()),
    Column("price", pa.float64(), nullable=True),
    Column("stay", pa.float64(), nullable=True),
    Column("visits", pa.int32()),
    Column("day", pa.date32()),
    Column("seen", UTC),
    Column("bought", UTC, nullable=True),
    Column("tags", pa.list_(pa.string()), nullable=True),
)
PROTECTED = Options(max_bins=32, min_users=MIN_USERS, user_column="user", kinds={"bought": "gap:seen"})
OPEN = Options(kinds={"bought": "gap:seen", "item": "identifier"})


def shop_rows(num_rows: int, seed: int = 0) -> pa.Table:
    rng = np.random.default_rng(seed)
    brand = np.minimum(rng.zipf(1.4, num_rows), 500)
    seen = rng.integers(0, 10**14, num_rows) // 10**6 * 10**6 + 1_600_000_000_000_000
    start = dt.date(2020, 1, 1)
    tags = [[f"t{t}" for t in rng.zipf(1.8, rng.integers(0, 5)).clip(max=99)] for _ in range(num_rows)]
    return pa.table(
        {
            "brand": pa.array([f"b{k}" for k in brand], mask=rng.random(num_rows) < 0.1),
            "clicked": rng.random(num_rows) < 0.2,
            "item": [f"i{k}" for k in rng.integers(0, 9000, num_rows)],
            "price": pa.array(np.round(rng.lognormal(2, 1.5, num_rows), 2), mask=rng.random(num_rows) < 0.1),
            "stay": np.where(rng.random(num_rows) < 0.4, 0.0, rng.exponential(size=num_rows)),
            "visits": pa.array(rng.integers(0, 700, num_rows), pa.int32()),
            "day": [start + dt.timedelta(days=int(d)) for d in rng.integers(0, 600, num_rows)],
            "seen": pa.array(seen).cast(UTC),
            "bought": pa.array(seen + rng.integers(0, 10**9, num_rows), mask=rng.random(num_rows) < 0.7).cast(
                UTC
            ),
            "tags": pa.array(tags, pa.list_(pa.string()), mask=rng.random(num_rows) < 0.1),
            "user": pa.array([f"u{k}" for k in rng.zipf(1.3, num_rows)], mask=rng.random(num_rows) < 0.1),
        }
    )


@pytest.fixture(scope="module")
def rows() -> pa.Table:
    return shop_rows(60_000)


@pytest.mark.parametrize("options", [PROTECTED, OPEN], ids=["protected", "open"])
def test_spark_and_memory_give_the_same_codec(spark, rows, options):
    frame = spark.createDataFrame(rows)
    in_memory = TableCodec.fit(rows, COLUMNS, options=options)
    by_spark = collect_statistics(frame.repartition(5), COLUMNS, options)
    assert by_spark.num_rows == rows.num_rows
    assert TableCodec.from_statistics(by_spark, COLUMNS, options) == in_memory
    # Tasks that hand on their statistics all the time, and another spread of the rows.
    pieces = collect_statistics(frame.repartition(3, "brand"), COLUMNS, options, max_entries=10_000)
    assert TableCodec.from_statistics(pieces, COLUMNS, options) == in_memory
    assert in_memory.encode(rows).codes.shape == (rows.num_rows, len(in_memory.cardinalities))


def test_the_kinds_are_those_that_the_data_call_for(spark, rows):
    statistics = collect_statistics(spark.createDataFrame(rows), COLUMNS, PROTECTED)
    assert len(statistics.users) == MIN_USERS
    codec = TableCodec.from_statistics(statistics, COLUMNS, PROTECTED)
    found = dict(zip(codec.names, map(type, codec.columns), strict=True))
    assert found["item"] is IdentifierCodec and found["brand"] is CategoryCodec
    assert found["price"] is NumericCodec and found["visits"] is NumericCodec
    assert found["seen"] is MomentCodec and found["day"] is MomentCodec
    # Rare values never left the workers.
    brands = statistics.columns["brand"]
    assert brands.num_rare > 0 and len(brands.users) == 0


def test_more_distinct_numbers_than_are_told_apart(spark):
    numbers = pa.table({"stay": np.random.default_rng(0).lognormal(3, 2, 300_000)})
    columns = [Column("stay", pa.float64())]
    by_spark = collect_statistics(spark.createDataFrame(numbers).repartition(4), columns, Options())
    assert by_spark.columns["stay"].shift > 0
    assert by_spark.num_rows == 300_000 and by_spark.num_entries <= 65_536
    edges = TableCodec.from_statistics(by_spark, columns, Options()).columns[0].edges
    exact = TableCodec.fit(numbers, columns).columns[0].edges
    np.testing.assert_allclose(edges, exact, rtol=1e-3)


def test_a_table_without_rows(spark, rows):
    empty = spark.createDataFrame(rows.slice(0, 10)).where("false")
    statistics = collect_statistics(empty, COLUMNS, PROTECTED)
    assert statistics.num_rows == 0
    fitted = TableCodec.from_statistics(statistics, COLUMNS, PROTECTED)
    assert fitted == TableCodec.fit(rows.slice(0, 0), COLUMNS, options=PROTECTED)


def test_columns_that_vanished_or_changed_their_type_are_clear_errors(spark, rows):
    frame = spark.createDataFrame(rows.slice(0, 100))
    with pytest.raises(ContractError, match="Rows lack the column price"):
        collect_statistics(frame.drop("price"), COLUMNS, PROTECTED)
    with pytest.raises(ContractError, match="Rows lack the column user"):
        collect_statistics(frame.drop("user"), COLUMNS, PROTECTED)
    with pytest.raises(ContractError, match="Column visits is of type string, int32 was expected"):
        collect_statistics(frame.withColumn("visits", frame.item), COLUMNS, PROTECTED)
    with pytest.raises(ContractError, match="Column visits is of type double, int32 was expected"):
        collect_statistics(frame.withColumn("visits", frame.stay + 0.5), COLUMNS, PROTECTED)
    with pytest.raises(ContractError, match=r"are of .* users, but a value has to belong"):
        few = frame.limit(3)
        TableCodec.from_statistics(collect_statistics(few, COLUMNS, PROTECTED), COLUMNS, PROTECTED)
