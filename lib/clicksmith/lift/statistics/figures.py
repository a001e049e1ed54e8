"""A metric as a value, with how much each observation moved it.

The intervals, tests and verdict of a measurement know nothing of a metric but this. An observation's
influence (Hampel 1974) is the first-order effect that it has on the value; influences sum to 0, and the
variance of their sums over independent units is the variance of the value. So one formula serves means,
such as log loss or NDCG, and the AUC, whose influences are DeLong's (1988) structural components; summed by
user they are Obuchowski's (1997) for clustered data.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.metrics import ranking

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Figure:
    """A metric on some observations.

    Attributes:
        value: of the metric; NaN where it is not defined.
        influence: of each observation, shape (N,); zeros where the value is NaN, NaN where it is of all of
            them together and has no interval.
    """

    value: float
    influence: NDArray[np.float64]


def mean(values: Floats) -> Figure:
    """The mean of one value an observation, shape (N,)."""
    values = np.asarray(values, np.float64)
    if len(values) == 0:
        return Figure(float("nan"), np.zeros(0))
    value = float(values.mean())
    return Figure(value, (values - value) / len(values))


def whole(value: float, num_observations: int) -> Figure:
    """A figure of all observations together, without an interval."""
    return Figure(float(value), np.full(num_observations, np.nan))


def auc(scores: Floats, labels: NDArray[np.bool_]) -> Figure:
    """The area under the ROC curve, ties counted as one half; one sort.

    Args:
        scores: shape (N,), finite.
        labels: shape (N,).

    Returns:
        The area; NaN where a class is missing.
    """
    return Figure(*ranking.auc_influence(scores, labels))


def average(figures: Iterable[Figure]) -> Figure:
    """The mean of one metric over several trainings, on the same observations.

    One is held at a time: each is as large as the observations.
    """
    value, influence, number = 0.0, np.zeros(0), 0
    for number, figure in enumerate(figures, start=1):
        value += figure.value
        influence = influence + figure.influence if number > 1 else figure.influence
    return Figure(value / number, influence / number)
