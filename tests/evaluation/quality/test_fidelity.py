import math

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation.figures import LEAST_TOLD, Figure, label_figures, worst
from clicksmith.evaluation.quality import fidelity, two_sample
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.tables import Column

COLUMNS = (
    Column("brand", pa.string(), nullable=True),
    Column("price", pa.float64(), nullable=True),
    Column("count", pa.int64()),
    Column("bought", pa.bool_()),
)


def table(brand, price, count, bought):
    schema = pa.schema([(column.name, column.type) for column in COLUMNS])
    return pa.table({"brand": brand, "price": price, "count": count, "bought": bought}, schema=schema)


REAL = table(["a", "a", "b", None], [1.0, 2.0, 3.0, None], [0, 1, 2, 3], [True, False, False, False])
OTHER = table(["a", "b", "b", "new"], [1.0, 1.0, None, None], [0, 1, 2, 3], [True, True, False, False])


@pytest.fixture
def coding():
    return Coding.fit(REAL, COLUMNS, num_bins=2)


def test_codes_are_by_falling_frequency_then_missing_and_unseen(coding):
    # a: 2 rows -> 1, b: 1 row -> 2, missing -> 0, unseen in the reference -> 3.
    assert coding.encode(REAL).values[:, 0].tolist() == [1, 1, 2, 0]
    assert coding.encode(OTHER).values[:, 0].tolist() == [1, 2, 2, 3]


def test_bins_are_cut_at_the_real_quantiles(coding):
    # price 1, 2, 3: the median 2 starts bin 2; missing is 0.
    assert coding.bins(coding.encode(REAL))[:, 1].tolist() == [1, 2, 2, 0]


def test_a_missing_column_is_named():
    with pytest.raises(ContractError, match="price"):
        Coding.fit(REAL.drop_columns(["price"]), COLUMNS)


def test_column_shapes_by_hand(coding):
    shapes = fidelity.column_shapes(coding.encode(REAL), coding.encode(OTHER)).by_columns
    # brand: real a 1/2, b 1/4, missing 1/4; other a 1/4, b 1/2, new 1/4: distance 1/2 (1/4+1/4+1/4+1/4).
    assert shapes["brand"] == pytest.approx(1 - 1 / 2)
    # price, missing lowest: F_real = 1/4, 2/4, 3/4, 1; F_other = 2/4, 1, 1, 1 at missing, 1, 2, 3: sup 1/2.
    assert shapes["price"] == pytest.approx(1 - 1 / 2)
    assert shapes["count"] == 1.0
    # bought: 1/4 against 1/2.
    assert shapes["bought"] == pytest.approx(1 - 1 / 4)


def test_column_pairs_by_hand(coding):
    pairs = fidelity.column_pairs(coding, coding.encode(REAL), coding.encode(OTHER)).by_columns
    # brand x bought, real: a+ 1/4, a- 1/4, b- 1/4, missing- 1/4. Other: a+, b+, b-, new-, 1/4 each.
    # They share a+ and b-: distance 1/2.
    assert pairs["brand", "bought"] == pytest.approx(1 / 2)
    # price and count correlate 1 in real rows that have both; the other price does not vary: 0.
    assert pairs["price", "count"] == pytest.approx(1 - 1 / 2)
    assert len(pairs) == 6


def test_distribution_lists_shares_by_label(coding):
    real, other = coding.encode(REAL), coding.encode(OTHER)
    pictures = fidelity.distribution(coding, real, {"gan": other}, num_top=2)
    assert pictures["brand"] == [
        ("00 a", {"real": 0.5, "gan": 0.25}),
        ("01 b", {"real": 0.25, "gan": 0.5}),
        ("02 other", {"real": 0.0, "gan": 0.25}),
        ("03 missing", {"real": 0.25, "gan": 0.0}),
    ]
    whole = fidelity.distribution(coding, real, {"gan": other})
    assert [label for label, _ in whole["price"]] == ["00 1", "01 2", "02 3", "03 missing"]
    assert [shares["gan"] for _, shares in whole["price"]] == [0.5, 0.0, 0.0, 0.5]


def test_distribution_of_a_wide_number_sums_to_one():
    rng = np.random.default_rng(0)
    rows = pa.table({"price": rng.lognormal(size=500)})
    coding = Coding.fit(rows, COLUMNS[1:2])
    bars = fidelity.distribution(coding, coding.encode(rows), {})["price"]
    assert sum(shares["real"] for _, shares in bars) == pytest.approx(1.0)
    assert bars[0][0].startswith("00 < ") and bars[-1][0].startswith("11 >= ")


