"""Intervals of figures of two samples: pulls by hand and by leaving rows out, and how often they cover."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.evaluation.quality import diversity, fidelity, privacy, triples
from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.evaluation.samples.space import Space, nearest_neighbours
from clicksmith.evaluation.samples.spread import MeanPull, Pull, Similarity, mean_variance, tables

Found = tuple[float, Pull]

FIGURES: dict[str, Callable[[Coding, Sample, Sample], Similarity]] = {
    "shapes": lambda _, real, other: fidelity.column_shapes(real, other),
    "pairs": fidelity.column_pairs,
    "triples": lambda coding, real, other: triples.column_triples(coding, real, other, seed=0),
    "entropy_ratio": lambda _, real, other: diversity.entropy_ratios(real, other),
}


def mean_of(figure: str, coding: Coding, real: Sample, other: Sample) -> Found:
    found = FIGURES[figure](coding, real, other)
    return float(np.mean(list(found.by_columns.values()))), found.pull


def test_the_pulls_of_two_codes_by_hand() -> None:
    # Shares 3/4 and 1/4 against 1/4 and 3/4: 1 - 1/2. A row more of code 0 on the real side, away from its
    # mean 3/4, parts them: -(1 - 3/4); one of code 1 brings them together: 3/4.
    value, real, other = tables(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]))
    assert value == 0.5
    assert real.tolist() == [-0.25, -0.25, -0.25, 0.75] and other.tolist() == [0.75, -0.25, -0.25, -0.25]
    # The variance of a share is p (1 - p) / (n - 1), on each side.
    assert mean_variance(real, None) + mean_variance(other, None) == pytest.approx(2 * (3 / 16) / 3)


def test_rows_of_a_user_count_as_one() -> None:
    pulls = np.array([0.5, -0.25, 0.75, -1.0])
    assert mean_variance(np.repeat(pulls, 3), np.repeat([9, 2, 5, 7], 3)) == mean_variance(pulls, None)
    assert mean_variance(pulls, np.zeros(4, np.int64)) == np.inf, "one user tells nothing"


def test_an_interval_by_hand() -> None:
    sample = Sample(("x",), np.zeros(1, bool), np.zeros((2, 1)))
    pull = Pull(np.array([-0.1, 0.1]), np.array([-0.2, 0.2]))
    # 2/1 x .02 / 4 and 2/1 x .08 / 4.
    half = 1.96 * np.sqrt(0.01 + 0.04)
    assert pull.interval(0.5, sample, sample) == pytest.approx((0.5 - half, 0.5 + half))
    assert pull.interval(0.9, sample, sample) == (pytest.approx(0.9 - half), 1.0)
    assert pull.interval(0.1, sample, sample, np.inf) == (0.0, pytest.approx(0.1 + half))


def test_a_mean_s_pull_is_the_mean_of_pulls() -> None:
    mean = MeanPull(1, 2)
    mean.add(np.array([1.0]), np.array([2.0, 4.0]))
    mean.add(np.array([3.0]), np.array([0.0, 0.0]))
    assert mean.pull().real.tolist() == [2.0] and mean.pull().other.tolist() == [1.0, 2.0]


def shop(rng: np.random.Generator, num_rows: int, shift: float = 0.0, num_users: int = 0) -> pa.Table:
    """Rows of a taste, which a shift moves in all columns but one; users have one each."""
    own = rng.normal(size=num_users)
    taste = own[np.arange(num_rows) % num_users] if num_users else rng.normal(size=num_rows)
    taste = taste + shift
    kind = np.clip(np.round(taste + rng.normal(0, 0.7, num_rows)), -3, 3).astype(int)
    return pa.table(
        {
            "kind": [f"k{k}" for k in kind],
            "brand": [f"b{b}" for b in kind * 3 + np.minimum(rng.geometric(0.5 - 0.1 * shift, num_rows), 9)],
            "bought": rng.random(num_rows) < 0.2 + 0.2 * shift,
            "price": taste + rng.normal(0, 0.5, num_rows),
            "count": rng.poisson(np.exp(0.3 * taste)),
            "noise": pa.array(rng.normal(size=num_rows), mask=rng.random(num_rows) < 0.1),
        }
    )


def fitted() -> Coding:
    reference = shop(np.random.default_rng(0), 20_000)
    return Coding.fit(reference, columns_of(reference.schema))


@pytest.mark.parametrize("figure", FIGURES)
def test_a_pull_is_what_leaving_a_row_out_does(figure: str) -> None:
    """The figure falls by 1 / (N - 1) of the pull, but where two shares are equal and any row parts them."""
    coding, rng = fitted(), np.random.default_rng(1)
    real, other = (coding.encode(shop(rng, 1500, shift)) for shift in (0.0, 0.5))
    whole, pull = mean_of(figure, coding, real, other)
    rows = range(0, 1500, 50)
    kept = [np.arange(1500) != row for row in rows]
    without_real = [mean_of(figure, coding, real.take(rest), other)[0] for rest in kept]
    without_other = [mean_of(figure, coding, real, other.take(rest))[0] for rest in kept]
    for pulls, without in ((pull.real, without_real), (pull.other, without_other)):
        assert pulls.mean() == pytest.approx(0, abs=1e-12)
        fall = (whole - np.array(without)) * 1499
        assert np.corrcoef(fall, pulls[rows])[0, 1] > 0.98
        assert np.std(fall) == pytest.approx(np.std(pulls[rows]), rel=0.1)


def coverage(found: list[tuple[float, float, float]]) -> float:
    """How often intervals hold the mean figure of all draws."""
    value, low, high = np.array(found).T
    return float(((low <= value.mean()) & (value.mean() <= high)).mean())


@pytest.mark.parametrize("figure", FIGURES)
def test_intervals_cover_the_mean_figure_of_such_samples(figure: str) -> None:
    """Its bias in small samples, which is .02 in shapes and .2 in triples here, is no part of the spread."""
    coding, rng, found = fitted(), np.random.default_rng(2), []
    for _ in range(200):
        real, other = (coding.encode(shop(rng, 400, shift)) for shift in (0.0, 0.3))
        value, pull = mean_of(figure, coding, real, other)
        found.append((value, *pull.interval(value, real, other, np.inf)))
    assert 0.90 < coverage(found) < 0.99


@pytest.mark.parametrize("figure", FIGURES)
def test_intervals_cover_where_a_user_has_many_rows_and_only_if_these_stand_together(figure: str) -> None:
    coding, rng, found, alone = fitted(), np.random.default_rng(3), [], []
    for _ in range(200):
        real, other = coding.encode(shop(rng, 1200, 0.0, 60)), coding.encode(shop(rng, 1200, 0.3))
        by_user = replace(real, users=np.arange(1200) % 60)
        value, pull = mean_of(figure, coding, by_user, other)
        found.append((value, *pull.interval(value, by_user, other, np.inf)))
        alone.append((value, *pull.interval(value, real, other, np.inf)))
    assert 0.90 <= coverage(found) < 0.99
    assert coverage(alone) < 0.85


def test_intervals_cover_the_share_of_modes_that_a_collapsing_generator_keeps() -> None:
    """Zipf's shares of twelve values, and their powers of 2.6: some nine in ten modes and none for sure."""
    rng, found = np.random.default_rng(4), []
    real_shares = 1 / np.arange(1, 13)
    shares = [side / side.sum() for side in (real_shares, real_shares**2.6)]
    coding = None
    for _ in range(150):
        real, other = (
            pa.table({f"c{i}": [f"v{v:02d}" for v in rng.choice(12, 2000, p=side)] for i in range(4)})
            for side in shares
        )
        coding = coding or Coding.fit(real, columns_of(real.schema))
        coded = coding.encode(real), coding.encode(other)
        share, pull = diversity.mode_share(coding, *coded)
        found.append((share, *pull.interval(share, *coded)))
    assert 0.90 < coverage(found) <= 0.99


