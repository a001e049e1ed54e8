"""A learnt order of ids: neighbours in it are similar, so that balanced groups of it are clusters."""

import numpy as np
from numpy.typing import NDArray

POWER_STEPS = 4
"""Of the power iteration; the direction need not be exact, only long."""


def order_by_similarity(vectors: NDArray[np.float32], leaf: int = 64) -> NDArray[np.int64]:
    """The rank of each vector in an order in which similar ones stand together.

    Vectors are halved at the median along their longest direction, and the halves again (principal
    direction divisive partitioning, Boley 1998, balanced), down to leaves. The work is one pass over
    the vectors for each halving. As the only attribute of an identifier column's content, the ranks
    group ids by what the vectors were learnt from, e.g. an item embedding of a recommender.

    Args:
        vectors: shape (N, D).
        leaf: halves no larger are not halved further.

    Returns:
        Ranks, shape (N,): a permutation of 0..N-1. The same for the same vectors.
    """
    order = np.arange(len(vectors))
    pending = [(0, len(vectors))]
    while pending:
        start, end = pending.pop()
        if end - start <= leaf:
            continue
        mine = order[start:end]
        along = _along_longest(vectors[mine])
        middle = (end - start) // 2
        order[start:end] = mine[np.argpartition(along, middle)]
        pending += [(start, start + middle), (start + middle, end)]
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def _along_longest(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each vector's place along the principal direction, shape (N,)."""
    centred = vectors - vectors.mean(axis=0)
    covariance = centred.T @ centred
    direction = covariance[np.argmax(np.diag(covariance))]
    for _ in range(POWER_STEPS):
        length = np.linalg.norm(direction)
        if length == 0:  # all are the same: any order will do
            break
        direction = covariance @ (direction / length)
    place: NDArray[np.float32] = centred @ direction
    return place