def test_an_undefined_correlation_is_none():
    tiny = np.array([0.0, 1e-200, 2e-200])
    assert fidelity.correlation(tiny, tiny)[0] == 0.0
    assert fidelity.correlation(np.array([1.0, np.nan, 3.0]), np.array([1.0, 2.0, 2.0]))[0] == pytest.approx(
        1
    )


def told_apart(real, other, seed):
    return two_sample.c2st_auc(real, other, seed)[0]


def mixed(rng, num_rows, correlated=True):
    kind = rng.choice(["a", "b", "c"], num_rows, p=[0.6, 0.3, 0.1])
    price = np.array([{"a": 1.0, "b": 5.0, "c": 9.0}[k] for k in kind]) + rng.normal(0, 0.2, num_rows)
    if not correlated:
        price = rng.permutation(price)
    return table(kind, price, rng.poisson(3, num_rows), rng.random(num_rows) < 0.2)


def test_trees_see_broken_pairs_that_shapes_do_not():
    rng = np.random.default_rng(7)
    real, independent = mixed(rng, 2000), mixed(rng, 2000, correlated=False)
    coding = Coding.fit(real, COLUMNS)
    real, independent = coding.encode(real), coding.encode(independent)
    shapes = fidelity.column_shapes(real, independent).by_columns
    assert min(shapes.values()) > 0.94
    # A third of the independent rows draw a price that their kind has anyway: no test can do better.
    assert told_apart(real, independent, seed=1) > 0.75
    assert fidelity.column_pairs(coding, real, independent).by_columns["brand", "price"] < 0.6


def test_trees_catch_independent_columns_of_a_wide_table():
    rng = np.random.default_rng(7)
    columns = tuple(Column(f"x{i}", pa.float64()) for i in range(8))
    factor = rng.normal(size=(2, 2000, 1))
    data = factor + 0.3 * rng.normal(size=(2, 2000, 8))
    shuffled = rng.permuted(data[1], axis=0)
    real, other = (
        pa.table({c.name: rows[:, i] for i, c in enumerate(columns)}) for rows in (data[0], shuffled)
    )
    coding = Coding.fit(real, columns)
    real, other = coding.encode(real), coding.encode(other)
    assert min(fidelity.column_shapes(real, other).by_columns.values()) > 0.9
    assert told_apart(real, other, seed=1) > 0.9


def test_trees_cannot_tell_real_from_real():
    rng = np.random.default_rng(8)
    real, again = mixed(rng, 2000), mixed(rng, 2000)
    coding = Coding.fit(real, COLUMNS)
    sides = coding.encode(real), coding.encode(again)
    area, pull = two_sample.c2st_auc(*sides, seed=1)
    low, high = pull.interval(area, *sides)
    assert low < 0.5 < high


def test_trees_take_more_categories_than_they_have_bins():
    values = [f"v{i}" for i in range(400)]
    rows = pa.table({"brand": values})
    coding = Coding.fit(rows, COLUMNS[:1])
    assert told_apart(coding.encode(rows), coding.encode(rows), seed=1) < 0.75


def test_trees_see_what_is_missing_and_bear_columns_that_are_missing_throughout():
    rng = np.random.default_rng(1)
    price = rng.normal(size=400)
    holes = pa.array(price, mask=rng.random(400) < 0.5)
    columns = (Column("price", pa.float64(), nullable=True), Column("none", pa.float64(), nullable=True))
    full, holed = (
        pa.table({"price": p, "none": pa.nulls(400, pa.float64())}) for p in (pa.array(price), holes)
    )
    coding = Coding.fit(full, columns)
    assert told_apart(coding.encode(full), coding.encode(holed), seed=1) > 0.6


numbers = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=30)
texts = st.lists(st.one_of(st.none(), st.sampled_from("abcd")), min_size=1, max_size=30)