def test_intervals_cover_the_distance_ratio_of_other_generated_rows() -> None:
    """A third of the rows are training rows behind some noise."""
    rng = np.random.default_rng(5)

    def sample(values: np.ndarray) -> Sample:
        return Sample(tuple("abcde"), np.zeros(5, bool), values)

    train, holdout = (sample(rng.normal(size=(500, 5))) for _ in range(2))
    space = Space.fit(train)
    sides = space.place(train), space.place(holdout)
    found = []
    for _ in range(120):
        near = train.values[rng.integers(500, size=300)] + rng.normal(0, 0.1, (300, 5))
        rows = np.where(rng.random((300, 1)) < 1 / 3, near, rng.normal(size=(300, 5)))
        to_train, to_holdout = (nearest_neighbours(space.place(sample(rows)), side, 2) for side in sides)
        ends = privacy.nndr_interval(to_train, to_holdout, seed=6)
        found.append((privacy.nndr_ratio(to_train, to_holdout), *ends))
    assert 0.90 < coverage(found) < 0.99


def test_wilson_interval_by_hand():
    # 0 of 10 at z = 1.96: from 0 to z^2 / (n + z^2).
    assert spread.wilson(0.0, 10) == (0.0, pytest.approx(1.96**2 / (10 + 1.96**2)))


def test_a_share_of_users_by_hand():
    """Of 100 rows 30 hit: as of 99, each of its own. Ten users whose ten rows are alike: as of 9."""
    hits = np.arange(100) < 30
    assert spread.share(hits, None)[1:] == pytest.approx(spread.wilson(0.3, 99))
    assert spread.share(hits, np.arange(100) // 10) == pytest.approx((0.3, *spread.wilson(0.3, 9)))
    # Users who are alike in all tell no more than their rows do.
    assert spread.share(hits, np.arange(100) % 10)[1:] == spread.wilson(0.3, 100)
    assert spread.share(hits[50:], np.arange(50) // 10)[1:] == spread.wilson(0.0, 5), (
        "none hits: of five users"
    )
    assert spread.share(hits[20:40], np.zeros(20, np.int64))[1:] == spread.wilson(0.5, 1.0)


def test_the_interval_of_trees_by_hand():
    """Influences of 1/4 and -1/4 of two rows: 2 (1/16 + 1/16) = 1/4, and as much for two rows learnt from."""
    influence, half = np.array([0.25, -0.25]), 1.96 * 0.5
    assert spread.around(0.5, influence, None, 10**9, -1.0) == pytest.approx((0.5 - half, 1.0))
    assert spread.around(0.0, influence, None, 2, -2.0) == pytest.approx((-half * 2**0.5, 1.0))
    assert spread.around(0.5, influence, None, 2)[0] == 0.0
    # One user in both rows: he tells nothing of others.
    assert spread.around(0.5, influence, np.array([7, 7]), 2) == (0.0, 1.0)
