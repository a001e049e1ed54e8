"""Samples by hash, against a plain sort."""

import zlib

import pytest

from clicksmith.lakehouse.sample import smallest_hashes

pytestmark = pytest.mark.spark


@pytest.mark.parametrize("max_rows", [1, 2, 700, 4999, 5000, 9999])
def test_the_rows_are_those_of_a_sort(spark, max_rows: int):
    rows = spark.range(5000).selectExpr("concat('example-', id) AS example_id", "id").repartition(3)
    ids = [f"example-{number}" for number in range(5000)]
    expected = sorted(ids, key=lambda name: (zlib.crc32(name.encode()), name))[:max_rows]
    found = smallest_hashes(rows, "example_id", max_rows)
    assert found.columns == ["example_id", "id"]
    assert {row["example_id"] for row in found.collect()} == set(expected)


def test_ids_with_one_hash_go_by_id(spark):
    # "plumless" and "buckeroo" have the same CRC-32.
    names = ["plumless", "buckeroo"]
    assert len({zlib.crc32(name.encode()) for name in names}) == 1
    rows = spark.createDataFrame([(name,) for name in names], "example_id STRING")
    assert [row["example_id"] for row in smallest_hashes(rows, "example_id", 1).collect()] == ["buckeroo"]


def test_no_rows(spark):
    assert smallest_hashes(spark.createDataFrame([], "example_id STRING"), "example_id", 10).count() == 0
