"""Training windows over users' sequences, with targets that come strictly later in time."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.reading.inputs import Items
from clicksmith.recommenders.next_item.context import EventContext


@dataclass(frozen=True)
class Windows:
    """Known items of all users, or events with more than the item, one user after the other, oldest first.

    Events of the same moment (a basket) have no order: what a source's files give them is an artefact
    that a next-item model would learn. So a position's targets start at the next later moment.

    Attributes:
        flat: item indices, shape (E,).
        starts: where each user starts, and the end of the last; shape (U + 1,).
        later: position of the user's first event of a later moment, or the user's end; shape (E,).
        ends: the user's end, shape (E,).
    """

    flat: NDArray[np.int64]
    starts: NDArray[np.int64]
    later: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, rows: pa.Table, items: Items, context: EventContext | None = None) -> "Windows":
        """From rows of gold.sequences; users without two moments teach nothing and are left out."""
        lists = rows.column("item_ids").combine_chunks()
        flat = items.events(rows, context)
        times = pc.list_flatten(rows.column("event_ts").combine_chunks()).cast(pa.int64()).to_numpy()
        users = np.repeat(np.arange(rows.num_rows), pc.list_value_length(lists).to_numpy())
        known = flat > 0
        flat, times, users = flat[known], times[known], users[known]
        starts = _starts(users)
        useful = times[starts[:-1]] < times[starts[1:] - 1]
        keep = np.repeat(useful, np.diff(starts))
        flat, times, users = flat[keep], times[keep], users[keep]
        starts = _starts(users)
        moment = np.cumsum((np.diff(users, prepend=-1) != 0) | (np.diff(times, prepend=0) != 0))
        ends = np.repeat(starts[1:], np.diff(starts))
        later = np.minimum(np.searchsorted(moment, moment, side="right"), ends)
        return cls(flat, starts, later, ends)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def histories(self) -> list[NDArray[np.int64]]:
        """The users' items."""
        return np.split(self.flat, self.starts[1:-1])

    def draw(
        self, users: NDArray[np.int64], length: int, horizon: int, random: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """A random window of each user, and a random target for each position.

        Args:
            users: user numbers, shape (B,).
            length: L.
            horizon: a target is one of the first so many events after the position's moment.
            random: where numbers come from.

        Returns:
            Items and targets, shape (B, L) each, 0 where there is none.
        """
        num_events = np.diff(self.starts)[users]
        slack = np.maximum(num_events - length, 0) + 1
        first = self.starts[users] + (random.random(len(users)) * slack).astype(np.int64)
        offsets = np.arange(length)
        inside = offsets < np.minimum(num_events, length)[:, None]
        position = np.where(inside, first[:, None] + offsets, first[:, None])
        choices = np.minimum(self.ends[position] - self.later[position], horizon)
        target = self.later[position] + (random.random(position.shape) * choices).astype(np.int64)
        has_target = inside & (choices > 0)
        items = np.where(inside, self.flat[position], 0).astype(np.int64)
        return items, np.where(has_target, self.flat[np.where(has_target, target, 0)], 0).astype(np.int64)


def masked(
    items: NDArray[np.int64], mask_index: int, fraction: float, random: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A cloze of each window: some items hidden, and what they were (BERT4Rec, Sun et al. 2019).

    Args:
        items: or events, shape (B, L), 0 where there is none or an augmentation has hidden it.
        mask_index: stands for a hidden item.
        fraction: of the items, hidden at random; at least one of each window, and of half the windows the
            last one alone, which is what will be asked.
        random: where numbers come from.

    Returns:
        Items with the mask, and targets, 0 where nothing is hidden.
    """
    is_item = items > 0
    hidden = is_item & (random.random(items.shape) < fraction)
    last = np.zeros_like(hidden)
    last[np.arange(len(items)), (is_item * np.arange(items.shape[1])).argmax(1)] = True
    last_alone = (random.random(len(items)) < 0.5) | ~hidden.any(1)
    hidden = np.where(last_alone[:, None], last & is_item, hidden)
    return np.where(hidden, mask_index, items), np.where(hidden, items, 0)


def _starts(users: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each run of equal numbers starts, and the end of the last."""
    changes = np.flatnonzero(np.diff(users, prepend=-1))
    return np.concatenate([changes, [len(users)]])
