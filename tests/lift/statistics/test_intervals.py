"""Intervals, tests, power and corrections: by hand, and as often right as they say."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from clicksmith.lift.statistics.fits import Part, fit_parts
from clicksmith.lift.statistics.intervals import Estimate, estimate, holm, simultaneous, told_apart


def of(value: float, *parts: Part, num_units: int = 101) -> Estimate:
    return Estimate(value, parts, num_units, 1000)


def test_one_part_is_students_interval() -> None:
    found = of(0.3, Part(0.01, 10))
    reach = stats.t.ppf(0.975, 10) * 0.1
    assert found.interval() == pytest.approx((0.3 - reach, 0.3 + reach))
    assert found.p_value() == pytest.approx(stats.t.sf(3, 10))
    assert found.p_value(beyond=0.3) == pytest.approx(0.5)


def test_two_parts_are_welchs_interval() -> None:
    """Of two samples: 1.2 / 8 with 7 and 3.5 / 5 with 4 degrees of freedom."""
    random = np.random.default_rng(0)
    one, other = random.normal(1, 1, 8), random.normal(0, 2, 5)
    parts = [Part(float(x.var(ddof=1)) / len(x), len(x) - 1) for x in (one, other)]
    peer = stats.ttest_ind(one, other, equal_var=False).confidence_interval(0.9)
    found = of(float(one.mean() - other.mean()), *parts)
    assert found.interval(0.9) == pytest.approx((peer.low, peer.high))


def test_the_detectable_size_is_found_as_often_as_it_says() -> None:
    error = 0.1
    size = of(0.0, Part(error**2, 1e9)).detectable(beyond=0.05)
    assert size == pytest.approx(0.05 + (1.959964 + 0.841621) * error, rel=1e-5)
    random = np.random.default_rng(0)
    found = [of(random.normal(size, error), Part(error**2, 1e9)).interval()[0] > 0.05 for _ in range(4000)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.02)


def test_units_that_would_tell() -> None:
    """Four times the units halve the error; noise of the seeds alone that is too large no user takes away."""
    found = of(0.0, Part(0.01, 1e9), num_units=100)
    assert found.needed_units(found.detectable() / 2) == pytest.approx(400)
    seeds = of(0.0, Part(0.01, 1e9), Part(0.01, 1e9), num_units=100)
    assert seeds.needed_units(0.1 * (1.959964 + 0.841621)) == math.inf
    assert seeds.needed_units(0.2 * (1.959964 + 0.841621)) == pytest.approx(100 * 0.01 / 0.03, rel=1e-5)


def test_units_take_nothing_away_of_what_items_make() -> None:
    """An error of .1 leaves a variance of .01, of which .006 and .001 stay, for what units make: .004."""
    found = Estimate(0.0, (Part(0.01, 1e9), Part(0.001, 1e9)), 100, 1000, lasting=0.006)
    assert found.noise == pytest.approx({"units": 0.004, "items": 0.006, "trainings": 0.001})
    assert found.told["noise"] == found.noise
    quantiles = 1.959964 + 0.841621
    assert found.needed_units(0.1 * quantiles) == pytest.approx(100 * 0.004 / 0.003, rel=1e-5)
    assert found.needed_units(math.sqrt(0.007) * quantiles * 0.999) == math.inf
    assert Estimate(math.nan, (), 9, 9).noise == {}


def test_without_variance_or_value_there_is_no_interval() -> None:
    for found in (estimate(math.nan, [Part(1.0, 3)], 9, 9), estimate(0.1, [Part(math.nan, 3)], 9, 9)):
        assert all(map(math.isnan, found.interval())) and math.isnan(found.p_value())
        assert found.needed_units(0.1) == math.inf


def test_holm_is_that_of_statsmodels() -> None:
    random = np.random.default_rng(4)
    for _ in range(20):
        p = random.random(6) ** 4
        names = [f"claim{i}" for i in range(6)]
        kept = holm(dict(zip(names, p, strict=True)))
        rejected = multipletests(p, alpha=0.025, method="holm")[0]
        assert sorted(kept) == [name for name, is_kept in zip(names, rejected, strict=True) if is_kept]


def test_a_claim_without_a_test_is_not_kept() -> None:
    assert holm({"a": 1e-9, "b": math.nan}) == ["a"]
    assert holm({"a": math.nan, "b": 1e-9}) == ["b"], "nor does it hide another one"


def test_differences_are_told_from_none_whichever_way_as_statsmodels_would() -> None:
    """Of two-sided tests at .05; t of 10 degrees of freedom."""
    random = np.random.default_rng(6)
    for _ in range(20):
        t = random.normal(0, 4, 8)
        gains = {("auc", "all", f"arm{i}"): of(x / 10, Part(0.01, 10)) for i, x in enumerate(t)}
        rejected = multipletests(2 * stats.t.sf(np.abs(t), 10), alpha=0.05, method="holm")[0]
        found = told_apart(gains)
        assert sorted(found) == [name for name, is_apart in zip(gains, rejected, strict=True) if is_apart]
    assert told_apart({"worse": of(-0.9, Part(0.01, 10)), "same": of(0.0, Part(0.0, 10))}) == ["worse"]
    assert told_apart({"worse": of(-0.9, Part(0.01, 10)), "none": of(0.9)}) == ["worse"]


def test_of_many_arms_that_give_nothing_hardly_any_is_told_from_none() -> None:
    """Twenty at a time: each alone is told from none once in twenty, any of them corrected as seldom."""
    random = np.random.default_rng(7)
    alone, corrected = [], []
    for _ in range(1000):
        gains = {f"arm{i:02d}": of(x, Part(1.0, 1e9)) for i, x in enumerate(random.normal(0, 1, 20))}
        alone.append(any(gain.interval()[0] > 0 or gain.interval()[1] < 0 for gain in gains.values()))
        corrected.append(bool(told_apart(gains)))
    assert np.mean(alone) == pytest.approx(1 - 0.95**20, abs=0.04)
    assert np.mean(corrected) == pytest.approx(0.05, abs=0.02)


def test_levels_of_several_intervals() -> None:
    assert simultaneous(0.95, 5) == pytest.approx(0.99) and simultaneous(0.95, 0) == 0.95


def test_parts_of_seeds_and_fits_by_hand() -> None:
    one = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 8.0]])
    control = np.array([[1.0, 1.0, 2.0]])
    seeds, fits = fit_parts(one, control)
    # By seed 2, 3, 7 less 1, 1, 2: 1, 2, 5, of variance 13 / 3. By fit 3 and 5, of variance 2.
    assert (seeds.variance, seeds.freedom) == (pytest.approx(13 / 9), 2)
    assert (fits.variance, fits.freedom) == (pytest.approx(1.0), 1)
    assert fit_parts(np.array([[1.0]]), np.array([[2.0]])) == []
    with pytest.raises(ValueError, match="seeds differ: 3 and 2"):
        fit_parts(one, np.zeros((1, 2)))


def covered(seed_noise: float, fit_noise: float, both_noise: float, num: int = 3000) -> float:
    """How often a 95 % interval holds the truth, 0, for 3 fits crossed with 5 seeds, and users' noise."""
    random, hits = np.random.default_rng(5), 0
    for _ in range(num):
        users = random.normal(0, 0.3)
        arm = (
            seed_noise * random.normal(size=(1, 5)) + fit_noise * random.normal(size=(3, 1))
            + both_noise * random.normal(size=(3, 5))
        )  # fmt: skip
        control = both_noise * random.normal(size=(1, 5))
        parts = [Part(0.09, 500), *fit_parts(arm, control)]
        low, high = of(float(arm.mean() - control.mean()) + users, *parts).interval()
        hits += low <= 0 <= high
    return hits / num


@pytest.mark.parametrize(
    ("seed_noise", "fit_noise", "both_noise"), [(0, 0, 0.3), (1, 0, 0.1), (0, 0.5, 0.2), (0.5, 0.5, 0.5)]
)
def test_intervals_cover_what_they_say(seed_noise: float, fit_noise: float, both_noise: float) -> None:
    assert 0.935 <= covered(seed_noise, fit_noise, both_noise) <= 0.985
