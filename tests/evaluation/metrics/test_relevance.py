"""Graded figures by hand, and over all orders of ties."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation.metrics.relevance import ndcg, recall, reciprocal_rank

QUERIES = np.array([0, 1, 0, 0, 1, 2])
SCORES = np.array([0.9, 1.0, 0.5, 0.1, 2.0, 1.0])
GRADES = np.array([0, 3, 2, 3, 1, 0])


def test_by_hand() -> None:
    first = (3 / math.log2(3) + 7 / math.log2(4)) / (7 + 3 / math.log2(3))
    second = (1 + 7 / math.log2(3)) / (7 + 1 / math.log2(3))
    found = ndcg(SCORES, GRADES, QUERIES, 10)
    assert found[:2].tolist() == [pytest.approx(first), pytest.approx(second)]
    assert math.isnan(found[2]), "a query without a good answer tells nothing"
    at_1 = ndcg(SCORES, GRADES, QUERIES, 1)
    assert at_1[:2].tolist() == [0.0, pytest.approx(1 / 7)]
    relevant = GRADES >= 2
    assert recall(SCORES, relevant, QUERIES, 2)[:2].tolist() == [0.5, 1.0]
    assert reciprocal_rank(SCORES, relevant, QUERIES)[:2].tolist() == [0.5, 0.5]
    assert np.isnan(recall(SCORES, relevant, QUERIES, 2)[2])
    assert np.isnan(reciprocal_rank(SCORES, relevant, QUERIES)[2])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=5), st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_ties_are_the_mean_over_their_orders(rows: list[tuple[int, int]], k: int) -> None:
    scores, grades = (np.array(column, float) for column in zip(*rows, strict=True))
    if not grades.any():
        return
    queries = np.zeros(len(rows), int)
    values = []
    for order in itertools.permutations(range(len(rows))):
        if (np.diff(scores[list(order)]) <= 0).all():
            strict = np.empty(len(rows))
            strict[list(order)] = -np.arange(len(rows))
            values.append((ndcg(strict, grades, queries, k)[0], recall(strict, grades > 0, queries, k)[0]))
    expected = np.mean(values, axis=0)
    assert ndcg(scores, grades, queries, k)[0] == pytest.approx(expected[0])
    assert recall(scores, grades > 0, queries, k)[0] == pytest.approx(expected[1])
