"""Ranks that no task sorts, against a plain sort."""

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.features.ranks import rank_by_count

pytestmark = pytest.mark.spark

# Few counts, so that most names are tied, and one that nearly all have.
COUNTS = st.dictionaries(
    st.text(max_size=3), st.sampled_from([1, 1, 1, 2, 5, 2**40]), min_size=1, max_size=60
)


@settings(max_examples=2, deadline=None)
@given(counts=COUNTS)
def test_ranks_are_those_of_a_sort(spark, counts: dict[str, int]):
    rows = spark.createDataFrame(list(counts.items()), "name STRING, n LONG").repartition(3)
    ranked = rank_by_count(rows, "name", "n", "rank")
    assert ranked.columns == ["name", "n", "rank"]
    expected = sorted(counts, key=lambda name: (-counts[name], zlib.crc32(name.encode()), name.encode()))
    found = {row["rank"]: row["name"] for row in ranked.collect()}
    assert [found[rank] for rank in range(1, len(counts) + 1)] == expected


def test_many_ties_are_ranked_from_many_buckets(spark):
    rows = spark.range(5000).selectExpr("concat('item-', id) AS name", "1 + id DIV 4990 AS n")
    found = {row["name"]: row["rank"] for row in rank_by_count(rows, "name", "n", "rank").collect()}
    names = sorted(found, key=lambda name: (int(name[5:]) < 4990, zlib.crc32(name.encode())))
    assert [found[name] for name in names] == list(range(1, 5001))
