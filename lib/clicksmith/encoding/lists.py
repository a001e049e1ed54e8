"""The codec of multi-valued columns: how many values, then the values, the most frequent first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.category import NEUTRAL, CategoryCodec
from clicksmith.encoding.number_statistics import NumberStatistics
from clicksmith.encoding.users import rank_within
from clicksmith.encoding.value_statistics import ValueStatistics


@dataclass(frozen=True, eq=False)
class ListStatistics:
    """Statistics of a multi-valued column.

    Attributes:
        lengths: of the rows, null where the list is.
        elements: of all values in all lists.
    """

    lengths: NumberStatistics
    elements: ValueStatistics

    @classmethod
    def of(cls, array: pa.Array, users: NDArray[np.uint64], k: int) -> "ListStatistics":
        """Statistics of some rows; see `ValueStatistics.of`."""
        lengths = pc.list_value_length(array)
        repeats = lengths.fill_null(0).to_numpy(zero_copy_only=False)
        elements = ValueStatistics.of(array.flatten(), np.repeat(users, repeats), k)
        return cls(NumberStatistics.of(lengths, users, k), elements)

    @classmethod
    def merge(cls, parts: list["ListStatistics"], k: int) -> "ListStatistics":
        """Statistics of all rows of the parts; at least one part."""
        lengths = NumberStatistics.merge([part.lengths for part in parts], k)
        return cls(lengths, ValueStatistics.merge([part.elements for part in parts], k))

    @property
    def num_entries(self) -> int:
        """What its memory grows with."""
        return self.lengths.num_entries + self.elements.num_entries

    def equals(self, other: "ListStatistics") -> bool:
        """Whether all attributes are the same."""
        return self.lengths.equals(other.lengths) and self.elements.equals(other.elements)


@dataclass(frozen=True)
class ListCodec:
    """Lists of strings as multisets: sub-columns for the length and for up to m values.

    Length code 0 is a null list, l + 1 a list of l values. The values stand by falling frequency in the
    data, which is the order that decodes; value code 0 fills up. Values that are null, unknown or
    protected are left out; of longer lists the m most frequent values are kept.

    Attributes:
        values: codec of the values.
        max_length: m.
        nullable: whether length code 0 decodes to null; otherwise to an empty list.
    """

    values: CategoryCodec
    max_length: int
    nullable: bool

    kind = "list"

    @classmethod
    def from_statistics(
        cls, statistics: ListStatistics, nullable: bool, limit: int, max_values: int, min_users: int = 1
    ) -> "ListCodec":
        """Fit.

        Args:
            statistics: of the column.
            nullable: whether a list may be null.
            limit: of the length.
            max_values: so many distinct values are kept, the most frequent ones.
            min_users: so many users must have a value, and lists of the greatest length or longer.
        """
        highest = statistics.lengths.highest
        longest = int(highest[min_users - 1]) if len(highest) >= min_users else 0
        kept = CategoryCodec.from_statistics(statistics.elements, True, min_users).values[:max_values]
        return cls(CategoryCodec(kept, True), min(longest, limit), nullable)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each sub-column: the length, then the values."""
        return (self.max_length + 2, *(self.values.cardinality for _ in range(self.max_length)))

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N, 1 + m)."""
        lengths = pc.list_value_length(array).fill_null(0).to_numpy(zero_copy_only=False)
        rows = np.repeat(np.arange(len(array)), lengths)
        values, _ = self.values.encode(array.flatten())
        rows, values = rows[values > 0], values[values > 0]
        order = np.lexsort((values, rows))
        rows, values = rows[order], values[order]
        place = rank_within(rows)
        kept = place < self.max_length
        codes = np.zeros((len(array), 1 + self.max_length), dtype=np.int64)
        codes[rows[kept], 1 + place[kept]] = values[kept]
        codes[:, 0] = 1 + np.count_nonzero(codes[:, 1:], axis=1)
        codes[array.is_null().to_numpy(zero_copy_only=False)] = 0
        return codes, np.full(codes.shape, NEUTRAL)

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Lists of the codes (N, 1 + m): values among the first l that are not 0."""
        used = (np.arange(self.max_length) < codes[:, :1] - 1) & (codes[:, 1:] > 0)
        flat = codes[:, 1:][used]
        values = self.values.decode(flat, np.full(len(flat), NEUTRAL), type_.value_type)
        offsets = np.concatenate([[0], np.cumsum(used.sum(axis=1))]).astype(np.int32)
        null = pa.array(codes[:, 0] == 0) if self.nullable else None
        return pa.ListArray.from_arrays(pa.array(offsets), values, mask=null).cast(type_)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        rest = {"max_length": self.max_length, "nullable": self.nullable}
        return {"kind": self.kind, "values": list(self.values.values), **rest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ListCodec":
        """The inverse of `to_json`."""
        return cls(CategoryCodec(tuple(value["values"]), True), value["max_length"], value["nullable"])
