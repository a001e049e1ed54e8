"""The variance of figures whose observations share users and items.

Observations of one user stand or fall together, and so do those of one item. The variance of a figure is
the sum over users of their squared influence, plus the same over items, less that over pairs of both, which
were counted twice (Cameron, Gelbach and Miller 2011; Miglioretti and Heagerty 2007). Differences of arms
follow from one matrix of cross-products a cluster, so no observation need be kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Covariance:
    """Of A figures on the same observations.

    Attributes:
        units: over the first cluster, e.g. users, shape (A, A).
        crossed: over the second one, e.g. items; None where there is one cluster alone.
        both: over pairs of both; None likewise.
        num_clusters: of the cluster that has the fewest.
    """

    units: NDArray[np.float64]
    crossed: NDArray[np.float64] | None
    both: NDArray[np.float64] | None
    num_clusters: int

    def variance(self, contrast: NDArray[np.float64]) -> float:
        """Of a sum of figures with weights, shape (A,); never below that over either cluster alone."""
        found = [float(contrast @ self.units @ contrast)]
        if self.crossed is not None and self.both is not None:
            crossed = float(contrast @ self.crossed @ contrast)
            found += [crossed, found[0] + crossed - float(contrast @ self.both @ contrast)]
        return float(np.max([0.0, *found]))  # NaN where one of them is

    def lasting(self, contrast: NDArray[np.float64]) -> float:
        """What of the variance stays however many members the first cluster has.

        The variance is that over users, which falls as they become more, and that over items less that over
        pairs of both: what items themselves make, which more users of the same items leave.
        """
        if self.crossed is None or self.both is None:
            return 0.0
        return max(0.0, float(contrast @ (self.crossed - self.both) @ contrast))


def covariance(influence_AN: NDArray[np.float64], clusters: Sequence[NDArray[np.integer]]) -> Covariance:
    """From influences to the covariance of their figures.

    Args:
        influence_AN: shape (A, N), see `figures.Figure`.
        clusters: one or two numberings of what observations share, shape (N,) each.

    Returns:
        The covariance; NaN throughout where a cluster has fewer than two members.
    """
    if len(clusters) not in (1, 2):
        raise ValueError(f"observations share one or two kinds of cluster, not {len(clusters)}")
    numbered = [np.unique(cluster, return_inverse=True)[1] for cluster in clusters]
    one_way = [_one_way(influence_AN, numbers) for numbers in numbered]
    fewest = min(_count(numbers) for numbers in numbered)
    if len(numbered) == 1:
        return Covariance(one_way[0], None, None, fewest)
    pairs = numbered[0].astype(np.int64) * _count(numbered[1]) + numbered[1]
    both = _one_way(influence_AN, np.unique(pairs, return_inverse=True)[1])
    return Covariance(one_way[0], one_way[1], both, fewest)


def _one_way(influence_AN: NDArray[np.float64], numbers: NDArray[np.integer]) -> NDArray[np.float64]:
    count = _count(numbers)
    if count < 2:
        return np.full((len(influence_AN), len(influence_AN)), np.nan)
    sums = np.empty((len(influence_AN), count))
    for row, influence in enumerate(influence_AN):
        sums[row] = np.bincount(numbers, influence, count)
    return np.asarray(sums @ sums.T * (count / (count - 1)))


def _count(numbers: NDArray[np.integer]) -> int:
    return int(numbers.max()) + 1 if len(numbers) else 0
