from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation.quality import fidelity, triples
from clicksmith.evaluation.samples.sample import NUM_TOP, Coding, columns_of


def coded(real, *others):
    coding = Coding.fit(real, columns_of(real.schema))
    return coding, *(coding.encode(rows) for rows in (real, *others))


def test_few_columns_give_all_triples():
    assert triples.choose_triples(4, seed=1) == list(combinations(range(4), 3))
    assert triples.choose_triples(2, seed=1) == []


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.integers(0, 2**63 - 1))
def test_triples_are_distinct_rising_and_seeded(num_columns, seed):
    found = triples.choose_triples(num_columns, seed)
    assert len(set(found)) == len(found) <= triples.MAX_TRIPLES
    assert all(0 <= a < b < c < num_columns for a, b, c in found)
    assert found == triples.choose_triples(num_columns, seed)


def test_a_triple_by_hand():
    real = pa.table({"x": ["a", "a", "b", "b"], "y": ["c", "d", "c", "d"], "z": [1.0, 1.0, 2.0, 2.0]})
    other = pa.table({"x": ["a", "a", "b", "b"], "y": ["c", "d", "c", "d"], "z": [1.0, 2.0, 2.0, 1.0]})
    coding, real, other = coded(real, other)
    # Real: ac1, ad1, bc2, bd2, 1/4 each. Other: ac1, ad2, bc2, bd1. They share two: distance 1/2.
    assert triples.column_triples(coding, real, other, seed=0).by_columns == {
        ("x", "y", "z"): pytest.approx(1 / 2)
    }


def test_rare_categories_share_a_code_and_missing_has_its_own():
    values = [f"v{i:02d}" for i in range(NUM_TOP + 5) for _ in range(30 - i)]
    coding, sample = coded(pa.table({"x": [*values, None]}))
    codes = coding.coarse_bins(sample)[:, 0]
    # v00 to v09 are 1 to 10; v10 to v14, with 20 to 16 rows, all 11; missing 0.
    assert np.bincount(codes).tolist() == [1, *range(30, 20, -1), 20 + 19 + 18 + 17 + 16]
    assert codes.max() < coding.num_coarse


def test_triples_see_a_parity_that_pairs_do_not():
    rng = np.random.default_rng(0)
    x, y, noise = rng.integers(2, size=(3, 4000))
    real = pa.table({"x": x.astype(bool), "y": y.astype(bool), "z": (x ^ y).astype(bool)})
    other = pa.table({"x": x.astype(bool), "y": y.astype(bool), "z": noise.astype(bool)})
    coding, real, other = coded(real, other)
    assert min(fidelity.column_pairs(coding, real, other).by_columns.values()) > 0.95
    assert triples.column_triples(coding, real, other, seed=0).by_columns["x", "y", "z"] == pytest.approx(
        0.5, abs=0.03
    )


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(*[st.one_of(st.none(), st.floats(-9, 9))] * 3), min_size=1, max_size=30),
    st.lists(st.tuples(*[st.one_of(st.none(), st.floats(-9, 9))] * 3), min_size=1, max_size=30),
)
def test_a_triple_is_a_share_and_perfect_for_the_same_rows(one, two):
    make = lambda rows: pa.table(  # noqa: E731
        {
            name: pa.array(values, pa.float64())
            for name, values in zip("abc", zip(*rows, strict=True), strict=True)
        }
    )
    coding, real, other = coded(make(one), make(two))
    assert triples.column_triples(coding, real, real, 0).by_columns["a", "b", "c"] == pytest.approx(1)
    assert -1e-9 <= triples.column_triples(coding, real, other, 0).by_columns["a", "b", "c"] <= 1 + 1e-9