@settings(max_examples=50, deadline=None)
@given(numbers, texts, st.randoms(use_true_random=False))
def test_identical_rows_in_any_order_are_perfect(prices, brands, random):
    size = min(len(prices), len(brands))
    rows = table(brands[:size], prices[:size], list(range(size)), [i % 2 == 0 for i in range(size)])
    order = list(range(size))
    random.shuffle(order)
    coding = Coding.fit(rows, COLUMNS)
    real, other = coding.encode(rows), coding.encode(rows.take(order))
    assert all(value == pytest.approx(1) for value in fidelity.column_shapes(real, other).by_columns.values())
    assert all(
        value == pytest.approx(1) for value in fidelity.column_pairs(coding, real, other).by_columns.values()
    )


@settings(max_examples=50, deadline=None)
@given(numbers, numbers)
def test_shapes_are_shares_and_symmetric(one, two):
    a, b = (np.array([np.nan if x is None else x for x in xs]) for xs in (one, two))
    value = fidelity.numbers(a, b)[0]
    assert 0 <= value <= 1
    assert value == pytest.approx(fidelity.numbers(b, a)[0])


def test_a_label_s_rate_by_hand():
    real, other = np.arange(1000) < 150, np.arange(2000) < 1200  # .15 and .60
    ratio, low, high = fidelity.label_ratio(real, other)
    assert ratio == pytest.approx(0.25)
    reach = np.exp(1.96 * np.sqrt(0.85 / 0.15 / 999 + 0.4 / 0.6 / 1999))
    assert (low, high) == pytest.approx((0.25 / reach, 0.25 * reach))
    assert fidelity.label_ratio(other, real)[0] == pytest.approx(0.4 / 0.85), (
        "the rarer value is the other one"
    )
    same = fidelity.label_ratio(real, real)
    assert same[0] == 1.0 and same[1] < 1.0 == same[2]
    never = np.zeros(10, bool)
    assert fidelity.label_ratio(never, never) == (1.0, 1.0, 1.0)
    assert fidelity.label_ratio(real, never) == (0.0, 0.0, 1.0), "ten rows without any tell nothing of .15"


def test_a_label_s_rate_is_as_sure_as_there_are_users():
    """20 users of 50 rows, of whom three always buy: a share of 20 things, not of 1,000."""
    real, other, users = np.arange(1000) < 150, np.arange(2000) < 300, np.arange(1000) // 50
    ratio, low, _ = fidelity.label_ratio(real, other, (users, None))
    reach = np.exp(1.96 * np.sqrt(0.85 / 0.15 / 19 + 0.85 / 0.15 / 1999))
    assert ratio == 1.0 and low == pytest.approx(1 / reach)


def test_a_label_that_one_side_lacks_is_as_sure_as_there_are_users():
    """None of n: at most z^2 / (n + z^2), of users where they are known; .15 and .60 on the other side."""
    few, many = np.arange(1000) < 150, np.arange(2000) < 1200
    never, users = np.zeros(1000, bool), np.arange(1000) // 50
    most, reach = 1.96**2 / (1000 + 1.96**2), np.exp(1.96 * np.sqrt(0.85 / 0.15 / 999))
    assert fidelity.label_ratio(few, never) == (0.0, 0.0, pytest.approx(most / 0.15 * reach))
    most, reach = 1.96**2 / (20 + 1.96**2), np.exp(1.96 * np.sqrt(0.4 / 0.6 / 1999))
    assert fidelity.label_ratio(never, many, (users, None)) == (0.0, 0.0, pytest.approx(most / 0.6 * reach))


def test_the_worst_label_is_the_one_whose_interval_reaches_lowest():
    """Clicks .93 [.91, .95]; purchases, which are rarer, .95 [.81, 1].

    By hand, on the scale of logarithms: .95 exp(-1.96 sqrt(.985 / 300 + .98575 / 285)) = .8088.
    """
    row = np.arange(20_000)
    real, other = (
        pa.table({"click": (row < clicks).astype(float), "purchase": (row < purchases).astype(float)})
        for clicks, purchases in ((10_000, 300), (9_300, 285))
    )
    coding = Coding.fit(real, columns_of(real.schema))
    found = label_figures(coding, coding.encode(real), coding.encode(other), ["click", "purchase"])
    click, purchase, worst_one = (
        found["fidelity.label_ratio", name] for name in ("click", "purchase", "all")
    )
    assert (click.value, purchase.value) == pytest.approx((0.93, 0.95))
    assert (click.ci_low, purchase.ci_low) == pytest.approx((0.9113, 0.8088), abs=1e-4)
    assert worst_one == purchase


