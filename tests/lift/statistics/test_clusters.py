"""Variances of figures whose observations share users and items, against an independent implementation."""

import math

import numpy as np
import pytest
import statsmodels.api as sm

from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.clusters import Covariance, covariance

ONE_LESS = np.array([1.0, -1.0])


def made_up(num_rows: int, num_users: int, num_items: int, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Rows of users and items that have an effect of their own; labels, users, items and two scores."""
    random = np.random.default_rng(seed)
    users, items = random.integers(0, num_users, num_rows), random.integers(0, num_items, num_rows)
    effect = random.normal(size=num_users)[users] + random.normal(size=num_items)[items]
    labels = random.normal(size=num_rows) + effect > 1
    one = effect + random.normal(size=num_rows)
    shared = random.normal(size=num_users)[users] + random.normal(size=num_items)[items]
    other = one + 0.5 * shared + 0.3 * random.normal(size=num_rows)
    return labels, users, items, one, other


def test_by_hand() -> None:
    """Values 1 and 3 of one user and 8 of another: their mean is 4."""
    figure = figures.mean(np.array([1.0, 3.0, 8.0]))
    found = covariance(figure.influence[None], [np.array([7, 7, 2])])
    # Users' sums: (1 + 3 - 8) / 3 and (8 - 4) / 3; two clusters: times 2.
    assert found.units[0, 0] == pytest.approx(2 * 2 * (4 / 3) ** 2)
    assert found.num_clusters == 2 and found.variance(np.ones(1)) == found.units[0, 0]


def test_one_row_a_cluster_is_the_textbook_variance_of_a_mean() -> None:
    values = np.random.default_rng(1).normal(size=50)
    found = covariance(figures.mean(values).influence[None], [np.arange(50)])
    assert found.variance(np.ones(1)) == pytest.approx(values.var(ddof=1) / 50)


def test_two_ways_are_those_of_statsmodels() -> None:
    _, users, items, one, other = made_up(3000, 80, 40)
    influence = np.stack([figures.mean(values).influence for values in (one, other)])
    for clusters in ([users], [users, items]):
        peer = sm.OLS(one - other, np.ones(3000)).fit(
            cov_type="cluster", cov_kwds={"groups": np.column_stack(clusters).squeeze()}
        )
        found = covariance(influence, clusters).variance(ONE_LESS)
        assert math.sqrt(found) == pytest.approx(float(peer.bse[0]), rel=1e-6)


def test_an_area_s_variance_is_that_of_resampling_users() -> None:
    labels, users, _, one, other = made_up(4000, 200, 40)
    influence = np.stack([figures.auc(scores, labels).influence for scores in (one, other)])
    found = covariance(influence, [users])
    random, replicates = np.random.default_rng(2), []
    rows_of = [np.flatnonzero(users == user) for user in range(200)]
    for _ in range(1000):
        rows = np.concatenate([rows_of[user] for user in random.integers(0, 200, 200)])
        areas = [figures.auc(scores[rows], labels[rows]).value for scores in (one, other)]
        replicates.append(areas[0] - areas[1])
    assert math.sqrt(found.variance(ONE_LESS)) == pytest.approx(np.std(replicates), rel=0.08)


def test_what_items_share_widens() -> None:
    """The review's case: models of equal skill whose errors are their items'."""
    labels, users, items, one, other = made_up(4000, 400, 20, seed=3)
    influence = np.stack([figures.auc(scores, labels).influence for scores in (one, other)])
    by_users = covariance(influence, [users]).variance(ONE_LESS)
    assert covariance(influence, [users, items]).variance(ONE_LESS) > 2 * by_users


def test_what_items_share_stays_however_many_users_there_are() -> None:
    """Four users, two of either item: values of 1 and 1, 0 and 0, each of which moves the mean by an eighth.

    Over users, and over pairs of both, 4 / 3 of four times (1 / 8) squared: 1 / 12. Over items twice two
    times (1 / 4) squared: 1 / 4, of which 1 / 12 is that of the users.
    """
    influence = figures.mean(np.array([1.0, 1.0, 0.0, 0.0])).influence[None]
    users, items = np.arange(4), np.array([0, 0, 1, 1])
    found = covariance(influence, [users, items])
    assert found.variance(np.ones(1)) == pytest.approx(1 / 4)
    assert found.lasting(np.ones(1)) == pytest.approx(1 / 4 - 1 / 12)
    assert covariance(influence, [users]).lasting(np.ones(1)) == 0.0
    mixed = covariance(influence, [users, np.array([0, 1, 0, 1])])
    assert mixed.lasting(np.ones(1)) == 0.0, "items that share nothing"


def test_what_more_users_leave_is_foreseen() -> None:
    """Sixteen times the users of the same items: the mean of forty logs each, by what is planted."""

    def log(num_users: int, random: np.random.Generator) -> Covariance:
        users, items = np.repeat(np.arange(num_users), 5), random.integers(0, 20, 5 * num_users)
        effect = random.normal(size=num_users)[users] + 0.5 * random.normal(size=20)[items]
        values = effect + random.normal(size=len(users))
        return covariance(figures.mean(values).influence[None], [users, items])

    random, one = np.random.default_rng(8), np.ones(1)
    few, many = ([log(num, random) for _ in range(40)] for num in (60, 960))
    lasting = np.mean([found.lasting(one) for found in few])
    foreseen = np.mean([found.variance(one) - found.lasting(one) for found in few]) / 16 + lasting
    truth = np.mean([found.variance(one) for found in many])
    assert foreseen == pytest.approx(truth, rel=0.25)
    assert lasting == pytest.approx(0.25 / 20, rel=0.25), "of 20 items whose effect has a variance of .25"


def test_never_below_either_cluster_alone() -> None:
    """Users and items that cancel: the sum of three terms alone would be negative."""
    users, items = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    found = covariance(np.array([[1.0, -1.0, -1.0, 1.0]]), [users, items])
    assert found.both is not None and found.both[0, 0] > 0
    assert found.variance(np.ones(1)) == 0.0


def test_a_single_cluster_has_no_variance() -> None:
    found = covariance(np.array([[1.0, -1.0]]), [np.array([3, 3])])
    assert math.isnan(found.units[0, 0]) and found.num_clusters == 1
    assert math.isnan(found.variance(np.ones(1)))


@pytest.mark.parametrize("clusters", [([0, 1, 2], [3, 3, 3]), ([3, 3, 3], [0, 1, 2])])
def test_a_single_user_or_item_of_several_rows_has_none(
    clusters: tuple[list[int], ...],
) -> None:
    influence = figures.mean(np.array([1.0, 2.0, 6.0])).influence[None]
    found = covariance(influence, [np.array(one) for one in clusters])
    assert found.num_clusters == 1 and math.isnan(found.variance(np.ones(1)))


def test_three_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match="one or two kinds of cluster, not 3"):
        covariance(np.zeros((1, 2)), [np.zeros(2, int)] * 3)
