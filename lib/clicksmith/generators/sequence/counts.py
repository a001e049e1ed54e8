"""What generators that count have in common: rows as keys, draws by cumulated counts, buffers of any length.

Shapes: R rows of a table, M draws.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


def sizes(codes: NDArray[np.integer]) -> list[int]:
    """The largest code of each column, plus one."""
    return [int(column.max(initial=0)) + 1 for column in codes.T]


def row_keys(codes: NDArray[np.integer], cardinalities: Sequence[int]) -> NDArray[Any]:
    """Rows as values that are equal, and sort, as the rows do: numbers where they fit 64 bits, else bytes.

    Args:
        codes: shape (R, C), each in [0, the column's cardinality).
        cardinalities: C of them.
    """
    if math.prod(cardinalities) < 2**63:
        key = np.zeros(len(codes), dtype=np.int64)
        for column, size in enumerate(cardinalities):
            key *= size
            key += codes[:, column]
        return key
    big = np.ascontiguousarray(codes, dtype=">i4")
    return big.view(f"S{4 * len(cardinalities)}").reshape(-1)


def wish_keys(
    codes: NDArray[np.integer], cardinalities: Sequence[int]
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """The same of codes that may lie anywhere, and which rows are inside."""
    limits = np.asarray(cardinalities, dtype=np.int64)
    inside: NDArray[np.bool_] = np.all((codes >= 0) & (codes < limits), axis=1)
    return row_keys(np.where(inside[:, None], codes, 0), cardinalities), inside


def cumulate(weights: NDArray[Any]) -> Floats:
    """Sums before each, and the sum of all, shape (R + 1,): exact for counts."""
    return np.concatenate([[0.0], np.cumsum(weights, dtype=np.float64)])


def draw(cumulated: Floats, low: Ints, high: Ints, uniform: Floats) -> Ints:
    """One row out of each range, by its weight.

    Args:
        cumulated: of the weights, shape (R + 1,).
        low: first row of each range, shape (M,).
        high: the row after the last one; no range is empty.
        uniform: in [0, 1), shape (M,).
    """
    before, after = cumulated[low], cumulated[high]
    found = np.searchsorted(cumulated, before + uniform * (after - before), side="right") - 1
    return np.clip(found, low, high - 1)


@dataclass(frozen=True)
class Index:
    """Rows in the order of some of their columns: rows with given codes there are a range of it.

    Attributes:
        order: numbers of the rows, shape (R,).
        keys: of the rows in this order.
        within: by what rows of one key are in order, rising, shape (R,).
        cumulated: of the rows' counts in this order, shape (R + 1,).
        cardinalities: of the columns.
    """

    order: Ints
    keys: NDArray[Any]
    within: Ints
    cumulated: Floats
    cardinalities: list[int]

    @classmethod
    def of(cls, codes: NDArray[np.integer], counts: Floats, within: Ints | None = None) -> "Index":
        """Sort rows by their codes in the columns asked for, shape (R, C); by `within` where those agree."""
        found = sizes(codes)
        keys = row_keys(codes, found)
        within = np.zeros(len(codes), dtype=np.int64) if within is None else within
        order = np.lexsort((within, keys))
        return cls(order, keys[order], within[order], cumulate(counts[order]), found)

    def ranges(self, codes: NDArray[np.integer], at_least: Ints | None = None) -> tuple[Ints, Ints]:
        """Where the rows with these codes lie, shapes (M,); equal where there is none.

        Args:
            codes: shape (M, C).
            at_least: what `within` must be, shape (M,).
        """
        keys, inside = wish_keys(codes, self.cardinalities)
        low = np.where(inside, np.searchsorted(self.keys, keys, side="left"), 0)
        high = np.where(inside, np.searchsorted(self.keys, keys, side="right"), 0)
        if at_least is None or not len(self.keys):
            return low, high
        wanted = low * self._span + np.minimum(at_least, self._span - 1)
        return np.minimum(np.searchsorted(self._places, wanted, side="left"), high), high

    @property
    def _span(self) -> int:
        return int(self.within.max()) + 2

    @cached_property
    def _places(self) -> Ints:
        """The place of a row's range, and its `within` below that, as one number that rises."""
        return np.searchsorted(self.keys, self.keys, side="left") * self._span + self.within

    def draw(self, low: Ints, high: Ints, uniform: Floats) -> Ints:
        """A row's number out of each range, by its count."""
        return self.order[draw(self.cumulated, low, high, uniform)]


def kept_evenly(num_rows: int, limit: int) -> Ints:
    """So many of R rows, at equal distances; all where they are fewer."""
    if num_rows <= limit:
        return np.arange(num_rows)
    return ((np.arange(limit) + 0.5) * (num_rows / limit)).astype(np.int64)


class CountTable(nn.Module):
    """Buffers whose lengths are those of what was counted, or of what is loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.derived: dict[Any, Any] = {}
        """What follows from the buffers, kept once it was asked for."""

    def keep(self, **buffers: NDArray[Any]) -> None:
        """Fill buffers; what was derived from them is forgotten."""
        for name, values in buffers.items():
            mine = getattr(self, name)
            setattr(self, name, torch.from_numpy(np.require(values, requirements=("C", "W"))).to(mine.dtype))
        self.derived.clear()

    def array(self, name: str) -> NDArray[Any]:
        """A buffer as an array that shares its memory."""
        buffer: torch.Tensor = getattr(self, name)
        return buffer.numpy()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take as many rows as there are in the state; as many columns where none were known."""
        for name, mine in list(self.named_buffers(recurse=False)):
            saved = state_dict.get(prefix + name)
            if saved is None or saved.dim() != mine.dim():
                continue
            pairs = zip(saved.shape[1:], mine.shape[1:], strict=True)
            if all(theirs == ours or ours == 0 for theirs, ours in pairs):
                setattr(self, name, torch.empty_like(saved, dtype=mine.dtype))
        self.derived.clear()
        super()._load_from_state_dict(state_dict, prefix, *rest)
