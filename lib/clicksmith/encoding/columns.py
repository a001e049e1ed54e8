"""Codecs of one column: values to codes and positions, and back.

Code 0 is the missing (and unknown) value of every column.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.errors import ContractError
from clicksmith.tables import Column

ATOM_SHARE = 0.05
"""A number that more than this share of rows has gets a code of its own."""

TAIL_SPLITS = np.array([1 / 64, 1 / 16, 1 / 4])
"""Where the outermost bins are split, as shares of a bin: values spread unevenly there."""

MAX_DECIMALS = 4
NEUTRAL = np.float32(0.5)
"""Position of a value whose code says everything."""


@dataclass(frozen=True)
class CategoryCodec:
    """Strings and booleans: code k is the k-th most frequent value.

    Attributes:
        values: by falling frequency, ties by value.
        nullable: whether code 0 decodes to null; otherwise to the most frequent value.
    """

    values: tuple[Any, ...]
    nullable: bool

    kind = "category"

    @classmethod
    def fit(cls, array: pa.Array, nullable: bool) -> "CategoryCodec":
        """Order the distinct values by frequency."""
        counts = [(int(c["counts"]), c["values"]) for c in pc.value_counts(array).to_pylist()]
        ordered = sorted((-count, value) for count, value in counts if value is not None)
        return cls(tuple(value for _, value in ordered), nullable)

    @property
    def cardinality(self) -> int:
        """Codes, 0 included."""
        return len(self.values) + 1

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N,)."""
        index = pc.index_in(array, value_set=pa.array(self.values, type=array.type))
        codes = pc.fill_null(index, -1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        return codes, np.full(len(codes), NEUTRAL)

    def decode(
        self, codes: NDArray[np.int64], positions: NDArray[np.float32], type_: pa.DataType
    ) -> pa.Array:
        """Values of the codes, shape (N,)."""
        if not self.values:
            return pa.nulls(len(codes), type_)
        if not self.nullable:
            codes = np.maximum(codes, 1)
        index = pa.array(codes - 1, mask=codes == 0)
        return pa.array(self.values, type=type_).take(index)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {"kind": self.kind, "values": list(self.values), "nullable": self.nullable}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "CategoryCodec":
        """The inverse of `to_json`."""
        return cls(tuple(value["values"]), value["nullable"])


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
    """

    atoms: tuple[float, ...]
    edges: tuple[float, ...]
    decimals: int | None
    nullable: bool
    fallback: float

    kind = "numeric"

    @classmethod
    def fit(cls, array: pa.Array, nullable: bool, max_bins: int) -> "NumericCodec":
        """Find lattice, atoms and bins; each a function of the values' multiset alone."""
        values = _to_numbers(array)
        values = values[np.isfinite(values)]
        if len(values) == 0:
            return cls((), (), 0, nullable, 0.0)
        decimals = 0 if not pa.types.is_floating(array.type) else _find_decimals(values)
        points = _to_lattice(values, decimals)
        distinct, counts = np.unique(points, return_counts=True)
        fallback = float(distinct[np.argmax(counts)])
        atomic = counts > ATOM_SHARE * len(points)
        if len(distinct) <= max_bins or atomic.all():
            return cls(tuple(map(float, distinct)), (), decimals, nullable, fallback)
        rest = np.repeat(distinct[~atomic], counts[~atomic])
        edges = np.unique(np.quantile(rest, _levels(max_bins), method="inverted_cdf"))
        # The last bin is closed: its upper border lies one lattice point (or one float) above.
        edges[-1] = edges[-1] + 1 if decimals is not None else np.nextafter(edges[-1], np.inf)
        if len(edges) == 1:
            edges = np.array([rest[0], edges[-1]])
        atoms = tuple(map(float, distinct[atomic]))
        return cls(atoms, tuple(map(float, edges)), decimals, nullable, fallback)

    @property
    def cardinality(self) -> int:
        """Codes, 0 included."""
        return 1 + len(self.atoms) + max(len(self.edges) - 1, 0)

    def encode(self, array: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Codes and positions, shapes (N,). Values outside the fitted range go to the nearest code."""
        values = _to_numbers(array)
        present = np.isfinite(values)
        codes = np.zeros(len(values), dtype=np.int64)
        positions = np.full(len(values), NEUTRAL)
        points = _to_lattice(values[present], self.decimals)
        if not self.atoms and not self.edges:
            return codes, positions
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
        return _from_numbers(values, (codes == 0) if self.nullable or empty else None, type_)

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return {
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
        return cls(tuple(value["atoms"]), tuple(value["edges"]), **rest)


ColumnCodec = CategoryCodec | NumericCodec


def fit_column(array: pa.Array, column: Column, max_bins: int) -> ColumnCodec:
    """Choose and fit the codec of a column by its declared type.

    Raises:
        ContractError: the type has no codec.
    """
    if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
        return CategoryCodec.fit(array, column.nullable)
    if (
        pa.types.is_integer(column.type)
        or pa.types.is_floating(column.type)
        or pa.types.is_timestamp(column.type)
    ):
        return NumericCodec.fit(array, column.nullable, max_bins)
    raise ContractError(
        f"Column {column.name} is of type {column.type}, which has no codec.",
        "Strings, booleans, integers, floats and timestamps have one.",
    )


def column_codec_from_json(value: Mapping[str, Any]) -> ColumnCodec:
    """The inverse of a codec's `to_json`."""
    return (
        CategoryCodec.from_json(value)
        if value["kind"] == CategoryCodec.kind
        else NumericCodec.from_json(value)
    )


def _to_numbers(array: pa.Array) -> NDArray[np.float64]:
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.int64())
    numbers: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _from_numbers(
    values: NDArray[np.float64], null: NDArray[np.bool_] | None, type_: pa.DataType
) -> pa.Array:
    if pa.types.is_floating(type_):
        return pa.array(values, mask=null).cast(type_)
    return pa.array(np.rint(values).astype(np.int64), mask=null).cast(type_)


def _levels(num_bins: int) -> NDArray[np.float64]:
    """Quantile levels of the borders: equal steps, the first and last one split on, for heavy tails."""
    tail = TAIL_SPLITS / num_bins
    return np.unique(np.concatenate([np.linspace(0, 1, num_bins + 1), tail, 1 - tail]))


def _find_decimals(values: NDArray[np.float64]) -> int | None:
    if np.abs(values).max() > 1e9:
        return None
    for decimals in range(MAX_DECIMALS + 1):
        if np.array_equal(np.rint(values * 10.0**decimals) / 10.0**decimals, values):
            return decimals
    return None


def _to_lattice(values: NDArray[np.float64], decimals: int | None) -> NDArray[np.float64]:
    return values if decimals is None else np.rint(values * 10.0**decimals)


def _nearest(sorted_values: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.int64]:
    right = np.clip(np.searchsorted(sorted_values, points), 0, len(sorted_values) - 1)
    left = np.maximum(right - 1, 0)
    closer_left = np.abs(points - sorted_values[left]) <= np.abs(sorted_values[right] - points)
    return np.where(closer_left, left, right).astype(np.int64)
