"""Whole training events, by what they are drawn for: by item, by the owner's segment, or all in one.

The columns of an event are never drawn apart, so each event is one that occurred.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import GAP, EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import places
from clicksmith.errors import NotFittedError, TrainingError
from clicksmith.generators.sequence.counts import (
    CountTable,
    Floats,
    Index,
    Ints,
    cumulate,
    draw,
    kept_evenly,
    row_keys,
    sizes,
    wish_keys,
)
from clicksmith.seeds import counter_uniform, derive_seed

MAX_ROWS = 1 << 22
"""Of more training events so many are kept, and one of each group at least."""


def subcolumns(codec: SequenceCodec, column: str | None) -> list[int]:
    """The sub-columns of events that make their state: a column's; None: all but the gap's.

    Raises:
        TrainingError: there is no such column.
    """
    slots = dict(zip(codec.events.names, codec.events.slots, strict=True))
    known = [name for name in slots if name != GAP]
    if column is not None and column not in known:
        raise TrainingError(
            f"item is {column!r}, which is no column of the events that can be an item: {', '.join(known)}.",
            "Name one of them.",
        )
    names = known if column is None else [column]
    return [index for name in names for index in range(slots[name].start, slots[name].stop)]


def gap_slot(codec: SequenceCodec) -> slice:
    """The sub-columns of events that say how long after the last one they come; empty without times."""
    names = codec.events.names
    return codec.events.slots[names.index(GAP)] if GAP in names else slice(0, 0)


class EventTable(CountTable):
    """Distinct rows of events' codes in groups; R rows, G groups, C sub-columns that name them.

    The first event of an owner has no gap: one drawn from all the others' stands in its place, so that its
    row may come anywhere. What comes first has none, see `without_gap`.

    Attributes:
        columns: which sub-columns name a group, shape (C,); of events, or of owners.
        names: their codes, shape (G, C), rising.
        starts: first row of each group, and the end of the last, shape (G + 1,).
        rows: codes of events, shape (R, Se).
        cumulated: events before each row, and all, shape (R + 1,).
    """

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.gap = gap_slot(codec)
        width = self.gap.stop - self.gap.start
        self.no_gap = np.zeros(width, dtype=np.int32)
        if width:
            column = codec.events.columns[codec.events.names.index(GAP)]
            self.no_gap[:] = column.encode(pa.array([None], pa.int64()))[0].reshape(-1)
        self.columns: Tensor
        self.names: Tensor
        self.starts: Tensor
        self.rows: Tensor
        self.cumulated: Tensor
        self.register_buffer("columns", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("names", torch.zeros(0, 0, dtype=torch.int32))
        self.register_buffer("starts", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("rows", torch.zeros(0, len(codec.events.cardinalities), dtype=torch.int32))
        self.register_buffer("cumulated", torch.zeros(1, dtype=torch.float64))

    @property
    def num_groups(self) -> int:
        """G."""
        return len(self.names)

    def fit(self, data: EncodedSequences, naming: NDArray[np.integer], columns: Sequence[int]) -> Ints:
        """Count the events of each group.

        Args:
            data: the sequences.
            naming: codes that name the group of each event, in some of their columns, shape (E, ...).
            columns: in which.

        Returns:
            The group of each event, shape (E,).
        """
        named = naming[:, list(columns)]
        names = row_keys(named, sizes(named))
        _, first, group = np.unique(names, return_index=True, return_inverse=True)
        events = self._with_gaps(data)
        keys = row_keys(events, sizes(events))
        order = np.lexsort((keys, group))
        kept = kept_evenly(len(order), MAX_ROWS)
        if len(kept) < len(order):
            kept = np.union1d(kept, np.searchsorted(group[order], np.arange(len(first))))
        order = order[kept]
        new = np.ones(len(order), dtype=bool)
        new[1:] = (group[order][1:] != group[order][:-1]) | (keys[order][1:] != keys[order][:-1])
        begin = np.flatnonzero(new)
        self.keep(
            columns=np.asarray(columns, dtype=np.int64),
            names=named[first],
            starts=np.searchsorted(group[order[begin]], np.arange(len(first) + 1)),
            rows=events[order[begin]],
            cumulated=cumulate(np.diff(begin, append=len(order))),
        )
        return group.astype(np.int64)

    def _with_gaps(self, data: EncodedSequences) -> NDArray[np.int32]:
        """The events, with a later event's gap in the first of each owner."""
        steps = places(data.offsets)
        first, later = np.flatnonzero(steps == 0), np.flatnonzero(steps > 0)
        if self.gap.start == self.gap.stop or not len(later):
            return data.events
        events = data.events.copy()
        place = counter_uniform(derive_seed(0, "gaps"), first, 1)[:, 0] * len(later)
        events[first, self.gap] = data.events[later[place.astype(np.int64)], self.gap]
        return events

    def find(self, naming: NDArray[np.integer]) -> Ints:
        """The group that codes name, shape (M,); -1 for one never seen.

        Args:
            naming: codes of events, or of owners, as `fit` took them; shape (M, ...).
        """
        if not self.num_groups:
            return np.full(len(naming), -1, dtype=np.int64)
        names = self.array("names")
        if "keys" not in self.derived:
            self.derived["keys"] = row_keys(names, sizes(names))
        known = self.derived["keys"]
        keys, inside = wish_keys(naming[:, self.array("columns")], sizes(names))
        place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        return np.where(inside & (known[place] == keys), place, -1)

    def draw(self, groups: Ints, uniform: Floats) -> Ints:
        """Numbers of rows, by their counts in a group; in all of them for group -1.

        Raises:
            NotFittedError: no event was trained on.
        """
        if not len(self.rows) and len(groups):
            raise NotFittedError(
                "Events were asked for, but no owner that was trained on has any.",
                "Train on owners with events, or ask for a length of 0.",
            )
        starts, known = self.array("starts"), groups >= 0
        low = np.where(known, starts[groups], 0)
        high = np.where(known, starts[groups + 1], len(self.rows))
        return draw(self.array("cumulated"), low, high, uniform)

    def having(self, wanted: Mapping[int, Ints], uniform: Floats) -> Ints:
        """Numbers of rows that have codes, by their counts, shape (M,).

        Args:
            wanted: sub-column to the code that each row must have, shape (M,).
            uniform: shape (M,).

        Raises:
            NotFittedError: no training event has such codes.
        """
        columns = tuple(sorted(wanted))
        if columns not in self.derived:
            counts = np.diff(self.array("cumulated"))
            self.derived = {columns: Index.of(self.array("rows")[:, list(columns)], counts)}
        index: Index = self.derived[columns]
        low, high = index.ranges(np.stack([wanted[c] for c in columns], axis=1))
        if len(wrong := np.flatnonzero(low == high)):
            wish = ", ".join(f"code {wanted[c][wrong[0]]} in column {c}" for c in columns)
            raise NotFittedError(
                f"An event with {wish} was asked for, which no training event has.",
                "Ask for values that occur together in a training event.",
            )
        return index.draw(low, high, uniform)

    def counts(self) -> Floats:
        """Events of each group, shape (G,)."""
        return np.diff(self.array("cumulated")[self.array("starts")])
