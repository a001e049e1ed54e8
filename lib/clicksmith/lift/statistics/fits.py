"""The noise between fits: another seed of the model, another fit of the generator.

No number of test rows takes it away. Of a pair of arms, each measured by several fits of its generator (one,
where it has none) crossed with the same training seeds, the variance of the difference is estimated from the
pair's own figures: over seeds, and over either arm's fits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Part:
    """A part of a variance.

    Attributes:
        variance: of the difference.
        freedom: degrees of freedom that it was estimated with.
    """

    variance: float
    freedom: float


def fit_parts(one_RS: NDArray[np.float64], other_RS: NDArray[np.float64]) -> list[Part]:
    """What seeds and fits add to the variance of the difference of two arms' means.

    What depends on seed and fit together is in both parts, so the sum is on the safe side.

    Args:
        one_RS: a metric by the fit of the arm's generator and the training seed, shape (R, S).
        other_RS: of the other arm, shape (R', S), by the same seeds.

    Returns:
        A part for the seeds, and one for each arm of several fits; none where nothing can be estimated.
    """
    if one_RS.shape[1] != other_RS.shape[1]:
        raise ValueError(f"seeds differ: {one_RS.shape[1]} and {other_RS.shape[1]}")
    parts = [_part(one_RS.mean(0) - other_RS.mean(0))]
    parts += [_part(values.mean(1)) for values in (one_RS, other_RS)]
    return [part for part in parts if part is not None]


def _part(values: NDArray[np.float64]) -> Part | None:
    """Of a mean of independent values, shape (K,)."""
    if len(values) < 2:
        return None
    return Part(float(values.var(ddof=1)) / len(values), len(values) - 1)
