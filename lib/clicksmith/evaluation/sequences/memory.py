"""Whether generated sequences repeat those they were learnt from: whole ones, and long runs.

A run is what follows one another in both. Frequent items make runs that nobody learnt from anyone, so that
runs with training owners are held against runs with as many owners that the generator never saw.

Shapes: N owners, M others, S places where a run may start.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.figures import Figure, Figures
from clicksmith.evaluation.quality.privacy import closer_share
from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.sequences.coded import Items

MAX_RUN = 100
"""Longer runs are not told apart: one of so many items is a copy."""


def run_figures(items: Items, train: Items, unseen: Items) -> Figures:
    """Longest runs with training owners against those with as many unseen ones.

    ``privacy.run_share``: sequences whose longest run is one with a training owner, ties counting half; .5 is
    ideal. ``privacy.run_excess``: by how many events that run is longer on average; 0 is ideal.
    """
    size = min(len(train), len(unseen))
    runs = [longest_runs(items, side.part(0, size)) for side in (train, unseen)]
    excess = (runs[0] - runs[1]).astype(np.float64)
    share, mean = closer_share(-runs[0], -runs[1]), float(excess.mean())
    half = spread.Z * float(np.sqrt(spread.mean_variance(excess - mean, None)))
    return {
        ("privacy.run_share", "all"): Figure(share, *spread.wilson(share, len(items))),
        ("privacy.run_excess", "all"): Figure(mean, mean - half, mean + half),
    }


def copied_figures(items: Items, train: Items) -> Figures:
    """``privacy.copied_sequences``: the share of sequences that are, as a whole, a training owner's."""
    known = set(sequence_keys(train))
    copied = np.array([key in known for key in sequence_keys(items)])
    return {("privacy.copied_sequences", "all"): Figure(*spread.share(copied, None))}


def sequence_keys(items: Items) -> list[bytes]:
    """Equal for equal sequences of items, and for these alone."""
    codes = items.codes.astype(np.int32)
    return [codes[start:end].tobytes() for start, end in pairwise(items.offsets.tolist())]


def longest_runs(queries: Items, references: Items, max_run: int = MAX_RUN) -> NDArray[np.int64]:
    """How many items each sequence has in a row that any of the others has in the same order, shape (N,).

    Runs of n items are those of n - 1 with an item more: they are numbered anew at each length, and only
    those go on that are in both. Memory is that of the events, whatever the lengths; no two owners are
    compared with one another.

    Args:
        queries: N owners.
        references: M owners.
        max_run: longer runs count as this long.
    """
    longest = np.zeros(len(queries), np.int64)
    sides = _Runs.empty(queries), _Runs.empty(references)
    for length in range(1, max_run + 1):
        sides = sides[0].longer(length), sides[1].longer(length)
        both = np.concatenate([side.keys for side in sides])
        known, numbers = np.unique(both, return_inverse=True)
        parts = np.split(numbers, [len(sides[0].keys)])
        is_common = np.ones(len(known), bool)
        for part in parts:
            is_common &= np.bincount(part, minlength=len(known)) > 0
        found = [side.kept(is_common[part], part) for side, part in zip(sides, parts, strict=True)]
        sides = found[0], found[1]
        if not len(sides[0].at):
            break
        longest[sides[0].owners] = length
    return longest


@dataclass(frozen=True)
class _Runs:
    """Runs of items that both sides have, or may have.

    Attributes:
        items: a side's.
        at: where each run starts, shape (S,).
        owners: whose each is, shape (S,).
        keys: equal for equal runs, shape (S,).
    """

    items: Items
    at: NDArray[np.int64]
    owners: NDArray[np.int64]
    keys: NDArray[np.int64]

    @classmethod
    def empty(cls, items: Items) -> "_Runs":
        """Those of no item, at every place."""
        places = np.arange(len(items.codes))
        return cls(items, places, np.repeat(np.arange(len(items)), items.lengths), np.zeros_like(places))

    def longer(self, length: int) -> "_Runs":
        """Those that end `length` items after their start, where the owner has as many."""
        fits = self.at + length <= self.items.offsets[1:][self.owners]
        last = self.items.codes[self.at[fits] + length - 1]
        return replace(self.kept(fits, self.keys), keys=self.keys[fits] * self.items.num_items + last)

    def kept(self, mask: NDArray[np.bool_], keys: NDArray[np.int64]) -> "_Runs":
        """Some of the runs, by other keys."""
        return _Runs(self.items, self.at[mask], self.owners[mask], keys[mask])
