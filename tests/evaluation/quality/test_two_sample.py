"""The two-sample test: users in one fold, intervals of users."""

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.evaluation.quality.two_sample import c2st_auc, user_folds
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of


def rows_of(values: np.ndarray, users: np.ndarray | None = None) -> Sample:
    return Sample(tuple("abcdef"[: values.shape[1]]), np.zeros(values.shape[1], bool), values, users)


def test_all_rows_of_a_user_are_in_one_fold_and_folds_are_about_equal() -> None:
    users = np.repeat(np.arange(100), np.arange(100) % 7 + 1)
    fold = user_folds(rows_of(np.zeros((len(users), 1)), users), np.random.default_rng(0))
    assert all(len(np.unique(fold[users == user])) == 1 for user in range(100))
    assert np.bincount(fold).tolist() == pytest.approx([len(users) / 5] * 5, abs=7)
    alone = user_folds(rows_of(np.zeros((1000, 1))), np.random.default_rng(0))
    assert np.bincount(alone).tolist() == [200] * 5
    two = user_folds(rows_of(np.zeros((100, 1)), np.arange(100) < 99), np.random.default_rng(0))
    assert sorted(np.bincount(two)) == [1, 99], "as many folds as users, however unequal they are"


def test_a_user_who_was_met_is_no_sign_of_a_real_row() -> None:
    """40 users of 25 rows, each with a profile in all of them, beside fresh rows of the same distribution."""
    rng = np.random.default_rng(1)
    users = np.repeat(np.arange(40), 25)
    real = np.hstack([rng.normal(size=(40, 3))[users], rng.normal(size=(1000, 1))])
    other = rows_of(rng.normal(size=(1000, 4)))
    area, pull = c2st_auc(rows_of(real, users), other, seed=1)
    low, high = pull.interval(area, rows_of(real, users), other)
    assert low < 0.5 < high
    assert c2st_auc(rows_of(real), other, seed=1)[0] > 0.9, "trees that meet them know them again"


def test_the_interval_knows_that_rows_of_a_user_come_together() -> None:
    rng = np.random.default_rng(2)
    values, other = rng.normal(size=(600, 4)), rows_of(rng.normal(size=(600, 4)))
    area, pull = c2st_auc(rows_of(values), other, seed=1)
    low, high = pull.interval(area, rows_of(values), other)
    # Near .5 the variance of an AUC is (1 / N + 1 / M) / 12, and that of trees of five folds 5/4 as much.
    half = 1.96 * np.sqrt(2 / 600 / 12 * (1 + 5 / 4))
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)
    pairs = np.arange(600) // 2
    twice = np.repeat(values[:300], 2, axis=0)
    area, pull = c2st_auc(rows_of(twice, pairs), other, seed=1)
    low, high = pull.interval(area, rows_of(twice, pairs), other)
    # 300 users, each with the same row twice: (1 / 300 + 1 / 600) / 12.
    assert (high - low) / 2 == pytest.approx(half * np.sqrt(3 / 2), rel=0.1)
    assert pull.real.mean() == pytest.approx(0, abs=1e-12) and pull.other.mean() == pytest.approx(
        0, abs=1e-12
    )


def test_intervals_cover_the_area_of_other_rows_and_other_trees() -> None:
    rng, found = np.random.default_rng(4), []
    for seed in range(30):
        real, other = rows_of(rng.normal(size=(200, 3))), rows_of(rng.normal(0.3, 1, size=(200, 3)))
        area, pull = c2st_auc(real, other, seed)
        found.append((area, *pull.interval(area, real, other)))
    areas, low, high = np.array(found).T
    covered = ((low <= areas.mean()) & (areas.mean() <= high)).mean()
    assert covered >= 0.9
    narrow = (high - low) / 1.5  # of the tested rows alone
    assert (np.abs(areas - areas.mean()) <= narrow / 2).mean() < covered


def test_rows_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(3)
    real, other = (
        pa.table({"x": rng.normal(size=500), "y": rng.choice(kinds, 500)})
        for kinds in (["a", "b"], ["b", "c"])
    )
    coding = Coding.fit(real, columns_of(real.schema))
    # Half of either side has a kind of its own: 3/4 by it alone, and the rest is a guess: 3/4 + 1/4 x 1/2.
    assert c2st_auc(coding.encode(real), coding.encode(other), seed=1)[0] == pytest.approx(7 / 8, abs=0.03)