def test_of_several_rare_labels_one_may_be_further_off_by_chance():
    """73 for 100 of 10,000: .73 exp(1.960 x .1531) = .985, but .73 exp(2.241 x .1531) = 1.03 of two."""
    row = np.arange(10_000)
    real, other = (pa.table({"a": (row < n).astype(float), "b": (row < n).astype(float)}) for n in (100, 73))
    coding = Coding.fit(real, columns_of(real.schema))
    sides = coding.encode(real), coding.encode(other)
    assert label_figures(coding, *sides, ["a"])["fidelity.label_ratio", "a"].value == pytest.approx(0.73)
    assert math.isnan(label_figures(coding, *sides, ["a", "b"])["fidelity.label_ratio", "a"].value)


def test_of_what_is_told_the_worst_is_judged():
    good, low, untold = Figure(0.9, 0.8, 1.0), Figure(0.95, 0.1, 1.0), Figure(math.nan)
    assert worst([good, low]) is low and worst([good, untold, low]) is low
    assert math.isnan(worst([untold, untold]).value)
    assert worst([good, Figure(0.7)]) == Figure(0.7), "without an interval its value counts"
    no_interval = Figure(0.99, math.nan, math.nan)
    assert worst([good, no_interval]) is no_interval, "the gate refuses it"


def label_log(rng, num_users, generated_as=1.0):
    """Users of ten rows, of whom two in fifteen buy in 9 of 40 rows; half as many generated rows.

    Of 300 users, 40 buy 90 times. Generated rows buy `generated_as` times as often.
    """
    users = np.repeat(np.arange(num_users), 10)
    buys = (rng.random(num_users) < 2 / 15)[users] & (rng.random(len(users)) < 9 / 40)
    rows = rng.random(len(users) // 2) < 0.03 * generated_as
    names, flags = ("purchase",), np.array([False])
    return (
        Sample(names, flags, buys[:, None].astype(float), users),
        Sample(names, flags, rows[:, None].astype(float)),
    )


def label_rate(real, other):
    coding = Coding((Column("purchase", pa.float64()),), {}, {})
    return label_figures(coding, real, other, ["purchase"])["fidelity.label_ratio", "all"]


def is_refused(figure):
    """By the default bound."""
    return not math.isnan(figure.value) and figure.ci_low < 0.7


@pytest.mark.parametrize("num_users", [100, 300, 1000, 3000, 10_000])
def test_rows_of_a_perfect_generator_are_seldom_refused_however_few_buy(num_users):
    """At most one time in twenty, and some for what an interval of few users covers less."""
    rng = np.random.default_rng(num_users)
    found = [label_rate(*label_log(rng, num_users)) for _ in range(400)]
    assert np.mean([is_refused(figure) for figure in found]) < 0.08
    if num_users == 300:
        assert np.mean([math.isnan(figure.value) for figure in found]) > 0.9
    if num_users == 10_000:
        assert not any(math.isnan(figure.value) for figure in found)


@pytest.mark.parametrize("num_users", [300, 3000])
def test_a_rate_that_chance_does_not_explain_is_refused_by_few_buyers_too(num_users):
    """Four times as often, or never."""
    rng = np.random.default_rng(num_users)
    for times in (4.0, 0.0):
        found = [label_rate(*label_log(rng, num_users, times)) for _ in range(100)]
        assert np.mean([is_refused(figure) for figure in found]) >= 0.99
    real, none = label_log(rng, num_users, 0.0)
    assert label_rate(real, none).value == 0.0 < label_rate(real, none).ci_high < 1.0


def test_where_hardly_any_row_would_have_a_label_none_says_nothing():
    """Of 100 users, 13 buy 30 times in 1,000 rows; of 60 generated rows two would."""
    real, none = label_log(np.random.default_rng(0), 100, 0.0)
    assert math.isnan(label_rate(real, none.head(60)).value)
    assert label_rate(real, none).value == 0.0, "of 500 rows 15 would"


def test_from_how_many_on_a_label_s_rate_is_told():
    """exp(-1.96 sqrt(2 / 242)) = .837 = sqrt(.7), of as many users as generated rows with the label."""
    rows = np.arange(1_000_000)
    for positives, is_told in ((240, False), (244, True)):
        sample = Sample(("purchase",), np.array([False]), (rows < positives)[:, None].astype(float))
        assert math.isnan(label_rate(sample, sample).value) != is_told
    assert LEAST_TOLD**2 == pytest.approx(GateConfig().min_label_ratio)
