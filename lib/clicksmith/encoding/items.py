"""Item ids without a one-hot: an id is drawn among those seen with the same attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.errors import ContractError


@dataclass(frozen=True)
class ItemCodec:
    """Existing ids by cell of attribute codes, with their frequencies.

    The distinct (cell, id) pairs are sorted by the cell's codes, coarse attributes first, so that
    the cells of every coarser level are ranges of the same array: backing off is a wider range.

    Attributes:
        columns: index of each attribute column in the codes, coarse first.
        radices: codes of each attribute column; a cell's key is the mixed-radix number of its codes.
        ids: distinct ids, sorted.
        keys: shape (P,), cell keys of the pairs, rising.
        index: shape (P,), into `ids`.
        cumulative: shape (P + 1,), rows before each pair.
    """

    columns: tuple[int, ...]
    radices: tuple[int, ...]
    ids: pa.Array
    keys: NDArray[np.int64]
    index: NDArray[np.int64]
    cumulative: NDArray[np.int64]

    @classmethod
    def fit(
        cls, ids: pa.Array, codes: NDArray[np.int64], columns: Sequence[int], radices: Sequence[int]
    ) -> "ItemCodec":
        """Count the training rows' (cell, id) pairs.

        Args:
            ids: item ids, shape (N,), none null.
            codes: codes of all columns, shape (N, C).
            columns: which of them make the cell, coarse first.
            radices: the cardinalities of these.

        Raises:
            ContractError: there is no row, or the cells do not fit 64 bits.
        """
        if len(ids) == 0:
            raise ContractError(
                "No training row holds an item id.", "Check the split and the holdout of the rows."
            )
        if np.prod([float(r) for r in radices]) >= 2.0**62:
            raise ContractError(
                f"Cells of {list(radices)} codes do not fit 64 bits.", "Use fewer or coarser attributes."
            )
        distinct = pc.unique(ids.cast(pa.string())).sort()
        index = pc.index_in(ids.cast(pa.string()), value_set=distinct).to_numpy(zero_copy_only=False)
        keys = _keys(codes[:, list(columns)], radices)
        pairs, counts = np.unique(
            np.stack([keys, index.astype(np.int64)], axis=1), axis=0, return_counts=True
        )
        cumulative = np.concatenate([[0], np.cumsum(counts)])
        return cls(tuple(columns), tuple(radices), distinct, pairs[:, 0], pairs[:, 1], cumulative)

    def draw(self, codes: NDArray[np.int64], uniform: NDArray[np.float64]) -> pa.Array:
        """An id for each row, by its frequency in the row's cell, or in the finest coarser cell that has any.

        Args:
            codes: codes of all columns, shape (N, C).
            uniform: in (0, 1), shape (N,).

        Returns:
            Strings, shape (N,); each was seen in training.
        """
        cell = codes[:, list(self.columns)]
        low = np.zeros(len(cell), dtype=np.int64)
        high = np.full(len(cell), len(self.keys), dtype=np.int64)
        width = 1
        found = np.zeros(len(cell), dtype=bool)
        for level in range(len(self.columns), 0, -1):  # finest first; a handful of levels
            prefix = _keys(cell[:, :level], self.radices[:level]) * width
            start = np.searchsorted(self.keys, prefix, side="left")
            end = np.searchsorted(self.keys, prefix + width, side="left")
            hit = ~found & (end > start)
            low[hit], high[hit] = start[hit], end[hit]
            found |= hit
            width *= self.radices[level - 1]
        first, last = self.cumulative[low], self.cumulative[high]
        row = first + np.minimum((uniform * (last - first)).astype(np.int64), last - first - 1)
        pair = np.searchsorted(self.cumulative, row, side="right") - 1
        return self.ids.take(pa.array(self.index[pair]))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "columns": list(self.columns),
            "radices": list(self.radices),
            "ids": self.ids.to_pylist(),
            "keys": self.keys.tolist(),
            "index": self.index.tolist(),
            "counts": np.diff(self.cumulative).tolist(),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ItemCodec":
        """The inverse of `to_json`."""
        return cls(
            tuple(value["columns"]),
            tuple(value["radices"]),
            pa.array(value["ids"], pa.string()),
            np.asarray(value["keys"], dtype=np.int64),
            np.asarray(value["index"], dtype=np.int64),
            np.concatenate([[0], np.cumsum(np.asarray(value["counts"], dtype=np.int64))]),
        )


def _keys(cell: NDArray[np.int64], radices: Sequence[int]) -> NDArray[np.int64]:
    key = np.zeros(len(cell), dtype=np.int64)
    for column, radix in enumerate(radices):
        key = key * radix + cell[:, column]
    return key
