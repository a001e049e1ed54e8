"""Replicates equal the metric on the resampled rows; intervals cover a known truth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation import ranking
from clicksmith.lift import bootstrap


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000))
def test_replicates_equal_the_metric_of_the_resampled_rows(seed: int) -> None:
    random = np.random.default_rng(seed)
    scores = random.integers(0, 6, 60) / 5  # many ties
    labels, users = random.random(60) < 0.4, random.integers(0, 9, 60)
    counts = bootstrap.multiplicities(9, 7, seed)
    assert (counts.sum(1) == 9).all()
    expected = []
    for count in counts:
        rows = np.repeat(np.arange(60), count[users])
        expected.append(
            [ranking.auc(scores[rows], labels[rows]), scores[rows].mean() if len(rows) else math.nan]
        )
    areas, means = np.array(expected).T
    np.testing.assert_allclose(bootstrap.auc_replicates(scores, labels, users, counts), areas)
    np.testing.assert_allclose(bootstrap.mean_replicates(scores, users, counts), means)


def test_interval_of_replicates() -> None:
    replicates = np.append(np.arange(101.0), np.nan)
    assert bootstrap.interval(replicates, 0.9) == pytest.approx((5.0, 95.0))
    assert all(math.isnan(bound) for bound in bootstrap.interval(np.array([np.nan])))


def test_intervals_cover_a_known_area_though_rows_of_a_user_hang_together() -> None:
    """Users shift all their scores; positives lie one above negatives: AUC = Phi(1 / sqrt(2 (1 + t²)))."""
    spread, num_users, per_user = 0.7, 150, 8
    truth = 0.5 * (1 + math.erf(1 / math.sqrt(2 * (1 + spread**2)) / math.sqrt(2)))
    covered, trials = 0, 200
    for trial in range(trials):
        random = np.random.default_rng(trial)
        users = np.repeat(np.arange(num_users), per_user)
        labels = random.random(len(users)) < 0.5
        scores = labels + random.normal(size=len(users)) + spread * random.normal(size=num_users)[users]
        counts = bootstrap.multiplicities(num_users, 200, trial)
        low, high = bootstrap.interval(bootstrap.auc_replicates(scores, labels, users, counts))
        covered += low <= truth <= high
    # 95 % of 200 is 190; the standard deviation is 3.
    assert 180 <= covered <= 199
