"""Statistics of columns whose values are numbers: counts at the finest precision that memory allows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.users import extreme_values, smallest_users

MAX_NUMBERS = 65_536
"""Distinct numbers that are counted one by one; beyond it neighbours share a count."""

MAX_DECIMALS = 4
MAX_LATTICE = 1e9
"""Larger fractions are taken to be continuous."""

CONTINUOUS = -1
"""`places` of a column with a number that has more decimals."""

MOMENT_PARTS = ("day", "hour", "minute", "second", "millisecond", "microsecond", "nanosecond")
PART_NS = (
    86_400_000_000_000,
    3_600_000_000_000,
    60_000_000_000,
    1_000_000_000,
    1_000_000,
    1_000,
    1,
)
UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}

_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)


@dataclass(frozen=True, eq=False)
class NumberStatistics:
    """Counts of numbers, in cells whose width adapts to their variety.

    A cell holds the floats that share the upper 64 - `shift` bits, in their numerical order. With
    `shift` 0 counts are exact; it is the smallest with which at most `MAX_NUMBERS` cells are filled.
    A whole therefore has the same statistics however it is cut into parts, and any quantile is off by
    less than 2**(shift - 52) times its own magnitude.

    Attributes:
        shift: low bits that a cell does not tell.
        cells: rising, shape (V,).
        counts: rows of each, shape (V,).
        lows: the smallest number in each, shape (V,).
        owners: index of a cell, shape (P,); `users`: hash of a user in it, the k smallest of each.
        users: see `owners`.
        lowest: the k lowest numbers of different users, rising; at most k of them.
        highest: the k highest, falling.
        lowest_users: their users' hashes.
        highest_users: their users' hashes.
        places: bit i is set where some number has a digit in place 10**(i - 4), or some moment a part
            `MOMENT_PARTS[i]`; `CONTINUOUS` where some number has more decimals.
        num_null: rows without a finite number.
    """

    shift: int
    cells: NDArray[np.int64]
    counts: NDArray[np.int64]
    lows: NDArray[np.float64]
    owners: NDArray[np.int64]
    users: NDArray[np.uint64]
    lowest: NDArray[np.float64]
    lowest_users: NDArray[np.uint64]
    highest: NDArray[np.float64]
    highest_users: NDArray[np.uint64]
    places: int
    num_null: int

    @classmethod
    def of(
        cls, array: pa.Array, users: NDArray[np.uint64], k: int, limit: int = MAX_NUMBERS
    ) -> "NumberStatistics":
        """Statistics of some rows: numbers, or moments in the unit of their type.

        Args:
            array: the column, shape (N,).
            users: hash of each row's user, shape (N,).
            k: users are told apart up to so many.
            limit: of the distinct numbers.
        """
        numbers = to_numbers(array)
        known = np.isfinite(numbers)
        values, users = numbers[known] + 0.0, users[known]  # + 0.0: there is one zero
        if k <= 1:
            users = np.zeros(len(values), dtype=np.uint64)
        distinct, index, counts = np.unique(values, return_inverse=True, return_counts=True)
        pairs = smallest_users(index, users, k) if k > 1 else _nobody()
        return cls(
            0,
            _cells(distinct),
            counts,
            distinct,
            *pairs,
            *extreme_values(values, users, k, largest=False),
            *extreme_values(values, users, k, largest=True),
            _places(array, distinct),
            int(len(known) - known.sum()),
        ).normalized(k, limit)

    @classmethod
    def merge(
        cls, parts: Sequence["NumberStatistics"], k: int, limit: int = MAX_NUMBERS
    ) -> "NumberStatistics":
        """Statistics of all rows of the parts; at least one part."""
        if len(parts) == 1:
            return parts[0]
        shift = max(part.shift for part in parts)
        starts = np.cumsum([0, *(len(part.cells) for part in parts)])
        lowest, lowest_users = (np.concatenate([getattr(p, n) for p in parts]) for n in _LOWEST)
        highest, highest_users = (np.concatenate([getattr(p, n) for p in parts]) for n in _HIGHEST)
        return cls(
            shift,
            np.concatenate([part.cells >> (shift - part.shift) for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.lows for part in parts]),
            np.concatenate([part.owners + s for part, s in zip(parts, starts, strict=False)]),
            np.concatenate([part.users for part in parts]),
            *extreme_values(lowest, lowest_users, k, largest=False),
            *extreme_values(highest, highest_users, k, largest=True),
            int(np.bitwise_or.reduce([part.places for part in parts])),
            sum(part.num_null for part in parts),
        ).normalized(k, limit)

    def without_rows(self) -> "NumberStatistics":
        """Statistics of no row at all."""
        arrays = [name for name in self.__dataclass_fields__ if name not in _SCALARS]
        nothing = {name: getattr(self, name)[:0] for name in arrays}
        return NumberStatistics(shift=0, places=0, num_null=0, **nothing)

    @property
    def num_entries(self) -> int:
        """What its memory grows with."""
        return len(self.cells) + len(self.users)

    @property
    def num_users(self) -> NDArray[np.int64]:
        """Distinct users of each cell, up to k; shape (V,)."""
        return np.bincount(self.owners, minlength=len(self.cells))

    def equals(self, other: "NumberStatistics") -> bool:
        """Whether all attributes are the same."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__
        )

    def normalized(self, k: int, limit: int = MAX_NUMBERS) -> "NumberStatistics":
        """Each cell once, rising, and no more cells than the limit; from entries in any order."""
        cells = np.unique(self.cells)
        extra = 0
        while np.count_nonzero(np.diff(cells >> extra)) + 1 > limit:
            extra += 1
        cells, index = np.unique(self.cells >> extra, return_inverse=True)
        counts = np.zeros(len(cells), dtype=np.int64)
        np.add.at(counts, index, self.counts)
        lows = np.full(len(cells), np.inf)
        np.minimum.at(lows, index, self.lows)
        pairs = smallest_users(index[self.owners], self.users, k) if k > 1 else _nobody()
        rest = {name: getattr(self, name) for name in (*_LOWEST, *_HIGHEST, "places", "num_null")}
        return NumberStatistics(self.shift + extra, cells, counts, lows, *pairs, **rest)


