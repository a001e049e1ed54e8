"""Metrics against hand-computed fractions and properties."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.evaluation.metrics import ranking

LABELS = np.array([True, False, True, False, False])


def test_auc_counts_ties_as_half() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    # positives 0.9 and 0.5 against negatives 0.5, 0.5, 0.1: 3 wins; 2 ties + 1 win
    assert ranking.auc(scores, LABELS) == pytest.approx((3 + 2 * 0.5 + 1) / 6)


def test_auc_weights_pairs_by_the_product() -> None:
    scores = np.array([0.9, 0.5, 0.5, 0.5, 0.1])
    weights = np.array([1.0, 2.0, 3.0, 0.0, 1.0])
    # 0.9 (1): wins over 2 + 1; 0.5 (3): half of 2, and 1
    assert ranking.auc(scores, LABELS, weights) == pytest.approx((1 * 3 + 3 * (0.5 * 2 + 1)) / (4 * 3))


def test_auc_of_one_class_is_unknown() -> None:
    assert math.isnan(ranking.auc(np.array([0.1, 0.2]), np.array([True, True])))


def test_log_loss() -> None:
    loss = ranking.log_loss(np.array([0.5, 0.25]), np.array([True, False]))
    assert loss == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)
    assert math.isfinite(ranking.log_loss(np.array([0.0]), np.array([True])))


def test_grouped_auc_is_row_weighted_over_groups_of_both_classes() -> None:
    scores = np.array([0.9, 0.1, 0.2, 0.8, 0.5, 0.5, 0.7])
    labels = np.array([True, False, True, False, True, False, True])
    groups = np.array([0, 0, 1, 1, 1, 1, 2])
    # group 0: 1; group 1: positives 0.2 and 0.5 against 0.8 and 0.5: half a win of 4; group 2: one class
    assert ranking.auc_by_group(scores, labels, groups)[:2].tolist() == [1.0, 0.125]
    assert math.isnan(ranking.auc_by_group(scores, labels, groups)[2])
    assert ranking.grouped_auc(scores, labels, groups) == pytest.approx((2 * 1 + 4 * 0.125) / 6)


def test_ndcg_and_recall_by_hand() -> None:
    ranked = np.array([[False, True, True], [True, False, False]])
    relevant = np.array([5, 1])
    ideal = 1 + 1 / math.log2(3) + 1 / 2
    assert ranking.ndcg_at(ranked, relevant).tolist() == pytest.approx(
        [(1 / math.log2(3) + 1 / 2) / ideal, 1.0]
    )
    assert ranking.recall_at(ranked, relevant).tolist() == pytest.approx([2 / 3, 1.0])


_ROWS = st.lists(st.tuples(st.integers(-8, 8), st.booleans(), st.integers(0, 3)), min_size=2, max_size=40)


@given(_ROWS)
def test_auc_ignores_monotone_maps_and_flips_with_the_sign(rows: list[tuple[int, bool, int]]) -> None:
    scores = np.array([row[0] for row in rows], float)
    labels = np.array([row[1] for row in rows])
    area = ranking.auc(scores, labels)
    np.testing.assert_allclose(ranking.auc(np.exp(scores / 3) - 7, labels), area)
    np.testing.assert_allclose(ranking.auc(-scores, labels), 1 - area)


@given(_ROWS)
def test_weights_are_repeated_rows_and_groups_are_separate_areas(rows: list[tuple[int, bool, int]]) -> None:
    scores = np.array([row[0] for row in rows], float)
    labels = np.array([row[1] for row in rows])
    times = np.array([row[2] for row in rows])
    repeated = ranking.auc(np.repeat(scores, times), np.repeat(labels, times))
    np.testing.assert_allclose(ranking.auc(scores, labels, times), repeated)
    by_group = ranking.auc_by_group(scores, labels, times)
    expected = [ranking.auc(scores[times == g], labels[times == g]) for g in range(times.max() + 1)]
    np.testing.assert_allclose(by_group, expected)
