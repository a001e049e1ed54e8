"""How far a figure of two samples would stray if both were drawn again: intervals without drawing any.

A figure is a function of the rows' shares, and each row pulls at it by its derivative: the infinitesimal
jackknife (Efron, "The jackknife, the bootstrap and other resampling plans", 1982, chapter 6). The mean of
squared pulls is its variance; pulls of a user's rows are added first, since those rows come together.
No smaller sample is measured, whose bias could pass for spread: a total variation distance is the longer the
fewer rows there are. The interval is one of the mean figure of samples of this size, as its ceiling's is.
Where two distributions are equal a distance has no derivative, and the interval is up to two thirds too wide:
|d| of a normal d around 0 strays by .60 of what d does, and is taken to stray as much.

Shapes: N real rows, M others, K codes.
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.samples.sample import Sample

Z = 1.96
"""Standard errors to either side in a 95 % interval."""

Floats = NDArray[np.float64]
Names = TypeVar("Names", str, tuple[str, str], tuple[str, str, str])


@dataclass(frozen=True)
class Pull:
    """What each row does to a figure of two samples: added to all rows alike it does nothing.

    Attributes:
        real: shape (N,), of mean 0.
        other: shape (M,), of mean 0.
    """

    real: Floats
    other: Floats

    def interval(
        self, value: float, real: Sample, other: Sample, highest: float = 1.0
    ) -> tuple[float, float]:
        """A 95 % interval of a figure between 0 and `highest`, of the rows that it was measured on."""
        return self.reach(value, (real.users, other.users), highest)

    def reach(
        self,
        value: float,
        users: tuple[NDArray[np.int64] | None, NDArray[np.int64] | None],
        highest: float = 1.0,
    ) -> tuple[float, float]:
        """The same by either side's users: whose each row is; None: each row stands for itself."""
        of_real, of_other = users
        variance = mean_variance(self.real, of_real) + mean_variance(self.other, of_other)
        half = Z * float(np.sqrt(variance))
        return max(value - half, 0.0), min(value + half, highest)


@dataclass(frozen=True)
class Similarity(Generic[Names]):
    """How alike two samples are, by column or by columns taken together.

    Attributes:
        by_columns: 1 where equal.
        pull: what each row does to their mean.
    """

    by_columns: dict[Names, float]
    pull: Pull


def mean_variance(pulls: Floats, users: NDArray[np.int64] | None) -> float:
    """Variance of the mean of pulls, which is 0, where whole users are drawn; of a single one infinite.

    Args:
        pulls: shape (N,), of mean 0.
        users: whose each row is, shape (N,); None: each row stands for itself.
    """
    sums = pulls if users is None else np.bincount(np.unique(users, return_inverse=True)[1], pulls)
    if len(sums) < 2:
        return float("inf")
    return float(len(sums) / (len(sums) - 1) * (sums**2).sum() / len(pulls) ** 2)


def around(
    value: float,
    influence: Floats,
    users: NDArray[np.int64] | None,
    num_taught: int,
    lowest: float = 0.0,
) -> tuple[float, float]:
    """A 95 % interval of a figure, at most 1, of trees on rows that they did not learn from.

    Trees of other rows would be others: beside the variance for the tested rows stands as much for these, as
    there are tested rows for one that was learnt from (Nadeau and Bengio, "Inference for the generalization
    error", Machine Learning 52, 2003).

    Args:
        value: the figure.
        influence: by how much each tested row moves it, shape (N,), of sum 0.
        users: whose each tested row is, shape (N,); None: each row stands for itself.
        num_taught: rows that the trees learnt from.
        lowest: that the figure can be.
    """
    num_tested = len(influence)
    variance = mean_variance(influence * num_tested, users) * (1 + num_tested / num_taught)
    half = Z * float(np.sqrt(variance))
    return max(value - half, lowest), min(value + half, 1.0)


def share(hits: NDArray[np.bool_], users: NDArray[np.int64] | None) -> tuple[float, float, float]:
    """The share of rows that hit, shape (N,), and its 95 % interval, where whole users are drawn.

    That of Wilson (1927) for as many rows of their own as would tell as much; where all rows are alike, that
    says nothing of how alike a user's are, and users are counted.
    """
    value = float(hits.mean())
    alone, together = value * (1 - value) / len(hits), mean_variance(hits.astype(np.float64) - value, users)
    num_users = len(hits) if users is None else len(np.unique(users))
    size = len(hits) * alone / max(alone, together) if alone > 0 else num_users
    return value, *wilson(value, max(size, 1.0))


def wilson(share: float, num_rows: float) -> tuple[float, float]:
    """A 95 % interval of a share of independent rows (Wilson 1927)."""
    n = num_rows
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * float(np.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)))
    return max(centre - half, 0.0), min(centre + half, 1.0)


class MeanPull:
    """The pull of a mean of figures, of one after the other: thousands of pairs need no memory."""

    def __init__(self, num_real: int, num_other: int) -> None:
        self._real, self._other = np.zeros(num_real), np.zeros(num_other)
        self._count = 0

    def add(self, real: Floats, other: Floats) -> None:
        """One more figure's pulls, of shapes (N,) and (M,)."""
        self._real += real
        self._other += other
        self._count += 1

    def pull(self) -> Pull:
        """The mean of what was added."""
        count = max(self._count, 1)
        return Pull(self._real / count, self._other / count)


def tables(real: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[float, Floats, Floats]:
    """1 - the total variation distance of two samples of codes, and what each row does to it.

    Args:
        real: codes from 0 on, shape (N,).
        other: shape (M,).

    Returns:
        The similarity, and pulls of shapes (N,) and (M,).
    """
    size = int(max(real.max(), other.max())) + 1
    a, b = (np.bincount(codes, minlength=size) / len(codes) for codes in (real, other))
    value = float(1.0 - 0.5 * np.abs(a - b).sum())
    signs = np.sign(a - b)
    return value, -0.5 * (signs[real] - signs @ a), 0.5 * (signs[other] - signs @ b)
