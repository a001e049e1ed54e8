"""Metrics with influences: values by hand, and variances that are those of the textbook and of resampling."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.evaluation.metrics import ranking
from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.figures import Figure


def test_a_mean_by_hand() -> None:
    found = figures.mean(np.array([1.0, 2.0, 6.0]))
    assert found.value == 3.0
    assert found.influence.tolist() == pytest.approx([-2 / 3, -1 / 3, 1.0])


def test_an_area_by_hand() -> None:
    """Positives .8 and .3 against negatives .5 and .3: pairs won 1, 1, 0 and one half."""
    labels = np.array([True, True, False, False])
    found = figures.auc(np.array([0.8, 0.3, 0.5, 0.3]), labels)
    assert found.value == pytest.approx(2.5 / 4)
    # Of positives, the share of negatives below: 1, .25; of negatives, that of positives above: .5, .75.
    expected = [(1 - 0.625) / 2, (0.25 - 0.625) / 2, (0.5 - 0.625) / 2, (0.75 - 0.625) / 2]
    assert found.influence.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("labels", [[], [True, True], [False]])
def test_one_class_has_no_area(labels: list[bool]) -> None:
    found = figures.auc(np.zeros(len(labels)), np.array(labels, bool))
    assert math.isnan(found.value) and not found.influence.any() and len(found.influence) == len(labels)
    assert math.isnan(figures.mean(np.zeros(0)).value)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_an_area_is_that_of_the_metrics_and_its_influences_sum_to_nothing(
    rows: list[tuple[int, bool]],
) -> None:
    scores, labels = np.array([row[0] for row in rows]) / 5, np.array([row[1] for row in rows])
    found = figures.auc(scores, labels)
    assert found.value == pytest.approx(ranking.auc(scores, labels), nan_ok=True)
    assert found.influence.sum() == pytest.approx(0, abs=1e-12)


def test_an_influence_is_what_leaving_the_row_out_changes() -> None:
    """The jackknife, to first order."""
    random = np.random.default_rng(0)
    labels = random.random(400) < 0.3
    scores = random.normal(size=400) + labels
    found = figures.auc(scores, labels)
    left_out = [ranking.auc(np.delete(scores, row), np.delete(labels, row)) for row in range(400)]
    changes = found.value - np.array(left_out)
    assert np.corrcoef(changes, found.influence)[0, 1] > 0.9999
    assert changes == pytest.approx(found.influence, abs=2e-4)


def test_the_mean_of_trainings() -> None:
    one, other = Figure(0.5, np.array([0.1, -0.1])), Figure(0.7, np.array([0.3, -0.3]))
    found = figures.average([one, other])
    assert found.value == pytest.approx(0.6) and found.influence.tolist() == pytest.approx([0.2, -0.2])
    assert figures.average(iter([one])).influence.tolist() == pytest.approx([0.1, -0.1])


def test_a_figure_of_all_together_has_no_interval() -> None:
    found = figures.whole(0.25, 3)
    assert found.value == 0.25 and np.isnan(found.influence).tolist() == [True] * 3
