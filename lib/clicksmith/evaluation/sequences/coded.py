"""One side of a comparison of sequences, coded: events, owners, and owners as rows.

Shapes: N owners, E events, C columns of events, D of owners.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.sequences import Sequences, places
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.evaluation.sequences.aggregate import aggregate
from clicksmith.tables import Column


@dataclass(frozen=True)
class Items:
    """What the owners' events are about.

    Attributes:
        codes: a number of each event's item, the same on all sides, shape (E,).
        offsets: where each owner's events start, and the end of the last, shape (N + 1,).
        num_items: a number above every code.
    """

    codes: NDArray[np.int64]
    offsets: NDArray[np.int64]
    num_items: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each owner, shape (N,)."""
        return np.diff(self.offsets)

    def part(self, start: int, stop: int) -> "Items":
        """The owners from `start` to `stop`."""
        offsets = self.offsets[start : stop + 1]
        return Items(self.codes[offsets[0] : offsets[-1]], offsets - offsets[0], self.num_items)


@dataclass(frozen=True)
class Coded:
    """Coded owners and events of one side.

    Attributes:
        events: E rows; the C columns of events, then the D of their owner. Users are the owners' numbers.
        grouped: the same, with the values of wide categories taken together.
        owners: N rows of D columns.
        rows: N rows, an owner each: see `aggregate`.
        offsets: shape (N + 1,).
        num_columns: C.
        items: None where no column names them.
    """

    events: Sample
    grouped: Sample
    owners: Sample
    rows: Sample
    offsets: NDArray[np.int64]
    num_columns: int
    items: Items | None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of events."""
        return self.events.names[: self.num_columns]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each owner, shape (N,)."""
        return np.diff(self.offsets)

    @property
    def owner_of(self) -> NDArray[np.int64]:
        """The owner's number of each event, shape (E,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def at_step(self, step: int) -> NDArray[np.bool_]:
        """Which events are an owner's at a step, from its first (0, 1, ...) or its last (-1, -2, ...)."""
        found = places(self.offsets)
        return np.asarray(found == step if step >= 0 else found - self.lengths[self.owner_of] == step)


@dataclass(frozen=True)
class Codings:
    """How sequences are coded, fitted on real owners.

    Attributes:
        columns: of events.
        owner_columns: of owners.
        events: of both kinds of columns, a row an event.
        owners: of the owners' columns, a row an owner.
        rows: of `aggregate`.
    """

    columns: tuple[Column, ...]
    owner_columns: tuple[Column, ...]
    events: Coding
    owners: Coding
    rows: Coding

    @classmethod
    def fit(
        cls, real: Sequence[Sequences], columns: Sequence[Column], owner_columns: Sequence[Column]
    ) -> "Codings":
        """Learn categories and bins of real owners.

        Of both sides of them: an item that the holdout alone has must not tell it from training owners, nor
        equal all others of its kind.
        """
        found = pa.concat_tables([side.to_rows() for side in real])
        events = Coding.fit(found, [*columns, *owner_columns])
        owners = Coding.fit(pa.concat_tables([side.owners for side in real]), owner_columns)
        table = pa.concat_tables(
            [aggregate(s, events.encode(s.to_rows()), columns, owner_columns) for s in real]
        )
        rows = Coding.fit(table, columns_of(table.schema))
        return cls(tuple(columns), tuple(owner_columns), events, owners, rows)

    def encode(self, side: Sequences, items: Items | None) -> Coded:
        """Code a side; `items` are its own."""
        events = replace(self.events.encode(side.to_rows()), users=side.owner_of)
        table = aggregate(side, events, self.columns, self.owner_columns)
        owners, rows = self.owners.encode(side.owners), self.rows.encode(table)
        grouped = self.events.grouped(events)
        return Coded(events, grouped, owners, rows, side.offsets, len(self.columns), items)


def number_items(sides: Sequence[Sequences], item: str) -> list[Items]:
    """The items of several sides, equal ones by equal numbers; a missing item is one of its own."""
    columns = [side.events.column(item).cast(pa.string()).combine_chunks() for side in sides]
    found = pa.concat_arrays(columns).dictionary_encode("encode")
    codes = np.asarray(found.indices.to_numpy(), dtype=np.int64)
    ends = np.cumsum([0, *(len(column) for column in columns)])
    return [
        Items(codes[start:stop], side.offsets, len(found.dictionary))
        for side, start, stop in zip(sides, ends[:-1], ends[1:], strict=True)
    ]


def by_owner(pulls: NDArray[np.float64], owners: NDArray[np.int64], num_owners: int) -> NDArray[np.float64]:
    """What owners do to a figure of rows: the pulls of a part of their rows, added up.

    Args:
        pulls: of R rows, shape (R,), as in `spread.Pull`.
        owners: whose each row is, shape (R,).
        num_owners: N.

    Returns:
        Shape (N,); a mean of figures of different rows has the mean of these.
    """
    return np.bincount(owners, pulls, num_owners) * num_owners / max(len(pulls), 1)
