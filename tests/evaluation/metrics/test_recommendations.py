"""Figures of lists, and of probabilities, by hand."""

import math

import numpy as np
import pytest

from benchmarks.policy import policy_value
from clicksmith.evaluation.metrics.calibration import calibration_error
from clicksmith.evaluation.metrics.platt import Platt, log_odds
from clicksmith.evaluation.metrics.recommendations import Recommended

LISTS = Recommended(
    items=np.array([[3, 1, 2], [1, 4, 0]]),
    hits=np.array([[False, True, True], [False, False, False]]),
    num_relevant=np.array([4, 1]),
)
NUM_EVENTS = np.array([0, 8, 4, 3, 1])


def test_accuracy_by_user() -> None:
    assert LISTS.recall.tolist() == [pytest.approx(2 / 3), 0.0]
    gain = 1 / math.log2(3) + 1 / math.log2(4)
    assert LISTS.ndcg.tolist() == [pytest.approx(gain / (1 + gain)), 0.0]
    assert LISTS.reciprocal_rank.tolist() == [0.5, 0.0]
    assert LISTS.average_precision.tolist() == [pytest.approx((1 / 2 + 2 / 3) / 3), 0.0]


def test_coverage_novelty_and_popularity_shift() -> None:
    assert LISTS.coverage(8) == 4 / 8
    bits = [-math.log2(count / 16) for count in (3, 8, 4, 8, 1)]
    assert LISTS.novelty(NUM_EVENTS) == pytest.approx(np.mean(bits))
    recommended = (15 / 3 + 9 / 2) / 2
    taken = (4 + (1 + 3) / 2) / 2
    histories = [np.array([2]), np.array([4, 3])]
    assert LISTS.popularity_shift(NUM_EVENTS, histories) == pytest.approx(recommended / taken - 1)
    figures = LISTS.figures(NUM_EVENTS, histories)
    assert figures["mrr@3"] == 0.25 and figures["coverage@3"] == 1.0


def test_calibration_of_true_and_of_wrong_probabilities() -> None:
    random = np.random.default_rng(0)
    true = random.uniform(0.05, 0.5, 200_000)
    labels = random.random(200_000) < true
    assert calibration_error(true, labels) < 0.005
    assert calibration_error(true + 0.1, labels) == pytest.approx(0.1, abs=0.005)
    by_hand = calibration_error(np.array([0.2, 0.2, 0.8]), np.array([True, False, True]), num_bins=2)
    assert by_hand == pytest.approx((abs(0.4 - 1) + abs(0.8 - 1)) / 3)
    assert math.isnan(calibration_error(np.array([]), np.array([], bool)))


def test_policy_value_by_hand_and_without_bias() -> None:
    found = policy_value(np.array([1.0, 0.0]), np.array([0.5, 0.25]), np.array([0.5, 0.5]))
    assert (found.ips, found.snips) == (0.5, pytest.approx(1 / 3))
    assert found.effective_rows == pytest.approx(9 / 5)
    random = np.random.default_rng(1)
    logged, new, rate = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6]), np.array([0.1, 0.3, 0.5])
    actions = random.choice(3, 100_000, p=logged)
    rewards = (random.random(100_000) < rate[actions]).astype(float)
    value = policy_value(rewards, logged[actions], new[actions])
    assert value.low < new @ rate < value.high
    assert value.high - value.low < 0.03
    assert value.ips == pytest.approx(new @ rate, abs=0.02)


def test_a_policy_that_takes_no_logged_action_has_no_value() -> None:
    found = policy_value(np.ones(3), np.full(3, 0.5), np.zeros(3))
    assert math.isnan(found.snips) and found.effective_rows == 0


def test_platt_finds_how_overconfident_a_model_is() -> None:
    random = np.random.default_rng(2)
    true = random.uniform(0.02, 0.6, 300_000)
    labels = random.random(len(true)) < true
    said = 1 / (1 + np.exp(-(2.0 * log_odds(true) + 0.7)))
    found = Platt.fit(said, labels, np.ones(len(true)))
    assert (found.slope, found.intercept) == (pytest.approx(0.5, abs=0.01), pytest.approx(-0.35, abs=0.01))
    assert calibration_error(said, labels) > 0.05 > 0.005 > calibration_error(found.apply(said), labels)


def test_platt_finds_how_far_too_cautious_a_model_is() -> None:
    """Logits a tenth of the true ones, about a rate that is not the true one: Newton's steps overshoot."""
    random = np.random.default_rng(3)
    true = random.choice([0.01, 0.5], 40_000)
    labels = random.random(len(true)) < true
    said = 1 / (1 + np.exp(-(0.1 * log_odds(true) - 2.0)))
    found = Platt.fit(said, labels, np.ones(len(true)))
    for rate in (0.01, 0.5):
        rows = true == rate
        np.testing.assert_allclose(found.apply(said[rows]).mean(), labels[rows].mean(), rtol=0.05)


def test_platt_leaves_a_single_class_alone() -> None:
    assert Platt.fit(np.array([0.1, 0.9]), np.array([True, True]), np.ones(2)) == Platt()
