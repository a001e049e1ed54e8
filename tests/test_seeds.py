"""Seeds are a promise: the same run gives the same rows on any machine, in any version.

If one of these values changes, every synthetic row and every sample changes with it. Then raise
the library's version, and say so in the changelog.
"""

import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.seeds import (
    HOLDOUT_BY_ROW,
    SILVER,
    Holdout,
    counter_normal,
    counter_uniform,
    derive_seed,
    even_uniform,
    hash_buckets,
)


def test_derived_seeds_never_change() -> None:
    assert derive_seed(42) == 4410206093815208491
    assert derive_seed(42, "train_generator", "ctgan") == 5034816710113527019
    assert derive_seed(0, "a", 1) == 5295354729880077902
    assert derive_seed(42, "é") == 6373097608974570693


def test_counter_numbers_never_change() -> None:
    uniform = counter_uniform(derive_seed(42, "z"), np.array([0, 1, 2**40]), 2)
    assert uniform.astype("<f8").tobytes().hex() == (
        "8610473c140beb3fd2f9a0324b81e03fb0b880bc50fcea3fc3fae306a288d53f96759e601c47e83fd6eacb84db4ce13f"
    )
    normal = counter_normal(7, np.array([3]), 2)
    np.testing.assert_allclose(normal, [[-1.3018185400378346, -0.6634160583813462]], rtol=1e-14)


def test_names_are_not_joined_ambiguously() -> None:
    assert derive_seed(1, "ab", "c") != derive_seed(1, "a", "bc")
    assert derive_seed(1, 2) != derive_seed(12)


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=20), st.integers(0, 2**63 - 1))
def test_a_row_has_the_same_numbers_in_any_batch(row_ids: list[int], seed: int) -> None:
    together = counter_uniform(seed, np.array(row_ids), 3)
    alone = np.vstack([counter_uniform(seed, np.array([row_id]), 3) for row_id in row_ids])
    assert together.tobytes() == alone.tobytes()
    assert ((together > 0) & (together < 1)).all()


def test_numbers_are_uniform_and_uncorrelated() -> None:
    uniform = counter_uniform(derive_seed(42, "test"), np.arange(100_000), 2)
    # Standard errors: 1/sqrt(12 n) of a mean, 1/sqrt(n) of a correlation; five of them.
    assert np.abs(uniform.mean(axis=0) - 0.5).max() < 5 / np.sqrt(12 * 100_000)
    assert abs(np.corrcoef(uniform.T)[0, 1]) < 5 / np.sqrt(100_000)
    assert abs(np.corrcoef(uniform[1:, 0], uniform[:-1, 0])[0, 1]) < 5 / np.sqrt(100_000)


def test_normal_numbers_are_standard() -> None:
    normal = counter_normal(derive_seed(42, "test"), np.arange(100_000), 1)
    assert abs(normal.mean()) < 5 / np.sqrt(100_000)
    assert abs(normal.std() - 1) < 5 / np.sqrt(2 * 100_000)


def test_hash_buckets_never_change() -> None:
    assert hash_buckets(pa.array(["event-1", "é", ""])).tolist() == [834580660, 235179326, 0]


@pytest.mark.spark
def test_hash_buckets_are_sparks_crc32(spark: "SparkSession") -> None:  # type: ignore[name-defined]  # noqa: F821
    from pyspark.sql import functions as F

    texts = ["event-1", "é", "", "鞋", "a" * 1000]
    rows = spark.createDataFrame([(text,) for text in texts], "id string").select(
        "id", F.crc32("id").alias("bucket")
    )
    own = hash_buckets(pa.array(texts)).tolist()
    assert {row.id: row.bucket for row in rows.collect()} == dict(zip(texts, own, strict=True))


owned = st.lists(st.tuples(st.none() | st.text(max_size=12), st.text(max_size=12)), min_size=1, max_size=300)


def ids(rows: list[tuple[str | None, str]]) -> pa.Table:
    users, examples = zip(*rows, strict=True)
    return pa.table({"user_id": pa.array(users, pa.string()), "example_id": pa.array(examples, pa.string())})


@given(owned)
def test_users_are_held_out_with_all_their_rows_and_rows_without_one_by_themselves(
    rows: list[tuple[str | None, str]],
) -> None:
    held_out = Holdout().mask(ids(rows)).tolist()
    assert held_out == [
        zlib.crc32((example if user is None else user).encode()) % 10 == 0 for user, example in rows
    ]
    by_row = HOLDOUT_BY_ROW.mask(ids(rows)).tolist()
    assert by_row == [zlib.crc32(example.encode()) % 10 == 0 for _, example in rows]


def test_some_tenth_of_the_users_is_held_out() -> None:
    held_out = Holdout().mask(ids([(f"user-{number}", "") for number in range(10_000)]))
    assert held_out.mean() == pytest.approx(0.1, abs=0.015)  # five standard errors


@pytest.mark.spark
@settings(max_examples=8, deadline=None)
@given(rows=owned)
def test_spark_and_arrow_hold_out_the_same_rows(
    spark: "SparkSession",  # type: ignore[name-defined]  # noqa: F821
    rows: list[tuple[str | None, str]],
) -> None:
    from pyspark.sql import functions as F

    for holdout in (Holdout(), HOLDOUT_BY_ROW):
        table = ids(rows)
        found = spark.createDataFrame(table).select(F.expr(holdout.condition).alias("held_out")).toArrow()
        assert found["held_out"].to_pylist() == holdout.mask(table).tolist()


def test_even_numbers_meet_shares_to_within_a_few_rows() -> None:
    for share in (0.02, 0.3, 0.77):
        for start in (0, 4096, 10**9):
            found = even_uniform(7, np.arange(start, start + 4096)) < share
            assert abs(found.sum() - share * 4096) < 4
    assert even_uniform(7, np.array([5])) == even_uniform(7, np.arange(9))[5]
    first = [even_uniform(seed, np.array([3]))[0] for seed in range(0, 2**63, 2**53)]
    assert 0.45 < np.mean(first) < 0.55, "uniform over seeds"


def test_even_numbers_of_another_step_are_even_within_any_part_of_the_first() -> None:
    ids = np.arange(4096)
    outer, inner, shifted = even_uniform(7, ids, SILVER), even_uniform(8, ids), even_uniform(9, ids)
    part = outer < 0.25
    assert abs(part.sum() - 1024) < 4
    counts = np.histogram(inner[part], bins=8, range=(0, 1))[0]
    assert abs(counts - 128).max() < 8
    assert np.histogram(shifted[inner < 0.25], bins=8, range=(0, 1))[0].min() == 0, "one step tells all"
