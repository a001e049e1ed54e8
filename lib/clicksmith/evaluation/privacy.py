"""Whether synthetic rows give away the real rows they were learnt from.

Distance to closest record: rows of a generator that has memorised lie closer to its training rows
than to as many holdout rows that it never saw. It is a smoke alarm, not a proof (arXiv 2505.01524),
so identical rows and a membership attack stand beside it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.fidelity import row_keys
from clicksmith.evaluation.ranking import auc
from clicksmith.evaluation.sample import Sample

_BLOCK_QUERIES = 32
_BLOCK_REFERENCES = 8192
_NUM_THREADS = 2


@dataclass(frozen=True)
class Space:
    """A Gower-like space: a number is its rank among the reference's, a category is equal or not.

    A missing number lies at the median and differs from a present one by a whole unit besides.

    Attributes:
        is_categorical: shape (C,).
        sorted_numbers: for each numeric column's index its sorted values in the reference.
        unit: the most that one column can contribute to a distance, in steps. Distances are sums in
            16 bits, which the farthest two rows must fit.
    """

    is_categorical: NDArray[np.bool_]
    sorted_numbers: dict[int, NDArray[np.float64]]
    unit: int

    @classmethod
    def fit(cls, reference: Sample) -> "Space":
        """Learn the ranks of the real training rows."""
        numbers = {}
        for index in np.flatnonzero(~reference.is_categorical):
            column = reference.values[:, index]
            numbers[int(index)] = np.sort(column[~np.isnan(column)])
        # A number contributes its rank and whether it is missing, a category one of the two.
        return cls(reference.is_categorical, numbers, 65_535 // (len(reference.names) + len(numbers)))

    def place(self, sample: Sample) -> "Points":
        """Put rows into the space."""
        # Eight bits: the rarest categories share a code, which can only bring rows nearer.
        codes = [
            np.minimum(sample.values[:, index], 255).astype(np.uint8)
            for index in np.flatnonzero(self.is_categorical)
        ]
        ranks = []
        for index, numbers in self.sorted_numbers.items():
            column = sample.values[:, index]
            missing = np.isnan(column)
            # The middle of equal numbers, so that an atom lies at the centre of its share.
            twice = np.searchsorted(numbers, column, "left") + np.searchsorted(numbers, column, "right")
            rank = twice / max(2 * len(numbers), 1) * self.unit
            ranks.append(np.where(missing, self.unit / 2, rank).astype(np.uint16))
            codes.append(missing.astype(np.uint8))
        empty: NDArray[np.uint16] = np.empty((0, sample.num_rows), dtype=np.uint16)
        return Points(np.stack(codes), np.stack(ranks) if ranks else empty, self.unit)


@dataclass(frozen=True)
class Points:
    """Rows in a space: `codes` (A, N) are equal or not, `ranks` (B, N) are near or far, at most `unit`."""

    codes: NDArray[np.uint8]
    ranks: NDArray[np.uint16]
    unit: int

    @property
    def num_rows(self) -> int:
        """N."""
        return int(self.codes.shape[1])


def nearest_distances(queries: Points, references: Points) -> NDArray[np.int64]:
    """Distance of each query to its nearest reference, shape (N,), in steps of the space.

    Exact, by brute force in blocks that fit a core's cache; memory is bounded by a block.
    """
    starts = range(0, queries.num_rows, _BLOCK_QUERIES)
    with ThreadPoolExecutor(_NUM_THREADS) as threads:
        blocks = list(threads.map(lambda start: _nearest_of_block(queries, references, start), starts))
    return np.concatenate(blocks) if blocks else np.empty(0, dtype=np.int64)


def _nearest_of_block(queries: Points, references: Points, start: int) -> NDArray[np.int64]:
    rows = slice(start, min(start + _BLOCK_QUERIES, queries.num_rows))
    nearest = np.full(rows.stop - rows.start, np.iinfo(np.uint16).max, dtype=np.uint16)
    for first in range(0, references.num_rows, _BLOCK_REFERENCES):
        block = slice(first, min(first + _BLOCK_REFERENCES, references.num_rows))
        np.minimum(nearest, _distances(queries, references, rows, block).min(axis=1), out=nearest)
    return nearest.astype(np.int64)


def _distances(queries: Points, references: Points, rows: slice, block: slice) -> NDArray[np.uint16]:
    shape = (rows.stop - rows.start, block.stop - block.start)
    mismatches, differs = np.zeros(shape, dtype=np.uint8), np.empty(shape, dtype=np.bool_)
    low, high = np.empty(shape, dtype=np.uint16), np.empty(shape, dtype=np.uint16)
    for query, reference in zip(queries.codes, references.codes, strict=True):
        np.not_equal(query[rows, None], reference[None, block], out=differs)
        np.add(mismatches, differs.view(np.uint8), out=mismatches)
    total = np.multiply(mismatches, queries.unit, dtype=np.uint16)
    for query, reference in zip(queries.ranks, references.ranks, strict=True):
        np.minimum(query[rows, None], reference[None, block], out=low)
        np.maximum(query[rows, None], reference[None, block], out=high)
        np.subtract(high, low, out=high)
        np.add(total, high, out=total)
    return total


def closer_share(to_train: NDArray[np.int64], to_holdout: NDArray[np.int64]) -> float:
    """Share of rows closer to a training row than to any holdout row, ties counting half; .5 is ideal."""
    return float((to_train < to_holdout).mean() + 0.5 * (to_train == to_holdout).mean())


def dcr_share(space: Space, rows: Sample, train: Sample, holdout: Sample) -> float:
    """Distance-to-closest-record share of `rows`, with equally many training and holdout rows."""
    size = min(train.num_rows, holdout.num_rows)
    points = space.place(rows)
    to_train = nearest_distances(points, space.place(train.head(size)))
    to_holdout = nearest_distances(points, space.place(holdout.head(size)))
    return closer_share(to_train, to_holdout)


def membership_auc(space: Space, synthetic: Sample, train: Sample, holdout: Sample) -> float:
    """AUC of an attack that calls a real row a training row the closer a synthetic row lies; .5 is ideal."""
    points = space.place(synthetic)
    of_train = nearest_distances(space.place(train), points)
    of_holdout = nearest_distances(space.place(holdout), points)
    is_train = np.repeat([True, False], [len(of_train), len(of_holdout)])
    return auc(-np.concatenate([of_train, of_holdout]).astype(np.float64), is_train)


def identical_share(rows: Sample, train: Sample) -> float:
    """Share of rows that equal a training row in every column."""
    return float(np.isin(row_keys(rows), row_keys(train)).mean())


def share_interval(share: float, num_rows: int) -> tuple[float, float]:
    """A 95 % interval of a share (Wilson 1927)."""
    z, n = 1.96, num_rows
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * float(np.sqrt(share * (1 - share) / n + z * z / (4 * n * n)))
    return max(centre - half, 0.0), min(centre + half, 1.0)
