"""The codec of numbers by their decimal digits (TabularARGN, Tiwald et al. 2025): every value exact."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.category import NEUTRAL
from clicksmith.encoding.number_statistics import (
    CONTINUOUS,
    MAX_DECIMALS,
    NumberStatistics,
    decimals_of,
    to_numbers,
)
from clicksmith.encoding.numeric import from_numbers

MAX_PLACES = 3
"""With more places that differ, bins are the better choice: each place is one more column to learn."""


@dataclass(frozen=True)
class DigitsCodec:
    """Numbers on a lattice: a sub-column for each decimal place that is not zero everywhere.

    The first sub-column also tells missing values and the sign: 0 is missing, 1 to 10 are the digits of
    positive numbers, 11 to 20 those of negative ones. In the others code 0 goes with a missing value
    and d + 1 is the digit d.

    Attributes:
        places: powers of ten, in lattice points, of the sub-columns; falling.
        decimals: of the lattice.
        low: smallest value in lattice points; what decodes below it becomes it.
        high: the largest.
        nullable: whether code 0 decodes to null; otherwise to `fallback`.
        fallback: the most frequent value, in lattice points.
    """

    places: tuple[int, ...]
    decimals: int
    low: int
    high: int
    nullable: bool
    fallback: int

    kind = "digits"

    @classmethod
    def from_statistics(
        cls, statistics: NumberStatistics, type_: pa.DataType, nullable: bool, min_users: int = 1
    ) -> "DigitsCodec":
        """Fit; the range ends at the `min_users`-th most extreme user. See `has_digits`."""
        decimals = decimals_of(statistics, type_) or 0
        ends = statistics.lowest[min_users - 1], statistics.highest[min_users - 1]
        low, high = (round(float(end) * 10.0**decimals) for end in ends)
        high = max(low, high)
        common = int(np.clip(_frequent(statistics, decimals), low, high))
        top = len(str(max(abs(low), abs(high)))) - 1
        places = tuple(place for place in _places(statistics, decimals)[::-1] if place <= top)
        return cls(places or (0,), decimals, low, high, nullable, common)

    @property
    def cardinalities(self) -> tuple[int, ...]:
        """Codes of each sub-column."""
        return (21 if self.low < 0 else 11, *(11 for _ in self.places[1:]))

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N, S). Values outside the fitted range go to its end."""
        values = to_numbers(array)
        present = np.isfinite(values)
        points = np.rint(np.where(present, values, 0.0) * 10.0**self.decimals)
        points = np.clip(points, self.low, self.high).astype(np.int64)
        size = np.abs(points)[:, None] // np.array([10**p for p in self.places])
        codes = size % 10 + 1
        codes[:, 0] += 10 * (points < 0)
        codes[~present] = 0
        return codes, np.full(codes.shape, NEUTRAL)

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Values of the codes (N, S); the first sub-column decides what is missing."""
        digits = np.maximum(codes - 1, 0)
        negative = digits[:, 0] >= 10
        digits[:, 0] %= 10
        points = digits @ np.array([10**p for p in self.places])
        points = np.clip(np.where(negative, -points, points), self.low, self.high)
        missing = codes[:, 0] == 0
        points[missing] = self.fallback
        null = missing if self.nullable else None
        if self.decimals:
            return from_numbers(points / 10.0**self.decimals, null, type_)
        return pa.array(points, mask=null).cast(type_)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
            "kind": self.kind,
            "places": list(self.places),
            "decimals": self.decimals,
            "low": self.low,
            "high": self.high,
            "nullable": self.nullable,
            "fallback": self.fallback,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "DigitsCodec":
        """The inverse of `to_json`."""
        rest = {key: value[key] for key in ("decimals", "low", "high", "nullable", "fallback")}
        return cls(tuple(value["places"]), **rest)


def num_places(statistics: NumberStatistics) -> int | None:
    """Sub-columns that digits would take, or None where digits cannot hold the values exactly."""
    if statistics.places == CONTINUOUS or len(statistics.cells) == 0:
        return None
    if max(abs(statistics.lowest[0]), abs(statistics.highest[0])) >= 2.0**53:
        return None
    return max(1, statistics.places.bit_count())


def _places(statistics: NumberStatistics, decimals: int) -> list[int]:
    """Powers of ten, in lattice points, in which some number has a digit; rising."""
    shift = MAX_DECIMALS - decimals
    return [bit - shift for bit in range(statistics.places.bit_length()) if statistics.places >> bit & 1]


def _frequent(statistics: NumberStatistics, decimals: int) -> int:
    value = float(statistics.lows[np.argmax(statistics.counts)])
    return round(value * 10.0**decimals)
