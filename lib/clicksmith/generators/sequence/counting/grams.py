"""Runs of states and how often each occurred, as the contexts of what comes next.

Shapes: T distinct runs (grams) of K + 1 states, the first K of which are the context of the last; M look-ups.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clicksmith.generators.sequence.counts import Floats, Ints, cumulate, draw, row_keys, sizes, wish_keys


def count_grams(states: Ints, offsets: Ints, start: int, length: int) -> tuple[Ints, Ints]:
    """Runs of so many states within an owner, a start state before its first one.

    Args:
        states: of all events, shape (E,).
        offsets: where each owner's events start, shape (N + 1,).
        start: the start state.
        length: K + 1.

    Returns:
        Distinct runs, shape (T, K + 1), rising; and their counts, shape (T,).
    """
    begun = np.insert(states, offsets[:-1], start)
    owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets) + 1)
    first = np.arange(max(len(begun) - length + 1, 0))
    first = first[owner[first] == owner[first + length - 1]]
    grams = begun[first[:, None] + np.arange(length)]
    keys = row_keys(grams, sizes(grams))
    _, index, counts = np.unique(keys, return_index=True, return_counts=True)
    return grams[index], counts.astype(np.int64)


@dataclass(frozen=True)
class Transitions:
    """What followed each context, as compressed rows.

    Attributes:
        contexts: keys of the distinct contexts, rising.
        sizes: of the states in a context, plus one, see `row_keys`.
        starts: first follower of each context, and the end of the last.
        followers: states, rising within a context, shape (T,).
        cumulated: of their counts, shape (T + 1,).
        entries: a context's number and a follower as one number, rising, shape (T,).
        num_states: S; followers lie below it.
    """

    contexts: NDArray[Any]
    sizes: list[int]
    starts: Ints
    followers: Ints
    cumulated: Floats
    entries: Ints
    num_states: int

    @classmethod
    def of(cls, grams: NDArray[np.integer], counts: Ints, num_states: int) -> "Transitions":
        """From distinct runs; those that lead to no state, but to the start, are left out."""
        leads = grams[:, -1] < num_states
        grams, counts = grams[leads].astype(np.int64), counts[leads]
        before = grams[:, :-1]
        found = sizes(before)
        keys = row_keys(before, found)
        order = np.lexsort((grams[:, -1], keys))
        contexts, starts = np.unique(keys[order], return_index=True)
        followers = grams[order, -1]
        number = np.repeat(np.arange(len(contexts)), np.diff(starts, append=len(order)))
        return cls(
            contexts,
            found,
            np.append(starts, len(order)).astype(np.int64),
            followers,
            cumulate(counts[order]),
            number * num_states + followers,
            num_states,
        )

    def find(self, contexts: Ints) -> Ints:
        """Numbers of contexts, shape (M,); -1 for one never seen. Shape of contexts: (M, K)."""
        if not len(self.contexts):
            return np.full(len(contexts), -1, dtype=np.int64)
        keys, inside = wish_keys(contexts, self.sizes)
        place = np.minimum(np.searchsorted(self.contexts, keys), len(self.contexts) - 1)
        return np.where(inside & (self.contexts[place] == keys), place, -1)

    def draw(self, contexts: Ints, uniform: Floats) -> tuple[Ints, Floats]:
        """What follows, by Witten and Bell's rule: see `clicksmith.generators.sequence.counting.markov`.

        Args:
            contexts: shape (M, K).
            uniform: in [0, 1), shape (M,).

        Returns:
            States, -1 where a shorter context has to say; and numbers in [0, 1) for that, shapes (M,).
        """
        number = self.find(contexts)
        states, rest = np.full(len(number), -1, dtype=np.int64), uniform.copy()
        seen = np.flatnonzero(number >= 0)
        low, high = self.starts[number[seen]], self.starts[number[seen] + 1]
        total, distinct = self.cumulated[high] - self.cumulated[low], high - low
        place = uniform[seen] * (total + distinct)
        own = place < total
        chosen = seen[own]
        states[chosen] = self.followers[draw(self.cumulated, low[own], high[own], place[own] / total[own])]
        rest[seen[~own]] = (place[~own] - total[~own]) / distinct[~own]
        return states, rest

    def probability(self, contexts: Ints, states: Ints, shorter: Floats) -> Floats:
        """How likely states are, by the same rule.

        Args:
            contexts: shape (M, K).
            states: shape (M,); -1 for one never seen.
            shorter: their probabilities given shorter contexts, shape (M,).
        """
        number = self.find(contexts)
        seen = np.flatnonzero(number >= 0)
        low, high = self.starts[number[seen]], self.starts[number[seen] + 1]
        total, distinct = self.cumulated[high] - self.cumulated[low], high - low
        wanted = number[seen] * self.num_states + states[seen]
        place = np.minimum(np.searchsorted(self.entries, wanted), len(self.entries) - 1)
        has = (states[seen] >= 0) & (self.entries[place] == wanted) if len(seen) else np.zeros(0, dtype=bool)
        counts = np.where(has, self.cumulated[place + 1] - self.cumulated[place], 0.0)
        found = shorter.copy()
        found[seen] = (counts + distinct * shorter[seen]) / (total + distinct)
        return found
