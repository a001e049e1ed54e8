"""Whether synthetic rows give away the real rows they were learnt from: distances and identical rows.

Rows of a generator that has memorised lie closer to its training rows than to as many holdout rows that
it never saw (distance to closest record), and closer to one training row than to the next one
(nearest-neighbour distance ratio). Both are smoke alarms, not proofs (arXiv 2505.01524), so the attacks
of `attack` stand beside them.
"""

import math

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.samples.sample import Sample, row_keys

NNDR_QUANTILE = 0.05
"""Which distance ratio is compared: the median is not moved by a few copies, and the 10th smallest of 2,000,
which mostly-ai/mostlyai-qa takes, swings by half with the draw (.52 for fresh rows of the adult data)."""
NUM_DRAWS = 400
"""Of rows again, for an interval: its ends stray by a tenth of its half length."""


def closer_share(to_train: NDArray[np.int64], to_holdout: NDArray[np.int64]) -> float:
    """Share of rows closer to a training row than to any holdout row, ties counting half; .5 is ideal.

    Args:
        to_train: each row's distance to its nearest of n training rows, shape (N,).
        to_holdout: the same to as many holdout rows, shape (N,).
    """
    return float((to_train < to_holdout).mean() + 0.5 * (to_train == to_holdout).mean())


def neighbour_ratio(nearest: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance to the nearest over that to the second nearest reference, for shape (N, 2), shape (N,).

    A copy of one reference scores 0. Two references at distance 0 give 1: the row points at neither.
    """
    first, second = nearest[:, 0].astype(np.float64), nearest[:, 1].astype(np.float64)
    return np.where(second == 0, 1.0, first / np.maximum(second, 1.0))


def nndr_ratio(
    to_train: NDArray[np.int64], to_holdout: NDArray[np.int64], quantile: float = NNDR_QUANTILE
) -> float:
    """A low quantile of `neighbour_ratio` to training rows over that to holdout rows; 1 is ideal.

    Near 0 at least such a share of the rows copies single training rows. Where as many real rows repeat
    one another it sees nothing: identical rows and attacks must.

    Args:
        to_train: distances of each row to its two nearest of n training rows, shape (N, 2).
        to_holdout: the same to as many holdout rows, shape (N, 2).
        quantile: of N sorted ratios the one of rank quantile x N, rounded up.

    Returns:
        The ratio; 1 where that to holdout rows is 0, since nobody can have learnt those.
    """
    train, holdout = (neighbour_ratio(side)[None] for side in (to_train, to_holdout))
    return float(_ratio_of_quantiles(train, holdout, quantile)[0])


def nndr_interval(
    to_train: NDArray[np.int64], to_holdout: NDArray[np.int64], seed: int, quantile: float = NNDR_QUANTILE
) -> tuple[float, float]:
    """A 95 % interval of `nndr_ratio`, were other rows generated: percentiles of the rows drawn again.

    The real rows are those that are to be protected, and stay.
    """
    drawn = np.random.default_rng(seed).integers(len(to_train), size=(NUM_DRAWS, len(to_train)))
    train, holdout = (neighbour_ratio(side)[drawn] for side in (to_train, to_holdout))
    low, high = np.quantile(_ratio_of_quantiles(train, holdout, quantile), [0.025, 0.975])
    return float(low), float(high)


def _ratio_of_quantiles(
    train: NDArray[np.float64], holdout: NDArray[np.float64], quantile: float
) -> NDArray[np.float64]:
    """Of draws of N rows' distance ratios, shapes (D, N), shape (D,)."""
    position = max(math.ceil(quantile * train.shape[1]), 1) - 1
    low, base = (np.partition(side, position, axis=1)[:, position] for side in (train, holdout))
    return np.where(base > 0, low / np.where(base > 0, base, 1.0), 1.0)


def identical_share(rows: Sample, train: Sample) -> float:
    """Share of rows that equal a training row in every column."""
    return float(np.isin(row_keys(rows), row_keys(train)).mean())
