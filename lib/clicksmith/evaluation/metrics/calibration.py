"""Whether probabilities mean what they say."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def calibration_error(
    probabilities: Floats, labels: NDArray[np.bool_], weights: Floats | None = None, num_bins: int = 15
) -> float:
    """Mean distance of the mean probability from the rate of positives, over bins of as many rows each.

    Args:
        probabilities: shape (N,).
        labels: shape (N,).
        weights: shape (N,); None weighs all rows alike.
        num_bins: at most; rows of equal probability share one.

    Returns:
        The expected calibration error (Naeini et al. 2015), in 0..1; NaN without rows.
    """
    if len(labels) == 0:
        return float("nan")
    weights = np.ones(len(labels)) if weights is None else np.asarray(weights, np.float64)
    probabilities = np.asarray(probabilities, np.float64)
    borders = np.unique(np.quantile(probabilities, np.linspace(0, 1, num_bins + 1)[1:-1]))
    number = np.searchsorted(borders, probabilities, side="right")
    said = np.bincount(number, weights * probabilities, num_bins)
    seen = np.bincount(number, weights * labels, num_bins)
    return float(np.abs(said - seen).sum() / weights.sum())
