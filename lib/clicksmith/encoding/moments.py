"""The codec of timestamps and dates: calendar parts, each a small category, exact to the unit of the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.category import NEUTRAL
from clicksmith.encoding.number_statistics import (
    PART_NS,
    UNIT_NS,
    NumberStatistics,
)
from clicksmith.errors import ContractError

MAX_WEEKS = 4096
"""Codes of a sub-column of weeks; a longer range is told in two: 64 weeks at a time, and which of them."""

MONDAY_DAY = -3
"""1969-12-29 was a Monday, three days before the epoch."""


@dataclass(frozen=True)
class MomentCodec:
    """Moments as week, weekday, hour, minute, second and fractions of it, in UTC.

    Weeks run on from the first one, so that every combination of parts is a moment that exists, and
    the weekly rhythm of shops has a column of its own. Parts that are zero in all rows are left out.
    Code 0 of each part goes with a missing value; the first sub-column decides.

    A gap, the time since another column's moment, has the same parts, from zero instead of a Monday.

    Attributes:
        low: the earliest moment, in units of the type since 1970; what decodes before it becomes it.
        high: the latest.
        finest: the finest part that is told, an index of `MOMENT_PARTS`.
        unit: of the type: "D", "s", "ms", "us" or "ns".
        nullable: whether code 0 decodes to null; otherwise the part is taken for its first value.
        base: the column that a gap is counted from, or None.
    """

    low: int
    high: int
    finest: int
    unit: str
    nullable: bool
    base: str | None = None

    kind = "moment"

    @classmethod
    def from_statistics(
        cls,
        statistics: NumberStatistics,
        type_: pa.DataType,
        nullable: bool,
        min_users: int = 1,
        base: str | None = None,
    ) -> "MomentCodec":
        """Fit; the range ends at the `min_users`-th most extreme user."""
        low, high = statistics.lowest[min_users - 1], statistics.highest[min_users - 1]
        if max(abs(low), abs(high)) > 2.0**53:  # floats know the ends by a few nanoseconds only
            low, high = np.nextafter(low, -np.inf), np.nextafter(high, np.inf)
        limit = 2.0**63 - 1024  # the last float below 2**63
        low, high = int(max(low, -limit)), int(min(high, limit))
        if pa.types.is_date32(type_):
            return cls(low, max(low, high), 0, "D", nullable, base)
        return cls(
            low, max(low, high), max(statistics.places.bit_length() - 1, 0), type_.unit, nullable, base
        )

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each sub-column, coarse first."""
        return tuple(int(size) + 1 for size in self._sizes())

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N, S). Moments outside the fitted range go to its end."""
        whole = array.cast(pa.int32() if self.unit == "D" else pa.int64()).cast(pa.int64())
        moments = whole.fill_null(self.low).to_numpy(zero_copy_only=False)
        # Unsigned: nanoseconds may span more than 63 bits.
        since = np.clip(moments, self.low, self.high).view(np.uint64) - _unsigned(self._origin)
        rest, parts = since // np.uint64(self._step), []
        for size in self._sizes()[:0:-1]:  # finest first
            rest, part = np.divmod(rest, np.uint64(size))
            parts.append(part)
        codes = np.stack([rest, *parts[::-1]], axis=1).astype(np.int64) + 1
        codes[array.is_null().to_numpy(zero_copy_only=False)] = 0
        return codes, np.full(codes.shape, NEUTRAL)

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Moments of the codes (N, S); the first sub-column decides what is missing."""
        parts = np.maximum(codes - 1, 0).astype(np.uint64)
        count = parts[:, 0].copy()
        for index, size in enumerate(self._sizes()[1:], start=1):
            count = count * np.uint64(size) + parts[:, index]
        count = np.minimum(count, np.uint64((self.high - self._origin) // self._step))
        moments = (count * np.uint64(self._step) + _unsigned(self._origin)).view(np.int64)
        moments = np.clip(moments, self.low, self.high)
        whole = pa.array(moments, mask=(codes[:, 0] == 0) if self.nullable else None)
        return (whole.cast(pa.int32()) if self.unit == "D" else whole).cast(type_)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        names = ("low", "high", "finest", "unit", "nullable", "base")
        return {"kind": self.kind, **{name: getattr(self, name) for name in names}}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "MomentCodec":
        """The inverse of `to_json`."""
        names = ("low", "high", "finest", "unit", "nullable", "base")
        return cls(**{name: value[name] for name in names})

    @property
    def _ticks(self) -> list[int]:
        """Units of the type in each part, coarse first, down to the finest that is told."""
        if self.unit == "D":
            return [1]
        return [PART_NS[index] // UNIT_NS[self.unit] for index in range(self.finest + 1)]

    @property
    def _step(self) -> int:
        """Units of the type between neighbouring moments."""
        return self._ticks[-1]

    @property
    def _origin(self) -> int:
        """The start of the first week."""
        week, monday = 7 * self._ticks[0], (MONDAY_DAY * self._ticks[0] if self.base is None else 0)
        return (self.low - monday) // week * week + monday

    def _sizes(self) -> list[int]:
        """Values of each part, coarse first."""
        weeks = (self.high - self._origin) // (7 * self._ticks[0]) + 1
        ticks = self._ticks
        finer = [7, *(coarse // fine for coarse, fine in pairwise(ticks))]
        return [weeks, *finer] if weeks <= MAX_WEEKS else [-(-weeks // 64), 64, *finer]


def _unsigned(number: int) -> np.uint64:
    return np.uint64(number % 2**64)


def gap_of(moments: pa.Array, base: pa.Array) -> pa.Array:
    """Time since the base as a timestamp since 1970, in the moments' unit; null where either is."""
    if not pa.types.is_timestamp(base.type):
        raise ContractError(f"A gap is counted from a timestamp, not from a column of type {base.type}.")
    start = base.cast(pa.timestamp(moments.type.unit, base.type.tz)).cast(pa.int64())
    return pc.subtract(moments.cast(pa.int64()), start).cast(pa.timestamp(moments.type.unit))


def moment_after(gap: pa.Array, base: pa.Array, type_: pa.DataType) -> pa.Array:
    """The inverse of `gap_of`."""
    start = base.cast(pa.timestamp(type_.unit, base.type.tz)).cast(pa.int64())
    return pc.add(gap.cast(pa.int64()), start).cast(type_)
