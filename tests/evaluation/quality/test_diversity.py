import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation.quality import diversity
from clicksmith.evaluation.samples.sample import Coding, columns_of

REAL = pa.table(
    {"brand": ["a", "a", "b", None], "bought": [True, False, False, False], "count": [0, 1, 2, 3]}
)
OTHER = pa.table(
    {"brand": ["a", "b", "b", "new"], "bought": [True, True, False, False], "count": [0, 1, 2, 3]}
)


def coded(real, *others):
    coding = Coding.fit(real, columns_of(real.schema))
    return coding, *(coding.encode(rows) for rows in (real, *others))


def kept(coding, real, other, **settings):
    return diversity.mode_share(coding, real, other, **settings)[0]


def test_coverage_and_duplicates_by_hand():
    twice = pa.concat_tables([REAL, REAL.slice(0, 1), REAL.slice(3, 1)])
    _, real, other, twice = coded(REAL, OTHER, twice)
    # The real values of brand are a, b and missing; the other sample has a and b.
    assert diversity.category_coverage(real, other) == {"brand": pytest.approx(2 / 3), "bought": 1.0}
    assert diversity.duplicate_share(real) == 0.0
    assert diversity.duplicate_share(twice) == pytest.approx(2 / 6)


def test_entropy_by_hand():
    assert diversity.entropy(np.array([1, 1, 2, 2])) == pytest.approx(math.log(2))
    assert diversity.entropy(np.array([5, 5, 5])) == 0.0
    # Shares 1/2, 1/4, 1/4: 1/2 ln 2 + 2 x 1/4 ln 4 = 3/2 ln 2.
    assert diversity.entropy(np.array([0, 0, 1, 2])) == pytest.approx(1.5 * math.log(2))


def test_entropy_ratios_by_hand():
    _, real, other = coded(REAL, OTHER)
    ratios = diversity.entropy_ratios(real, other).by_columns
    # brand: 3/2 ln 2 in both. bought: 1/2 and 1/2 against 1/4 and 3/4; count is no category.
    quarter = -(0.25 * math.log(0.25) + 0.75 * math.log(0.75))
    assert ratios == {"brand": pytest.approx(1.0), "bought": pytest.approx(math.log(2) / quarter)}


def test_a_constant_column_has_no_ratio():
    _, real, other = coded(pa.table({"x": ["a", "a"]}), pa.table({"x": ["a", "b"]}))
    assert diversity.entropy_ratios(real, other).by_columns == {}


def test_mode_share_by_hand():
    # Real: (a, x) and (b, y), 25 rows each. Frequent modes: values a, b, x, y; pairs (a, x) and (b, y).
    real = pa.table({"one": ["a"] * 25 + ["b"] * 25, "two": ["x"] * 25 + ["y"] * 25})
    # Other: (a, x) 46 times, (b, x) 4 times. It hits a, x and (a, x); b only 4 times, y and (b, y) never.
    other = pa.table({"one": ["a"] * 46 + ["b"] * 4, "two": ["x"] * 50})
    coding, real, other = coded(real, other)
    assert kept(coding, real, other) == 3 / 6
    assert kept(coding, real, other, min_hits=4) == 4 / 6
    assert kept(coding, real, real) == 1.0


def test_the_interval_of_a_mode_share_by_hand():
    # Real: a 30 and b 30 times, both frequent. Other: a 55 times, and b just often enough.
    real, other = pa.table({"x": ["a"] * 30 + ["b"] * 30}), pa.table({"x": ["a"] * 55 + ["b"] * 5})
    coding, real, other = coded(real, other)
    share, pull = diversity.mode_share(coding, real, other)
    assert share == 1.0 and not pull.real.any(), "a third frequent mode would be hit or not: nobody knows"
    # b, half of the modes, is hit with P(Poisson(5) >= 5) = .5595, in a share of rows of which all but 5 pull
    # the other way: 55/59 of p (1 - p).
    p = 1 - sum(5**k / math.factorial(k) for k in range(5)) * math.exp(-5)
    half = 1.96 * math.sqrt(p * (1 - p) * 55 / 59) / 2
    assert pull.interval(share, real, other) == (pytest.approx(1 - half), 1.0)


def test_what_a_row_does_to_the_entropy_by_hand():
    # Shares 3/4 and 1/4: surprises ln 4/3 and ln 4, less their mean.
    value, pulls = diversity.entropy_pulls(np.array([7, 7, 9, 7]))
    assert value == pytest.approx(0.75 * math.log(4 / 3) + 0.25 * math.log(4))
    assert pulls.tolist() == pytest.approx(
        [math.log(4 / 3) - value] * 2 + [math.log(4) - value, math.log(4 / 3) - value]
    )


def test_without_a_frequent_mode_there_is_no_share():
    coding, real = coded(REAL)
    assert math.isnan(kept(coding, real, real))


def mixed(rng, num_rows, kinds=8):
    kind = rng.integers(kinds, size=num_rows)
    return pa.table(
        {
            "kind": [f"k{k}" for k in kind],
            "brand": [f"b{b}" for b in (kind * 3 + rng.integers(3, size=num_rows)) % 24],
            "price": kind + rng.normal(0, 0.1, num_rows),
        }
    )


def test_collapse_is_seen_and_fresh_rows_are_whole():
    rng = np.random.default_rng(0)
    coding, real, fresh, collapsed = coded(mixed(rng, 2000), mixed(rng, 2000), mixed(rng, 2000, kinds=2))
    assert kept(coding, real, fresh) > 0.99
    assert kept(coding, real, collapsed) < 0.4
    assert diversity.entropy_ratios(real, fresh).by_columns["kind"] == pytest.approx(1.0, abs=0.01)
    # ln 2 of ln 8.
    assert diversity.entropy_ratios(real, collapsed).by_columns["kind"] == pytest.approx(1 / 3, abs=0.01)


def test_every_value_without_their_combinations_is_a_collapse_too():
    one, two = ["a", "b", "c", "d"] * 100, [v for v in "abcd" for _ in range(100)]
    coding, real, other = coded(pa.table({"x": one, "y": two}), pa.table({"x": one, "y": one}))
    assert diversity.entropy_ratios(real, other).by_columns == {"x": 1.0, "y": 1.0}
    # All 8 values, but 4 of the 16 pairs.
    assert kept(coding, real, other) == 12 / 24


texts = st.lists(st.one_of(st.none(), st.sampled_from("abcd")), min_size=1, max_size=60)


@settings(max_examples=50, deadline=None)
@given(texts, st.randoms(use_true_random=False))
def test_the_same_rows_in_any_order_are_whole(values, random):
    rows = pa.table({"x": pa.array(values, pa.string()), "y": [i % 3 for i in range(len(values))]})
    order = list(range(len(values)))
    random.shuffle(order)
    coding, real, other = coded(rows, rows.take(order))
    assert all(value == 1 for value in diversity.category_coverage(real, other).values())
    assert all(
        value == pytest.approx(1) for value in diversity.entropy_ratios(real, other).by_columns.values()
    )
    share = kept(coding, real, other)
    assert share == 1.0 or math.isnan(share)
