"""The codec of numbers: values of their own where few or frequent, quantile bins for the rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.category import NEUTRAL
from clicksmith.encoding.number_statistics import NumberStatistics, decimals_of, to_numbers

ATOM_SHARE = 0.05
"""A number that more than this share of rows has gets a code of its own."""

TAIL_SPLITS = np.array([1 / 64, 1 / 16, 1 / 4])
"""Where the outermost bins are split, as shares of a bin: values spread unevenly there."""


@dataclass(frozen=True)
class NumericCodec:
    """Numbers and timestamps: codes for atoms (frequent values), then quantile bins.

    Numbers that all have at most four decimals lie on a lattice: bins then hold whole lattice
    points and the round trip is exact. Otherwise a position loses what float32 cannot hold.

    Attributes:
        atoms: values with codes of their own, rising. Codes 1..A.
        edges: borders of the bins, B + 1 of them, rising. Codes A+1..A+B; a bin holds its lower edge.
        decimals: of the lattice, or None where values are continuous. Edges are lattice points.
        nullable: whether code 0 decodes to null; otherwise to `fallback`.
        fallback: the most frequent value.
        ends: of the range in lattice points, where it is protected: numbers beyond become the end.
    """

    atoms: tuple[float, ...]
    edges: tuple[float, ...]
    decimals: int | None
    nullable: bool
    fallback: float
    ends: tuple[float, float] | None = None

    kind = "numeric"

    @classmethod
    def fit(cls, array: pa.Array, nullable: bool, max_bins: int) -> "NumericCodec":
        """Find lattice, atoms and bins; each a function of the values' multiset alone."""
        nobody = np.zeros(len(array), dtype=np.uint64)
        statistics = NumberStatistics.of(array, nobody, 1, limit=max(len(array), 1))
        return cls.from_statistics(statistics, array.type, nullable, max_bins)

    @classmethod
    def from_statistics(
        cls,
        statistics: NumberStatistics,
        type_: pa.DataType,
        nullable: bool,
        max_bins: int,
        min_users: int = 1,
    ) -> "NumericCodec":
        """Fit; the range ends at the `min_users`-th most extreme user, and atoms have as many users."""
        if len(statistics.cells) == 0 or len(statistics.lowest) < min_users:
            return cls((), (), 0, nullable, 0.0)
        decimals = decimals_of(statistics, type_)
        distinct, counts, shared = _points(statistics, decimals, min_users)
        ends = (float(distinct[0]), float(distinct[-1])) if min_users > 1 else None
        fallback = float(distinct[np.argmax(np.where(shared, counts, 0))])
        atomic = (counts > ATOM_SHARE * counts.sum()) & shared
        if len(distinct) <= max_bins or atomic.all():
            return cls(tuple(map(float, distinct[shared])), (), decimals, nullable, fallback, ends)
        edges = _quantiles(distinct[~atomic], counts[~atomic], _levels(max_bins))
        lowest = edges[0]
        edges = np.unique(edges)
        # The last bin is closed: its upper border lies one lattice point (or one float) above.
        edges[-1] = edges[-1] + 1 if decimals is not None else np.nextafter(edges[-1], np.inf)
        if len(edges) == 1:
            edges = np.array([lowest, edges[-1]])
        atoms = tuple(map(float, distinct[atomic]))
        return cls(atoms, tuple(map(float, edges)), decimals, nullable, fallback, ends)

    @property
    def cardinality(self) -> int:
        """Codes, 0 included."""
        return 1 + len(self.atoms) + max(len(self.edges) - 1, 0)

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N,). Values outside the fitted range go to the nearest code."""
        values = to_numbers(array)
        present = np.isfinite(values)
        codes = np.zeros(len(values), dtype=np.int64)
        positions = np.full(len(values), NEUTRAL)
        points = _to_lattice(values[present], self.decimals)
        if not self.atoms and not self.edges:
            return codes, positions
        if self.ends is not None:
            points = np.clip(points, *self.ends)
        codes[present], positions[present] = self._encode_points(points)
        return codes, positions

    def _encode_points(self, points: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        atoms = np.asarray(self.atoms)
        if self.edges:
            edges = np.asarray(self.edges)
            bins = np.clip(np.searchsorted(edges, points, side="right") - 1, 0, len(edges) - 2)
            lower, width = edges[bins], np.diff(edges)[bins]
            offset = points - lower + (0.5 if self.decimals is not None else 0.0)
            positions = np.clip(
                (offset / width).astype(np.float32), 0.0, np.nextafter(np.float32(1), np.float32(0))
            )
            codes = 1 + len(atoms) + bins
            if not len(atoms):
                return codes, positions
            nearest = _nearest(atoms, points)
            hit = atoms[nearest] == points
            return np.where(hit, 1 + nearest, codes), np.where(hit, NEUTRAL, positions)
        return 1 + _nearest(atoms, points), np.full(len(points), NEUTRAL)

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Values of the codes and positions, shape (N,)."""
        points = np.full(len(codes), self.fallback)
        num_atoms = len(self.atoms)
        atomic = (codes >= 1) & (codes <= num_atoms)
        if num_atoms:
            points[atomic] = np.asarray(self.atoms)[codes[atomic] - 1]
        binned = codes > num_atoms
        if binned.any():
            edges = np.asarray(self.edges)
            bins = codes[binned] - 1 - num_atoms
            width = np.diff(edges)[bins]
            offset = positions[binned].astype(np.float64) * width
            if self.decimals is not None:
                offset = np.clip(np.floor(offset), 0, width - 1)
            points[binned] = np.minimum(edges[bins] + offset, np.nextafter(edges[bins + 1], -np.inf))
            if self.decimals is not None:
                points[binned] = np.floor(points[binned] + 0.5)
        values = points if not self.decimals else points / 10.0**self.decimals
        empty = not self.atoms and not self.edges
        return from_numbers(values, (codes == 0) if self.nullable or empty else None, type_)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        rest = {} if self.ends is None else {"ends": list(self.ends)}
        return rest | {
            "kind": self.kind,
            "atoms": list(self.atoms),
            "edges": list(self.edges),
            "decimals": self.decimals,
            "nullable": self.nullable,
            "fallback": self.fallback,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "NumericCodec":
        """The inverse of `to_json`."""
        rest = {key: value[key] for key in ("decimals", "nullable", "fallback")}
        ends = tuple(value["ends"]) if "ends" in value else None
        return cls(tuple(value["atoms"]), tuple(value["edges"]), **rest, ends=ends)


def from_numbers(values: NDArray[np.float64], null: NDArray[np.bool_] | None, type_: pa.DataType) -> pa.Array:
    """The inverse of `to_numbers`; integers and moments are rounded."""
    if pa.types.is_floating(type_):
        return pa.array(values, mask=null).cast(type_)
    whole = pa.array(np.rint(values).astype(np.int64), mask=null)
    return (whole.cast(pa.int32()) if pa.types.is_date32(type_) else whole).cast(type_)


def _points(
    statistics: NumberStatistics, decimals: int | None, min_users: int
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
    """Distinct lattice points within the protected range, their rows, and whether enough users have them."""
    low, high = statistics.lowest[min_users - 1], statistics.highest[min_users - 1]
    clipped = np.clip(statistics.lows, low, max(low, high))
    if statistics.shift and len(clipped):
        clipped[-1] = max(low, high)  # the end of the range is known exactly
    distinct, index = np.unique(_to_lattice(clipped, decimals), return_inverse=True)
    counts = np.zeros(len(distinct), dtype=np.int64)
    np.add.at(counts, index, statistics.counts)
    if min_users <= 1:
        return distinct, counts, np.ones(len(distinct), dtype=bool)
    users = np.zeros(len(distinct), dtype=np.int64)
    np.maximum.at(users, index, statistics.num_users)
    shared = users >= min_users
    # An end of the range is reached by enough users, if not at one value.
    shared[[0, -1]] = True
    return distinct, counts, shared


def _quantiles(
    distinct: NDArray[np.float64], counts: NDArray[np.int64], levels: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Quantiles of counted values by the inverted distribution function, as numpy's "inverted_cdf"."""
    cumulated = np.cumsum(counts)
    row = np.clip(np.ceil(cumulated[-1] * levels - 1), 0, cumulated[-1] - 1).astype(np.int64)
    found: NDArray[np.float64] = distinct[np.searchsorted(cumulated, row, side="right")]
    return found


def _levels(num_bins: int) -> NDArray[np.float64]:
    """Quantile levels of the borders: equal steps, the first and last one split on, for heavy tails."""
    tail = TAIL_SPLITS / num_bins
    return np.unique(np.concatenate([np.linspace(0, 1, num_bins + 1), tail, 1 - tail]))


def _to_lattice(values: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    return values if decimals is None else np.rint(values * 10.0**decimals)


def _nearest(sorted_values: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    right = np.clip(np.searchsorted(sorted_values, points), 0, len(sorted_values) - 1)
    left = np.maximum(right - 1, 0)
    closer_left = np.abs(points - sorted_values[left]) <= np.abs(sorted_values[right] - points)
    return np.where(closer_left, left, right).astype(np.int64)
