"""A graph of items: which follow which, cleaned of what few owners do and of sheer popularity.

Shapes: V items, M edges.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.generators.sequence.counts import Floats, Ints

WINDOW = 5
"""Events later than so many steps after an item do not follow it."""

DISCOUNT = 0.7
"""An edge over one step more weighs so much of one over a step less."""

MIN_USERS = 2
"""An edge of fewer owners is chance, or gives one of them away."""


@dataclass(frozen=True)
class Graph:
    """Weighted edges as compressed rows.

    Attributes:
        starts: first edge of each item, and the end of the last, shape (V + 1,).
        targets: shape (M,), rising within an item.
        weights: shape (M,), above 0.
    """

    starts: Ints
    targets: Ints
    weights: Floats

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.starts) - 1

    @property
    def sources(self) -> Ints:
        """Where each edge comes from, shape (M,)."""
        return np.repeat(np.arange(self.num_items), np.diff(self.starts))

    @classmethod
    def of_sequences(
        cls,
        items: Ints,
        offsets: Ints,
        num_items: int,
        window: int = WINDOW,
        discount: float = DISCOUNT,
        min_users: int = MIN_USERS,
    ) -> "Graph":
        """From the items of owners' events, in order.

        Args:
            items: of all events, shape (E,).
            offsets: where each owner's events start, shape (N + 1,).
            num_items: V.
            window: longest distance of an edge, in events.
            discount: weight of each step more.
            min_users: owners that an edge must be of.
        """
        owner = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
        edges, owners, weights = [], [], []
        for distance in range(1, window + 1):
            first = np.flatnonzero(owner[:-distance] == owner[distance:])
            first = first[items[first] != items[first + distance]]
            edges.append(items[first] * num_items + items[first + distance])
            owners.append(owner[first])
            weights.append(np.full(len(first), discount ** (distance - 1)))
        edge, users = np.concatenate(edges), np.concatenate(owners)
        order = np.lexsort((users, edge))
        edge, users = edge[order], users[order]
        new = np.ones(len(edge), dtype=bool)
        new[1:] = edge[1:] != edge[:-1]
        other = new.copy()
        other[1:] |= users[1:] != users[:-1]
        begin = np.flatnonzero(new)
        if not len(begin):
            return cls.of_pairs(edge, edge, np.zeros(0), num_items)
        kept = np.add.reduceat(other.astype(np.int64), begin) >= min_users
        weight = np.add.reduceat(np.concatenate(weights)[order], begin)[kept]
        source, target = np.divmod(edge[begin][kept], num_items)
        return cls.of_pairs(source, target, weight, num_items)

    @classmethod
    def of_pairs(
        cls, source: NDArray[np.integer], target: NDArray[np.integer], weight: Floats, num_items: int
    ) -> "Graph":
        """From counted pairs, those of few owners already left out; the same pair may come several times.

        A weight is divided by the root of the sum of what goes out of its source and the root of the sum of
        what comes into its target: a walk then does not drift to what is popular with everybody.

        Args:
            source: shape (P,).
            target: shape (P,).
            weight: shape (P,), above 0.
            num_items: V.
        """
        edge = source.astype(np.int64) * num_items + target
        order = np.argsort(edge, kind="stable")
        distinct, begin = np.unique(edge[order], return_index=True)
        weights = np.add.reduceat(weight[order], begin) if len(begin) else np.zeros(0)
        sources, targets = np.divmod(distinct, num_items) if num_items else (distinct, distinct)
        out = np.bincount(sources, weights, minlength=num_items)
        into = np.bincount(targets, weights, minlength=num_items)
        weights = weights / np.sqrt(out[sources] * into[targets])
        starts = np.searchsorted(sources, np.arange(num_items + 1))
        return cls(starts.astype(np.int64), targets.astype(np.int64), weights)

    def reversed(self) -> "Graph":
        """The same edges, each the other way."""
        order = np.lexsort((self.sources, self.targets))
        starts = np.searchsorted(self.targets[order], np.arange(self.num_items + 1))
        return Graph(starts.astype(np.int64), self.sources[order], self.weights[order])

    def strongest(self, count: int) -> "Graph":
        """The heaviest edges of each item, heaviest first; of equal ones the lower target."""
        order = np.lexsort((self.targets, -self.weights, self.sources))
        rank = np.arange(len(order)) - np.repeat(self.starts[:-1], np.diff(self.starts))
        kept = order[rank < count]
        starts = np.concatenate([[0], np.cumsum(np.minimum(np.diff(self.starts), count))])
        return Graph(starts, self.targets[kept], self.weights[kept])
