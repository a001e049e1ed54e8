"""What users had taken strictly before a moment, from gold.sequences."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.inputs import Items
from clicksmith.reading.snapshot import load_table


@dataclass(frozen=True)
class Histories:
    """Known items of all users, one user after the other, oldest first.

    Attributes:
        users: sorted ids, shape (U,).
        starts: where each user starts, and the end of the last; shape (U + 1,).
        times: of the events in microseconds, shape (E,).
        items: their indices, shape (E,).
    """

    users: pa.Array
    starts: NDArray[np.int64]
    times: NDArray[np.int64]
    items: NDArray[np.int32]

    @classmethod
    def load(cls, sequences: Snapshot, items: Items) -> "Histories":
        """Of all splits: what is asked later may look at what was taken earlier, in any of them."""
        rows = load_table(sequences, ["user_id", "item_ids", "event_ts"])
        lengths = pc.list_value_length(rows.column("item_ids")).to_numpy()
        users = pc.unique(rows.column("user_id").combine_chunks()).sort()
        number = pc.index_in(rows.column("user_id"), value_set=users).to_numpy().astype(np.int64)
        user = np.repeat(number, lengths)
        index = items.index(pc.list_flatten(rows.column("item_ids")))
        times = pc.list_flatten(rows.column("event_ts")).cast(pa.int64()).to_numpy()
        known = index > 0
        user, index, times = user[known], index[known], times[known]
        order = np.lexsort((index, times, user))
        starts = np.searchsorted(user[order], np.arange(len(users) + 1))
        return cls(users, starts, times[order], index[order])

    def before(self, users: pa.ChunkedArray, moments: pa.ChunkedArray, length: int) -> NDArray[np.int32]:
        """The newest items strictly before each row's moment, oldest first, 0 where there are fewer.

        Args:
            users: ids, shape (N,); null or unknown: no history.
            moments: shape (N,).
            length: L.

        Returns:
            Shape (N, L), the padding on the right.
        """
        number = pc.fill_null(pc.index_in(users, value_set=self.users), -1).to_numpy().astype(np.int64)
        us = moments.cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).to_numpy()
        first, last = (np.where(number >= 0, self.starts[number + shift], 0) for shift in (0, 1))
        end = self._first_not_before(us, first, last)
        begin = np.maximum(first, end - length)
        position = begin[:, None] + np.arange(length)
        inside = position < end[:, None]
        return np.where(
            inside, self.items[np.where(inside, position, 0)] if len(self.items) else 0, 0
        ).astype(np.int32)

    def _first_not_before(
        self, moments: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """A binary search in all ranges first .. last at once: where the times reach each moment."""
        while (searching := first < last).any():
            middle = (first + last) // 2
            is_before = searching & (self.times[np.minimum(middle, len(self.times) - 1)] < moments)
            first = np.where(is_before, middle + 1, first)
            last = np.where(searching & ~is_before, middle, last)
        return first
