"""Users' histories as sparse matrices."""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clicksmith.recommenders.next_item.recommend import Histories

Floats = NDArray[np.float32]


def history_matrix(histories: Histories, num_items: int, half_life: float | None = None) -> sparse.csr_array:
    """Users by items, 1 (or less, further back) where taken; shape (U, V)."""
    lengths = np.array([len(history) for history in histories])
    items = np.concatenate(histories) if len(histories) else np.zeros(0, np.int64)
    values = np.ones(len(items), np.float32)
    if half_life is not None:
        ends = np.repeat(np.cumsum(lengths), lengths)
        values = (0.5 ** ((ends - 1 - np.arange(len(items))) / half_life)).astype(np.float32)
    rows = np.repeat(np.arange(len(histories)), lengths)
    table = sparse.coo_array((values, (rows, items)), shape=(len(histories), num_items)).tocsr()
    table.sum_duplicates()
    return table


def history_sets(histories: Histories, num_items: int) -> sparse.csr_array:
    """Users by items, 1 where taken, however often; shape (U, V)."""
    taken = history_matrix(histories, num_items)
    taken.data[:] = 1.0
    return taken
