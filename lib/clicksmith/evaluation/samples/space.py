"""The space in which rows are near or far, and exact nearest neighbours in it.

Shapes: N queries, M references, A codes and B ranks of a row, k neighbours.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.samples.sample import Sample

_BLOCK_QUERIES = 32
_BLOCK_REFERENCES = 8192
_NUM_THREADS = 2
_FARTHEST = np.uint16(np.iinfo(np.uint16).max)


@dataclass(frozen=True)
class Space:
    """A Gower-like space: a number is its rank among the reference's, a category is equal or not.

    A missing number lies at the median and differs from a present one by a whole unit besides.

    Attributes:
        is_categorical: shape (C,).
        sorted_numbers: for each numeric column's index its sorted values in the reference.
        is_wide: shape (C,): categories of too many values for eight bits.
        unit: the most that one column can contribute to a distance, in steps. Distances are sums in
            16 bits, which the farthest two rows must fit.
    """

    is_categorical: NDArray[np.bool_]
    sorted_numbers: dict[int, NDArray[np.float64]]
    is_wide: NDArray[np.bool_]
    unit: int

    @classmethod
    def fit(cls, reference: Sample) -> "Space":
        """Learn the ranks of the real training rows."""
        numbers = {}
        for index in np.flatnonzero(~reference.is_categorical):
            column = reference.values[:, index]
            numbers[int(index)] = np.sort(column[~np.isnan(column)])
        # A number contributes its rank and whether it is missing, a category one of the two.
        unit = 65_535 // (len(reference.names) + len(numbers))
        highest = np.nan_to_num(reference.values, nan=0.0).max(axis=0, initial=0.0)
        is_wide = np.asarray(reference.is_categorical & (highest >= 255))  # one more is for unseen values
        return cls(reference.is_categorical, numbers, is_wide, unit)

    def place(self, sample: Sample) -> "Points":
        """Put rows into the space."""
        codes: list[NDArray[np.unsignedinteger[Any]]] = []
        for number in np.flatnonzero(self.is_categorical):
            index = int(number)
            values = sample.values[:, index]
            # Eight bits are several times as fast; what the reference lacks shares the last of them.
            narrow = np.minimum(values, 255).astype(np.uint8)
            codes.append(values.astype(np.uint32) if self.is_wide[index] else narrow)
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
        return Points(tuple(codes), np.stack(ranks) if ranks else empty, self.unit)


@dataclass(frozen=True)
class Points:
    """Rows in a space: A `codes` (N,) are equal or not, `ranks` (B, N) are near or far, at most `unit`."""

    codes: tuple[NDArray[np.unsignedinteger[Any]], ...]
    ranks: NDArray[np.uint16]
    unit: int

    @property
    def num_rows(self) -> int:
        """N."""
        return len(self.codes[0])


def nearest_distances(queries: Points, references: Points) -> NDArray[np.int64]:
    """Distance of each query to its nearest reference, shape (N,), in steps of the space."""
    return nearest_neighbours(queries, references, 1)[:, 0]


def nearest_neighbours(queries: Points, references: Points, num_neighbours: int) -> NDArray[np.int64]:
    """Distances of each query to its nearest references, in steps of the space.

    Exact, by brute force in blocks that fit a core's cache; memory is bounded by a block.

    Args:
        queries: N rows.
        references: rows, at least `num_neighbours`.
        num_neighbours: k.

    Returns:
        Shape (N, k), rising in each row.
    """
    starts = range(0, queries.num_rows, _BLOCK_QUERIES)
    with ThreadPoolExecutor(_NUM_THREADS) as threads:
        blocks = threads.map(lambda s: _nearest_of_block(queries, references, s, num_neighbours), starts)
        return np.concatenate([np.empty((0, num_neighbours), dtype=np.int64), *blocks])


def _nearest_of_block(queries: Points, references: Points, start: int, k: int) -> NDArray[np.int64]:
    rows = slice(start, min(start + _BLOCK_QUERIES, queries.num_rows))
    every = np.arange(rows.stop - rows.start)
    nearest = np.full((len(every), k), _FARTHEST)
    for first in range(0, references.num_rows, _BLOCK_REFERENCES):
        block = slice(first, min(first + _BLOCK_REFERENCES, references.num_rows))
        distances = _distances(queries, references, rows, block)
        found = [nearest]
        for _ in range(k):  # k is one or two: taking the smallest out again is faster than any sort
            position = distances.argmin(axis=1)
            found.append(distances[every, position][:, None])
            distances[every, position] = _FARTHEST
        nearest = np.sort(np.concatenate(found, axis=1), axis=1)[:, :k]
    return nearest.astype(np.int64)


def _distances(queries: Points, references: Points, rows: slice, block: slice) -> NDArray[np.uint16]:
    shape = (rows.stop - rows.start, block.stop - block.start)
    # Of as few bits as the number of codes needs: eight are twice as fast as sixteen.
    mismatches = np.zeros(shape, dtype=np.min_scalar_type(len(queries.codes)))
    differs = np.empty(shape, dtype=np.bool_)
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
