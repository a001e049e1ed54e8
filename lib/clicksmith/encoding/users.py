"""Distinct users of each value, counted exactly up to k: the k smallest hashes of its users.

Such sets of parts merge into the set of the whole (bottom-k sketches, Cohen & Kaplan 2007).
"""

import numpy as np
from numpy.typing import NDArray

Pairs = tuple[NDArray[np.int64], NDArray[np.uint64]]
"""Number of the value and hash of the user, each of shape (P,), sorted; at most k of a value."""


def smallest_users(owners: NDArray[np.int64], users: NDArray[np.uint64], k: int) -> Pairs:
    """The k smallest distinct users of each owner."""
    order = np.lexsort((users, owners))
    owners, users = owners[order], users[order]
    new = np.ones(len(owners), dtype=bool)
    new[1:] = (owners[1:] != owners[:-1]) | (users[1:] != users[:-1])
    owners, users = owners[new], users[new]
    kept = rank_within(owners) < k
    return owners[kept], users[kept]


def rank_within(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """The place of each entry among those of its owner, which stand together; shape (P,)."""
    if len(owners) == 0:
        return np.empty(0, dtype=np.int64)
    first = np.flatnonzero(np.concatenate([[True], owners[1:] != owners[:-1]]))
    ends = np.concatenate([first[1:], [len(owners)]])
    ranks: NDArray[np.int64] = np.arange(len(owners)) - np.repeat(first, ends - first)
    return ranks


def extreme_values(
    values: NDArray[np.float64], users: NDArray[np.uint64], k: int, largest: bool
) -> tuple[NDArray[np.float64], NDArray[np.uint64]]:
    """The k users with the most extreme values, one value each, the most extreme first."""
    if k <= 1:  # users need not be told apart
        best = (np.argmax(values) if largest else np.argmin(values)) if len(values) else 0
        return values[best : best + 1], users[best : best + 1]
    order = np.lexsort((users, -values if largest else values))
    _, first = np.unique(users[order], return_index=True)
    chosen = order[np.sort(first)[:k]]
    return values[chosen], users[chosen]
