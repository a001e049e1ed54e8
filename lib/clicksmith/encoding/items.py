"""Item ids without a one-hot: an id is drawn among those seen with the same attributes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.parts import read_part, write_part
from clicksmith.errors import ContractError

_IDS, _PAIRS = "item-ids.arrow", "item-pairs.arrow"


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
        counter = ItemCounter(columns, radices)
        counter.add(ids, codes)
        return counter.result()

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
        missing = np.arange(len(cell))
        for level in range(len(self.columns), 0, -1):  # finest first; most rows are found there
            prefix = _keys(cell[missing, :level], self.radices[:level]) * width
            start = np.searchsorted(self.keys, prefix, side="left")
            end = np.searchsorted(self.keys, prefix + width, side="left")
            hit = end > start
            low[missing[hit]], high[missing[hit]] = start[hit], end[hit]
            missing = missing[~hit]
            if not len(missing):
                break
            width *= self.radices[level - 1]
        first, last = self.cumulative[low], self.cumulative[high]
        row = first + np.minimum((uniform * (last - first)).astype(np.int64), last - first - 1)
        pair = np.searchsorted(self.cumulative, row, side="right") - 1
        return self.ids.take(pa.array(self.index[pair]))

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_json` reads; without the ids and their pairs where they travel in parts."""
        value: dict[str, Any] = {"columns": list(self.columns), "radices": list(self.radices)}
        if inline:
            value["ids"] = self.ids.to_pylist()
            value |= {name: array.tolist() for name, array in self._pairs().items()}
        return value

    def to_parts(self) -> dict[str, bytes]:
        """File name to Arrow IPC bytes: what is too long for JSON text."""
        return {_IDS: write_part({"id": self.ids}), _PAIRS: write_part(self._pairs())}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], parts: Mapping[str, bytes] | None = None) -> "ItemCodec":
        """The inverse of `to_json`, and of `to_parts` where the JSON lacks the ids.

        Raises:
            ContractError: the ids are neither in the JSON nor in the parts.
        """
        arrays: Mapping[str, Any] = value
        if "ids" not in value:
            if parts is None or not {_IDS, _PAIRS} <= parts.keys():
                raise ContractError("The item ids are stored beside the codec, and are not there.")
            arrays = {"ids": read_part(parts[_IDS])["id"], **read_part(parts[_PAIRS])}
        return cls(
            tuple(value["columns"]),
            tuple(value["radices"]),
            pa.array(arrays["ids"], pa.string()),
            np.asarray(arrays["keys"], dtype=np.int64),
            np.asarray(arrays["index"], dtype=np.int64),
            np.concatenate([[0], np.cumsum(np.asarray(arrays["counts"], dtype=np.int64))]),
        )

    def _pairs(self) -> dict[str, NDArray[np.int64]]:
        return {"keys": self.keys, "index": self.index, "counts": np.diff(self.cumulative)}


class ItemCounter:
    """Counts the (cell, id) pairs of rows that come in batches; its memory grows with the distinct pairs.

    Args:
        columns: which codes make the cell, coarse first.
        radices: the cardinalities of these.

    Raises:
        ContractError: the cells do not fit 64 bits.
    """

    def __init__(self, columns: Sequence[int], radices: Sequence[int]) -> None:
        if np.prod([float(r) for r in radices]) >= 2.0**62:
            raise ContractError(
                f"Cells of {list(radices)} codes do not fit 64 bits.", "Use fewer or coarser attributes."
            )
        self._columns, self._radices = tuple(columns), tuple(radices)
        self._parts: list[pa.Table] = []
        self._pending = 0

    def add(self, ids: pa.Array, codes: NDArray[np.int64]) -> None:
        """Count rows: ids, shape (N,), none null, and codes of all columns, shape (N, C)."""
        keys = pa.array(_keys(codes[:, list(self._columns)], self._radices))
        ones = pa.array(np.ones(len(ids), dtype=np.int64))
        self._parts.append(_total(pa.table({"key": keys, "id": ids.cast(pa.string()), "rows": ones})))
        self._pending += self._parts[-1].num_rows
        if self._pending > 2 * max(self._parts[0].num_rows, 1 << 16):
            self._parts, self._pending = [_total(pa.concat_tables(self._parts))], 0

    def result(self) -> ItemCodec:
        """The codec.

        Raises:
            ContractError: there was no row.
        """
        pairs = _total(pa.concat_tables(self._parts)) if self._parts else pa.table({"id": []})
        if pairs.num_rows == 0:
            raise ContractError(
                "No training row holds an item id.", "Check the split and the holdout of the rows."
            )
        pairs = pairs.sort_by([("key", "ascending"), ("id", "ascending")]).combine_chunks()
        ids = pairs["id"].combine_chunks()
        distinct = pc.unique(ids).sort()
        index = pc.index_in(ids, value_set=distinct).to_numpy(zero_copy_only=False).astype(np.int64)
        cumulative = np.concatenate([[0], np.cumsum(pairs["rows"].to_numpy())])
        return ItemCodec(self._columns, self._radices, distinct, pairs["key"].to_numpy(), index, cumulative)


def _total(pairs: pa.Table) -> pa.Table:
    """One row a pair."""
    return pairs.group_by(["key", "id"]).aggregate([("rows", "sum")]).rename_columns(["key", "id", "rows"])


def _keys(cell: NDArray[np.int64], radices: Sequence[int]) -> NDArray[np.int64]:
    key = np.zeros(len(cell), dtype=np.int64)
    for column, radix in enumerate(radices):
        key = key * radix + cell[:, column]
    return key
