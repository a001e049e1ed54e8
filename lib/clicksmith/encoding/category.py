"""The codec of names with few distinct values: strings and booleans."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.hashing import hash_values, to_unit
from clicksmith.encoding.value_statistics import ValueStatistics

NEUTRAL = np.float32(0.5)
"""Position of a value whose code says everything."""


@dataclass(frozen=True)
class CategoryCodec:
    """Strings and booleans: code k is the k-th most frequent value.

    Where rare values have been protected, one more code stands for them, and for values never seen.
    It decodes to a kept value, by frequency: its position, uniform, says which.

    Attributes:
        values: by falling frequency, ties by value.
        nullable: whether code 0 decodes to null; otherwise to the most frequent value.
        counts: rows of each value where there is a code for rare values, otherwise empty.
    """

    values: tuple[Any, ...]
    nullable: bool
    counts: tuple[int, ...] = ()

    kind = "category"

    @classmethod
    def fit(cls, array: pa.Array, nullable: bool) -> "CategoryCodec":
        """Order the distinct values by frequency."""
        nobody = np.zeros(len(array), dtype=np.uint64)
        return cls.from_statistics(ValueStatistics.of(array, nobody, 1), nullable)

    @classmethod
    def from_statistics(
        cls, statistics: ValueStatistics, nullable: bool, min_users: int = 1
    ) -> "CategoryCodec":
        """Keep the values that at least `min_users` users have."""
        kept = statistics.protect(min_users).by_frequency()
        counts = tuple(kept.counts.tolist()) if kept.num_rare and len(kept.values) else ()
        return cls(tuple(kept.values.to_pylist()), nullable, counts)

    @property
    def cardinality(self) -> int:
        """Codes, 0 included."""
        return len(self.values) + 1 + bool(self.counts)

    @property
    def rare_code(self) -> int | None:
        """The code of protected values, if there are any."""
        return len(self.values) + 1 if self.counts else None

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N,)."""
        index = pc.index_in(array, value_set=pa.array(self.values, type=array.type))
        codes = pc.fill_null(index, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        positions = np.full(len(codes), NEUTRAL)
        if self.counts:
            rare = (codes == 0) & array.is_valid().to_numpy(zero_copy_only=False)
            codes[rare] = len(self.values) + 1
            positions[rare] = to_unit(hash_values(array.filter(pa.array(rare))))
        return codes, positions

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Values of the codes, shape (N,)."""
        if not self.values:
            return pa.nulls(len(codes), type_)
        if not self.nullable:
            codes = np.maximum(codes, 1)
        if self.counts:
            rare = codes == len(self.values) + 1
            codes = np.where(rare, 1 + draw_by_frequency(np.cumsum(self.counts), positions), codes)
        index = pa.array(codes - 1, mask=codes == 0)
        return pa.array(self.values, type=type_).take(index)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        rest = {"counts": list(self.counts)} if self.counts else {}
        return {"kind": self.kind, "values": list(self.values), "nullable": self.nullable, **rest}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CategoryCodec":
        """The inverse of `to_json`."""
        return cls(tuple(value["values"]), value["nullable"], tuple(value.get("counts", ())))


def draw_by_frequency(cumulated: NDArray[np.int64], positions: NDArray[np.float32]) -> NDArray[np.int64]:
    """Index of a value by its frequency, from uniform numbers in [0, 1); shape (N,)."""
    row = (positions.astype(np.float64) * cumulated[-1]).astype(np.int64)
    index: NDArray[np.int64] = np.searchsorted(cumulated, row, side="right").clip(max=len(cumulated) - 1)
    return index
