"""Sequences in memory: owners, each with its events in order. Users with their clicks, or any grouped table.

Shapes: N owners, E events of all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.errors import ContractError


@dataclass(frozen=True)
class Sequences:
    """Owners and their events, side by side.

    Attributes:
        owners: N rows: the owner's key, and what is the same for all its events.
        events: E rows, those of an owner together, in order.
        offsets: where each owner's events start, and the end of the last, shape (N + 1,).
    """

    owners: pa.Table
    events: pa.Table
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return int(self.owners.num_rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each owner, shape (N,)."""
        return np.diff(self.offsets)

    @property
    def owner_of(self) -> NDArray[np.int64]:
        """The owner of each event, shape (E,)."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def steps(self) -> NDArray[np.int64]:
        """How many events of the same owner come before each, shape (E,)."""
        return places(self.offsets)

    @classmethod
    def of_rows(
        cls, rows: pa.Table, group: str, order: str | None = None, owner_columns: Sequence[str] = ()
    ) -> "Sequences":
        """From a table with a row an event; owners come in the order of their first rows.

        Args:
            rows: the table.
            group: column of the owner's key.
            order: column by which an owner's events are sorted, equal ones as they come; None: as they come.
            owner_columns: columns that are the same in all rows of an owner.

        Raises:
            ContractError: a column is missing, a key is null, or an owner's column differs between its rows.
        """
        named = [group, *owner_columns, *([] if order is None else [order])]
        if missing := [name for name in named if name not in rows.column_names]:
            raise ContractError(
                f"There is no column {', '.join(missing)} among {', '.join(rows.column_names)}.",
                "Name columns of the table.",
            )
        if nulls := rows.column(group).null_count:
            raise ContractError(
                f"Column {group!r}, by which rows are grouped, is null in {nulls:,} of "
                f"{rows.num_rows:,} rows.",
                "Give each row a group, or leave these rows out.",
            )
        number = _numbers(rows.column(group))
        keys = pa.table({"group": number, "order": np.arange(rows.num_rows)})
        if order is not None:
            keys = keys.add_column(1, "key", rows.column(order))
        by = [(name, "ascending") for name in keys.column_names]
        rows = rows.take(pc.sort_indices(keys, sort_keys=by))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(number))]).astype(np.int64)
        owners = rows.select([group, *owner_columns]).take(pa.array(offsets[:-1]))
        found = cls(owners, rows.drop_columns([group, *owner_columns]), offsets)
        for name in owner_columns:
            _require_same(rows.column(name), found, name, group)
        return found

    @classmethod
    def of_lists(cls, rows: pa.Table, lists: Sequence[str]) -> "Sequences":
        """From a table with a row an owner, whose events are in columns of lists of equal lengths.

        Raises:
            ContractError: a list is null, or the lists of a row are of unlike lengths.
        """
        lengths = [_lengths(rows, name) for name in lists]
        for name, found in zip(lists, lengths, strict=True):
            if len(wrong := np.flatnonzero(found != lengths[0])):
                raise ContractError(
                    f"Row {wrong[0]} has {lengths[0][wrong[0]]} values in {lists[0]!r} and "
                    f"{found[wrong[0]]} in {name!r}; each event has one of both.",
                    "Write lists of equal lengths.",
                )
        events = {name: pc.list_flatten(rows.column(name)) for name in lists}
        return cls(rows.drop_columns(list(lists)), pa.table(events), _offsets(lengths[0]))

    def to_rows(self) -> pa.Table:
        """A row an event, the owner's columns first; owners without an event have none."""
        owners = self.owners.take(pa.array(self.owner_of))
        for name in self.events.column_names:
            owners = owners.append_column(name, self.events.column(name))
        return owners

    def to_lists(self) -> pa.Table:
        """A row an owner, its events in columns of lists."""
        rows, offsets = self.owners, pa.array(self.offsets)
        for name in self.events.column_names:
            values = self.events.column(name).combine_chunks()
            lists = pa.LargeListArray.from_arrays(offsets, values).cast(pa.list_(values.type))
            rows = rows.append_column(name, lists)
        return rows

    def with_gaps(self, time: str) -> "Sequences":
        """The same with, in place of a timestamp, the seconds since the event before; null of the first."""
        moments = self.events.column(time).cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        gaps = pa.array(np.diff(moments, prepend=0) / 1e6, mask=self.steps == 0)
        index = self.events.column_names.index(time)
        return Sequences(self.owners, self.events.set_column(index, time, gaps), self.offsets)

    def take(self, owners: NDArray[np.integer]) -> "Sequences":
        """Some owners, in the given order; one may come several times."""
        chosen, offsets = gather(self.offsets, owners)
        return Sequences(self.owners.take(pa.array(owners)), self.events.take(pa.array(chosen)), offsets)

    def head(self, num_owners: int) -> "Sequences":
        """The first owners."""
        offsets = self.offsets[: num_owners + 1]
        return Sequences(self.owners.slice(0, num_owners), self.events.slice(0, offsets[-1]), offsets)


def places(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each event within its owner's, from 0; shape (E,)."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def gather(
    offsets: NDArray[np.int64], owners: NDArray[np.integer]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The events of some owners, one owner's after the other's, and their new offsets.

    Args:
        offsets: shape (N + 1,).
        owners: M of them, in any order.

    Returns:
        Numbers of events, and offsets, shape (M + 1,).
    """
    found = _offsets(np.diff(offsets)[owners])
    return places(found) + np.repeat(offsets[owners], np.diff(found)), found


def _offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def _lengths(rows: pa.Table, name: str) -> NDArray[np.int64]:
    """Of the lists in a column."""
    lengths = pc.list_value_length(rows.column(name))
    if lengths.null_count:
        raise ContractError(
            f"Column {name!r} has no list in {lengths.null_count:,} of {rows.num_rows:,} rows.",
            "Write an empty list where an owner has no events.",
        )
    return np.asarray(lengths.to_numpy(), dtype=np.int64)


def _numbers(keys: pa.ChunkedArray) -> NDArray[np.int64]:
    """Equal keys as equal numbers, from 0 by their first row."""
    plain = keys.combine_chunks()
    if pa.types.is_dictionary(plain.type):  # its own numbers may be in another order, or of keys without rows
        plain = plain.dictionary_decode()
    return np.asarray(plain.dictionary_encode().indices.to_numpy(), dtype=np.int64)


def _require_same(values: pa.ChunkedArray, found: Sequences, name: str, group: str) -> None:
    """Every event of an owner has the owner's value."""
    codes = pc.fill_null(values.combine_chunks().dictionary_encode().indices, -1).to_numpy()
    if len(other := np.flatnonzero(codes != codes[found.offsets[:-1]][found.owner_of])):
        owner = found.owners.column(group)[int(found.owner_of[other[0]])].as_py()
        raise ContractError(
            f"Column {name!r} has several values in the rows of {group} {owner!r}.",
            "Name it among the columns of events, not of owners.",
        )
