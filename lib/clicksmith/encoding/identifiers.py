"""The codec of item and user ids by the million: a group, and a member of it. No soft-max sees all ids.

The ids are put in an order, by content or by frequency, and cut into balanced groups, as in the
hierarchical soft-max (Goodman 2001; Morin & Bengio 2005) with two or three levels of equal size.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.category import NEUTRAL, draw_by_frequency
from clicksmith.encoding.hashing import hash_values, to_unit
from clicksmith.encoding.parts import one_array, read_part, write_part
from clicksmith.encoding.search import HashIndex
from clicksmith.encoding.value_statistics import ValueStatistics
from clicksmith.errors import ContractError

TWO_LEVELS = 1 << 22
"""More ids are coded on three levels, so that no level has more than some 2,000 codes."""


@dataclass(frozen=True)
class IdentifierCodec:
    """Ids as mixed-radix numbers of their place in an order; a sub-column for each level, coarse first.

    Code 0 is a missing or unknown id, on every level. Where rare ids have been protected, the last code
    of the first level stands for them, and for ids never seen; it decodes to a kept id, by frequency.

    Attributes:
        ids: strings or integers, in the order of their codes.
        levels: values of each level, coarse first; their product is at least the number of ids.
        nullable: whether code 0 decodes to null; otherwise to `fallback`.
        fallback: index of the most frequent id.
        counts: rows of each id where there is a code for rare ids, otherwise None.
    """

    ids: pa.Array
    levels: tuple[int, ...]
    nullable: bool
    fallback: int
    counts: pa.Array | None = None

    kind = "identifier"

    @classmethod
    def from_statistics(
        cls,
        statistics: ValueStatistics,
        nullable: bool,
        min_users: int = 1,
        content: pa.Table | None = None,
    ) -> "IdentifierCodec":
        """Order and group the ids that at least `min_users` users have.

        Args:
            statistics: of the column; at least one id is kept.
            nullable: whether the column may be null.
            min_users: see `Options`.
            content: the ids' catalogue: a column of distinct ids, then attributes, coarse first, by
                which ids are ordered before their frequency. A learnt order is such an attribute.
        """
        kept = statistics.protect(min_users).by_frequency()
        ids, counts = kept.values, kept.counts
        if content is not None:
            order = _content_order(ids, counts, content)
            ids, counts = ids.take(order), counts[order.to_numpy()]
        rare = pa.array(counts) if kept.num_rare else None
        return cls(ids, _levels(len(ids)), nullable, int(np.argmax(counts)), rare)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each sub-column, code 0 included."""
        first, *rest = (size + 1 for size in self.levels)
        return (first + (self.counts is not None), *rest)

    @property
    def rare_code(self) -> int | None:
        """The code of protected ids on the first level, if there are any."""
        return None if self.counts is None else self.levels[0] + 1

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N, L)."""
        hashes = hash_values(array, self._index.salt)
        place = self._index.find(hashes)
        # Equal hashes do not make equal ids: an id never seen may share one.
        same = pc.equal(self.ids.take(pa.array(np.maximum(place, 0))), array).fill_null(False)
        known = (place >= 0) & same.to_numpy(zero_copy_only=False)
        codes = np.empty((len(array), len(self.levels)), dtype=np.int64)
        rest = place
        for level in range(len(self.levels) - 1, -1, -1):
            rest, codes[:, level] = np.divmod(rest, self.levels[level])
        codes += 1
        codes[~known] = 0
        positions = np.full(codes.shape, NEUTRAL)
        if self.rare_code is not None:
            rare = ~known & array.is_valid().to_numpy(zero_copy_only=False)
            codes[rare, 0] = self.rare_code
            positions[rare, 0] = to_unit(hashes[rare])
        return codes, positions

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Ids of the codes (N, L): each one exists. Members that a group lacks wrap to one that it has."""
        place = np.zeros(len(codes), dtype=np.int64)
        below = math.prod(self.levels)
        for level, size in enumerate(self.levels):
            below //= size
            present = np.minimum(size, -(-(len(self.ids) - place) // below))
            place += np.maximum(codes[:, level] - 1, 0) % present * below
        missing = codes[:, 0] == 0
        place[missing] = self.fallback
        if self.rare_code is not None:
            rare = codes[:, 0] == self.rare_code
            place[rare] = draw_by_frequency(self._cumulated, positions[rare, 0])
        return self.ids.take(pa.array(place, mask=missing if self.nullable else None)).cast(type_)

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_json` reads; without the ids where they travel in a part."""
        value = {
            "kind": self.kind,
            "levels": list(self.levels),
            "num_ids": len(self.ids),
            "nullable": self.nullable,
            "fallback": self.fallback,
        }
        if inline:
            counts = None if self.counts is None else self.counts.to_pylist()
            value |= {"ids": self.ids.to_pylist(), "counts": counts}
        return value

    def to_part(self) -> bytes:
        """The ids, and their counts where kept, as an Arrow IPC stream."""
        return write_part({"id": self.ids} if self.counts is None else {"id": self.ids, "count": self.counts})

    @classmethod
    def from_json(
        cls, value: Mapping[str, Any], type_: pa.DataType, part: bytes | None = None
    ) -> "IdentifierCodec":
        """The inverse of `to_json`, and of `to_part` where the JSON lacks the ids."""
        if "ids" in value:
            ids = pa.array(value["ids"], type_)
            counts = None if value["counts"] is None else pa.array(value["counts"], pa.int64())
        elif part is None:
            raise ContractError("The ids of a column are stored beside the codec, and are not there.")
        else:
            columns = read_part(part)
            ids, counts = columns["id"], columns.get("count")
        levels = tuple(value["levels"])
        if len(ids) != value["num_ids"] or not 0 < len(ids) <= math.prod(levels) or ids.type != type_:
            raise ValueError(f"{len(ids)} ids of type {ids.type} for {value['num_ids']} codes of {levels}")
        return cls(ids, levels, value["nullable"], value["fallback"], counts)

    @cached_property
    def _index(self) -> HashIndex:
        return HashIndex.build(self.ids)

    @cached_property
    def _cumulated(self) -> NDArray[np.int64]:
        assert self.counts is not None
        return np.cumsum(self.counts.to_numpy())


def _levels(num_ids: int) -> tuple[int, ...]:
    """Sizes of the levels, as equal as can be; every group of the first level has a member."""
    num_levels = 2 if num_ids <= TWO_LEVELS else 3
    size = math.ceil(num_ids ** (1 / num_levels))
    finer = (size,) * (num_levels - 1)
    return (-(-num_ids // math.prod(finer)), *finer)


def _content_order(ids: pa.Array, counts: NDArray[np.int64], content: pa.Table) -> pa.Array:
    """Indices of the ids by the attributes of their content, then falling frequency."""
    name, *attributes = content.column_names
    row = pc.index_in(ids, value_set=one_array(content.column(name)).cast(ids.type))
    known = content.select(attributes).take(row)
    sorting = known.append_column("", pa.array(-counts))
    keys = [(attribute, "ascending") for attribute in [*attributes, ""]]
    return pc.sort_indices(sorting, sort_keys=keys)  # ids without content come last
