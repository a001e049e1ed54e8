"""What a network has to beat: popularity and item neighbours; EASE is in a file of its own."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clicksmith.recommenders.next_item.histories import Floats, history_matrix, history_sets
from clicksmith.recommenders.next_item.recommend import Histories

_ITEMS_AT_ONCE = 1024


@dataclass(frozen=True)
class Popularity:
    """The same scores for every user.

    Attributes:
        counts: shape (V,).
        personal: what the user took before comes first, by how often: hard to beat where people buy again.
    """

    counts: NDArray[np.float64]
    personal: bool = False

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.counts)

    @property
    def num_events(self) -> int:
        """See `NextItemModel`."""
        return self.num_items

    def score(self, histories: Histories) -> NDArray[np.float64]:
        """See `NextItemModel`."""
        scores = np.tile(self.counts / (self.counts.max() + 1), (len(histories), 1))
        if self.personal:
            for row, history in enumerate(histories):
                np.add.at(scores[row], history, 1.0)
        return scores


@dataclass(frozen=True)
class ItemNeighbours:
    """Item-kNN: the cosine of items' sets of users, summed over the history (Sarwar et al. 2001).

    Attributes:
        similarity: shape (V, V), the nearest neighbours of each row's item.
        half_life: in items: how far back a taken item counts half as much; None: all count alike.
    """

    similarity: sparse.csr_array
    half_life: float | None = None

    @property
    def num_items(self) -> int:
        """V."""
        return int(self.similarity.shape[0])

    @classmethod
    def fit(
        cls,
        histories: Histories,
        num_items: int,
        num_neighbours: int = 100,
        shrink: float = 10.0,
        half_life: float | None = None,
    ) -> "ItemNeighbours":
        """Count users who took both items.

        Args:
            histories: item indices of each training user.
            num_items: V.
            num_neighbours: kept of each item; all others of some items at a time are in memory.
            shrink: added to the norm: few common users are little evidence.
            half_life: see the class.
        """
        taken = history_sets(histories, num_items)
        users_of = taken.T.tocsr()
        own = np.diff(users_of.indptr).astype(np.float32)
        parts = []
        for start in range(0, num_items, _ITEMS_AT_ONCE):
            both = (users_of[start : start + _ITEMS_AT_ONCE] @ taken).tocsr()
            rows = np.repeat(np.arange(start, start + both.shape[0]), np.diff(both.indptr))
            both.data /= np.sqrt(own[rows] * own[both.indices]) + shrink
            both.data[both.indices == rows] = 0.0
            parts.append(_nearest(both, num_neighbours))
        return cls(sparse.vstack(parts, "csr"), half_life)

    @property
    def num_events(self) -> int:
        """See `NextItemModel`."""
        return self.num_items

    def score(self, histories: Histories) -> Floats:
        """See `NextItemModel`."""
        return np.asarray(
            (history_matrix(histories, self.similarity.shape[0], self.half_life) @ self.similarity).toarray()
        )


def _nearest(similarity: sparse.csr_array, count: int) -> sparse.csr_array:
    """Each row's largest values, ties to the lower index."""
    kept = np.zeros(similarity.nnz, bool)
    rows = zip(similarity.indptr[:-1], similarity.indptr[1:], strict=True)
    for start, stop in rows:
        order = np.lexsort((similarity.indices[start:stop], -similarity.data[start:stop]))[:count]
        kept[start + order] = similarity.data[start + order] > 0
    row = np.repeat(np.arange(similarity.shape[0]), np.diff(similarity.indptr))[kept]
    values, columns = similarity.data[kept].astype(np.float32), similarity.indices[kept]
    nearest: sparse.csr_array = sparse.coo_array((values, (row, columns)), shape=similarity.shape).tocsr()
    return nearest
