"""Free augmentations of training sequences: what learnt generators have to beat.

Each operator changes what a model sees, a new draw each time, and never what it has to guess: a target is
an item that the user really took. A position whose input could hold its own target asks nothing. Splitting
a sequence is an operator like the others, so that it is seen in the configuration and not hidden in a
reader of data.

Shape:
    items or events (B, L) and targets (B, L), left-aligned, 0 where there is none -> the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.config import Augmentation
from clicksmith.recommenders.next_item.baselines import ItemNeighbours

OF_SIMILAR_ITEMS = ("insert", "substitute")
NUM_SIMILAR = 10

Ints = NDArray[np.int64]
Pair = tuple[Ints, Ints]


@dataclass(frozen=True)
class Draw:
    """What an operator may use.

    Attributes:
        random: where numbers come from.
        rate: share of a sequence that is changed, of the operators that change a share.
        similar: items like each item, shape (V, S).
    """

    random: np.random.Generator
    rate: float
    similar: Ints

    def chance(self, like: Ints) -> NDArray[np.bool_]:
        """True with probability `rate`, in the places of items."""
        return (self.random.random(like.shape) < self.rate) & (like > 0)

    def like(self, events: Ints) -> Ints:
        """Of each event an item `similar` to its own, drawn evenly; what else is known of it stays."""
        items = events % len(self.similar)
        column = self.random.integers(0, self.similar.shape[1], items.shape)
        return events - items + self.similar[items, column]


def similar_items(histories: Sequence[NDArray[np.integer]], num_items: int) -> Ints:
    """The nearest neighbours of each item by the users of both; itself in the place of those missing.

    Returns:
        Shape (V, NUM_SIMILAR).
    """
    nearest = ItemNeighbours.fit(histories, num_items, NUM_SIMILAR).similarity
    row = np.repeat(np.arange(num_items), np.diff(nearest.indptr))
    found = np.tile(np.arange(num_items)[:, None], NUM_SIMILAR)
    found[row, np.arange(nearest.nnz) - nearest.indptr[row]] = nearest.indices
    return found


def augment(operators: Sequence[Augmentation], items: Ints, targets: Ints, draw: Draw) -> Pair:
    """Each row by one of the operators, drawn evenly; "none" leaves it as it is."""
    chosen = draw.random.integers(0, len(operators), len(items))
    items, targets = items.copy(), targets.copy()
    for number, name in enumerate(operators):
        rows = chosen == number
        if name in _OPERATORS and rows.any():
            items[rows], targets[rows] = _OPERATORS[name](items[rows], targets[rows], draw)
    return items, targets


def _lengths(items: Ints) -> Ints:
    return np.asarray((items > 0).sum(1))


def _gather(items: Ints, targets: Ints, source: Ints, inside: NDArray[np.bool_]) -> Pair:
    """From these columns of the same row, where inside."""
    source = np.where(inside, source, 0)
    rows = np.arange(len(items))[:, None]
    return np.where(inside, items[rows, source], 0), np.where(inside, targets[rows, source], 0)


def _stretch(items: Ints, targets: Ints, length: Ints, draw: Draw) -> Pair:
    """So many items in a row, from anywhere."""
    start = (draw.random.random(len(items)) * (_lengths(items) - length + 1)).astype(np.int64)
    offset = np.arange(items.shape[1])
    return _gather(items, targets, start[:, None] + offset, offset < length[:, None])


def _sliding(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """A stretch of any length from two items on: each item is a start at times."""
    lengths = _lengths(items)
    longer = (draw.random.random(len(items)) * np.maximum(lengths - 1, 1)).astype(np.int64)
    return _stretch(items, targets, np.minimum(2 + longer, lengths), draw)


def _crop(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """A stretch of a fixed share (CL4SRec, Xie et al. 2020)."""
    lengths = _lengths(items)
    return _stretch(items, targets, np.maximum(lengths - np.floor(draw.rate * lengths).astype(int), 1), draw)


def _prefix(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """The first items, of which the last alone asks, as in one row for each prefix (Tan et al. 2016)."""
    length = 1 + (draw.random.random(len(items)) * np.maximum(_lengths(items) - 1, 1)).astype(np.int64)
    offset = np.arange(items.shape[1])
    inside = offset < length[:, None]
    return np.where(inside, items, 0), np.where(offset == length[:, None] - 1, targets, 0)


def _subset(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """Some items left out, together with what was asked there."""
    kept = (items > 0) & ~draw.chance(items)
    empty = ~kept.any(1)
    kept[empty] = items[empty] > 0
    source = np.argsort(~kept, axis=1, kind="stable")
    return _gather(items, targets, source, np.arange(items.shape[1]) < kept.sum(1)[:, None])


def _reppad(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """The sequence again in the place of its padding, a random number of times (RepPad, Dang et al. 2024).

    The one operator whose later copies see what they have to guess: it is published so.
    """
    lengths = np.maximum(_lengths(items), 1)
    times = 1 + (draw.random.random(len(items)) * (items.shape[1] // lengths)).astype(np.int64)
    offset = np.arange(items.shape[1])
    return _gather(items, targets, offset % lengths[:, None], offset < (times * lengths)[:, None])


def _mask(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """Some items unknown, the first one never (CL4SRec)."""
    hidden = draw.chance(items)
    hidden[:, 0] = False
    return np.where(hidden, 0, items), targets


def _reorder(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """A stretch in another order (CL4SRec); inside it nothing is asked, as a later item may come early."""
    lengths = _lengths(items)
    length = np.minimum(np.maximum(np.round(draw.rate * lengths).astype(np.int64), 2), lengths)
    start = (draw.random.random(len(items)) * (lengths - length + 1)).astype(np.int64)[:, None]
    offset = np.arange(items.shape[1])
    stretch = (offset >= start) & (offset < start + length[:, None])
    key = np.where(stretch, start + draw.random.random(items.shape) * length[:, None], offset)
    key = np.where(offset < start, offset - items.shape[1], np.where(stretch, key, offset + items.shape[1]))
    shuffled = np.take_along_axis(items, np.argsort(key, axis=1, kind="stable"), 1)
    asks_nothing = stretch & (offset < start + length[:, None] - 1)
    return shuffled, np.where(asks_nothing, 0, targets)


def _insert(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """A similar item before some items (CoSeRec, Liu et al. 2021); the newest that fit are kept."""
    new = draw.chance(items)
    place = np.arange(items.shape[1]) + np.cumsum(new, 1)
    overflow = np.maximum(_lengths(items) + new.sum(1) - items.shape[1], 0)
    place = np.where(items > 0, place - overflow[:, None], -1)
    more_items, more_targets = np.zeros_like(items), np.zeros_like(targets)
    row, column = np.nonzero(place >= 0)
    more_items[row, place[row, column]] = items[row, column]
    more_targets[row, place[row, column]] = targets[row, column]
    row, column = np.nonzero(new & (place >= 1))
    more_items[row, place[row, column] - 1] = draw.like(items[row, column])
    return more_items, more_targets


def _substitute(items: Ints, targets: Ints, draw: Draw) -> Pair:
    """A similar item in the place of some items (CoSeRec)."""
    return np.where(draw.chance(items), draw.like(items), items), targets


_OPERATORS: dict[str, Callable[[Ints, Ints, Draw], Pair]] = {
    "sliding": _sliding,
    "prefix": _prefix,
    "subset": _subset,
    "reppad": _reppad,
    "crop": _crop,
    "mask": _mask,
    "reorder": _reorder,
    "insert": _insert,
    "substitute": _substitute,
}
