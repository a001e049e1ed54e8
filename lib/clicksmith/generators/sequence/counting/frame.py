"""Sequences to fill: owners, lengths and the events that were asked for, with holes for all the others.

What is the same in all generators that count: they differ in how they fill the holes alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.encoding.sequence_codec import MAX_EVENTS, EncodedSequences
from clicksmith.encoding.sequences import places
from clicksmith.errors import ConfigError
from clicksmith.generators.sequence.counting.events import EventTable
from clicksmith.generators.sequence.counts import Floats, Ints
from clicksmith.generators.sequence.given import Given, sizes_of
from clicksmith.generators.sequence.owners import OwnerTable
from clicksmith.seeds import counter_uniform, derive_seed


@dataclass(frozen=True)
class Frame:
    """N owners with E events, some of which are known.

    Attributes:
        rows: numbers of the owners in the table of owners, shape (N,).
        owners: codes, shape (N, So).
        events: codes, shape (E, Se); of holes without meaning.
        offsets: where each owner's events start, and the end of the last, shape (N + 1,).
        hole: which events are to be filled, shape (E,).
        as_given: which events are repeated as they were given, shape (E,).
        prefix: given events that come first, of each owner, shape (N,).
        anchor: place of the first known event of each owner, or 0, shape (N,). The holes before it are
            filled backwards from there, all the others forwards.
        seed: of the sampling stream.
        row_ids: of the owners, shape (N,).
    """

    rows: Ints
    owners: NDArray[np.int32]
    events: NDArray[np.int32]
    offsets: Ints
    hole: NDArray[np.bool_]
    as_given: NDArray[np.bool_]
    prefix: Ints
    anchor: Ints
    seed: int
    row_ids: Ints

    @classmethod
    def draw(
        cls, owners: OwnerTable, events: EventTable, seed: int, row_ids: Ints, given: Given | None
    ) -> "Frame":
        """Draw owners and lengths, and put the known events where they belong.

        Args:
            owners: of training.
            events: of training; a required event is drawn among those that have its codes.
            seed: of the sampling stream.
            row_ids: shape (N,).
            given: what the sequences must have.

        Raises:
            NotFittedError: no training owner, or event, has the codes that were asked for.
            ConfigError: conditions contradict each other.
        """
        given = Given() if given is None else given
        num_owners = len(row_ids)
        before, after = sizes_of(given.prefix, num_owners), sizes_of(given.suffix, num_owners)
        needs, fewest = given.lacks_required(num_owners), given.least_lengths(num_owners)
        uniform = counter_uniform(derive_seed(seed, "owners"), row_ids, 4)
        given.require_room(fewest)
        _refuse_gaps(given, events)
        rows, codes, lengths = owners.draw(uniform[:, :2], given.owners, given.lengths, fewest)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        filled = np.zeros((int(offsets[-1]), events.rows.shape[1]), dtype=np.int32)
        hole = np.ones(len(filled), dtype=bool)
        for known, index in ((given.prefix, offsets[:-1]), (given.suffix, offsets[1:] - after)):
            if known is not None:
                place = np.repeat(index, known.lengths) + places(known.offsets)
                filled[place], hole[place] = known.events, False
        as_given = ~hole
        spare = lengths - before - after
        need = np.flatnonzero(needs)
        place = before + np.minimum((uniform[:, 2] * spare).astype(np.int64), spare - 1)
        if len(need):
            wanted = {column: values[need] for column, values in given.required.items()}
            found = events.having(wanted, uniform[need, 3])
            index = offsets[need] + place[need]
            filled[index], hole[index] = events.array("rows")[found], False
        anchor = np.where(needs, place, lengths - after)
        anchor[(before > 0) | (~needs & (after == 0))] = 0
        return cls(rows, codes, filled, offsets, hole, as_given, before, anchor, seed, row_ids)

    @property
    def lengths(self) -> Ints:
        """Events of each owner, shape (N,)."""
        return np.diff(self.offsets)

    @property
    def owner_of(self) -> Ints:
        """The owner of each event, shape (E,)."""
        return np.repeat(np.arange(len(self.owners)), self.lengths)

    def uniform(self, name: str, num_columns: int) -> Floats:
        """Numbers of each event, shape (E, M): functions of the seed, the owner's row id and the place."""
        numbers = np.repeat(self.row_ids, self.lengths) * MAX_EVENTS + places(self.offsets)
        return counter_uniform(derive_seed(self.seed, name), numbers, num_columns)

    def backwards(self) -> Iterator[tuple[Ints, Ints]]:
        """Holes before the anchors, from there to the first: owners and numbers of events, step by step."""
        order = np.argsort(-self.anchor, kind="stable")
        ends = np.searchsorted(-self.anchor[order], -np.arange(1, self.anchor.max(initial=0) + 1), "right")
        for step, end in enumerate(ends, start=1):
            owners = order[:end]
            yield owners, self.offsets[owners] + self.anchor[owners] - step

    def forwards(self) -> Iterator[tuple[Ints, Ints, int]]:
        """All other holes, from the first place on: owners, numbers of events, and their place."""
        lengths = self.lengths
        order = np.argsort(-lengths, kind="stable")
        ends = np.searchsorted(-lengths[order], -np.arange(1, lengths.max(initial=0) + 1), "right")
        for step, end in enumerate(ends):
            owners = order[:end]
            owners = owners[self.hole[self.offsets[owners] + step] & (self.anchor[owners] <= step)]
            if len(owners):
                yield owners, self.offsets[owners] + step, step

    def fill(self, table: EventTable, groups: Ints) -> EncodedSequences:
        """Draw a whole event for each hole, in its group.

        Args:
            table: of training events.
            groups: of all events, shape (E,); -1: any.
        """
        holes = np.flatnonzero(self.hole)
        uniform = self.uniform("rows", 1)[holes, 0]
        self.events[holes] = table.array("rows")[table.draw(groups[holes], uniform)]
        return self.finish(table)

    def finish(self, table: EventTable) -> EncodedSequences:
        """The sequences, their holes filled: an event that comes first has no gap, unless it was given."""
        first = self.offsets[:-1][self.lengths > 0]
        first = first[~self.as_given[first]]
        self.events[first, table.gap] = table.no_gap
        return EncodedSequences(self.owners, self.events, self.offsets)


def _refuse_gaps(given: Given, events: EventTable) -> None:
    """Refuse a required event that could not come first."""
    if gaps := [column for column in given.required if events.gap.start <= column < events.gap.stop]:
        raise ConfigError(
            f"Column {gaps[0]}, how long after the last one an event comes, cannot be required: what comes "
            "first has none.",
            "Require other columns.",
        )