def to_numbers(array: pa.Array) -> NDArray[np.float64]:
    """Numbers and moments as floats, shape (N,); NaN where null."""
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    elif pa.types.is_date32(array.type):
        array = array.cast(pa.int32())
    numbers: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def decimals_of(statistics: NumberStatistics, type_: pa.DataType) -> int | None:
    """Decimals that all numbers of the column have at most, or None where it is continuous."""
    if not pa.types.is_floating(type_):
        return 0
    if statistics.places == CONTINUOUS:
        return None
    if statistics.places == 0:
        return 0
    lowest_bit = (statistics.places & -statistics.places).bit_length() - 1
    return max(0, MAX_DECIMALS - lowest_bit)


def _cells(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Integers in the order of the floats."""
    bits = values.view(np.int64)
    cells: NDArray[np.int64] = bits ^ ((bits >> np.int64(63)) & _MAGNITUDE)
    return cells


def _places(array: pa.Array, distinct: NDArray[np.float64]) -> int:
    """Which decimal places, or parts of moments, are not zero everywhere."""
    if pa.types.is_timestamp(array.type):
        moments = array.drop_null().cast(pa.int64()).to_numpy()
        unit = UNIT_NS[array.type.unit]
        parts = [max(ns // unit, 1) for ns in PART_NS]
        used = [bool(np.any(moments % coarse // fine)) for coarse, fine in pairwise(parts)]
        return sum(1 << (i + 1) for i, some in enumerate(used) if some)
    if not pa.types.is_floating(array.type):
        return _digits(np.abs(distinct)) << MAX_DECIMALS
    if np.abs(distinct).max(initial=0) > MAX_LATTICE:
        return CONTINUOUS
    points = np.rint(distinct * 10.0**MAX_DECIMALS)
    if not np.array_equal(points / 10.0**MAX_DECIMALS, distinct):
        return CONTINUOUS
    return _digits(np.abs(points))


def _digits(points: NDArray[np.float64]) -> int:
    mask, place = 0, 0
    rest = points.astype(np.uint64)
    while np.any(rest):
        rest, digit = np.divmod(rest, np.uint64(10))
        mask |= int(np.any(digit)) << place
        place += 1
    return mask


def _nobody() -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    return np.empty(0, np.int64), np.empty(0, np.uint64)


_LOWEST = ("lowest", "lowest_users")
_HIGHEST = ("highest", "highest_users")
_SCALARS = ("shift", "places", "num_null")
