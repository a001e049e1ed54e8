"""Figures of recommendation lists, by user and over all of them, as values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.metrics import ranking

Floats = NDArray[np.float64]
Counts = NDArray[np.integer] | Floats
Histories = Sequence[NDArray[np.integer]]


@dataclass(frozen=True)
class Recommended:
    """Lists of U users, and which of their items turned out relevant.

    Attributes:
        items: shape (U, k), best first; 0 where a list ends.
        hits: shape (U, k).
        num_relevant: relevant items of each user, at least 1; shape (U,).
    """

    items: NDArray[np.int64]
    hits: NDArray[np.bool_]
    num_relevant: NDArray[np.int64]

    @property
    def recall(self) -> Floats:
        """See `ranking.recall_at`."""
        return ranking.recall_at(self.hits, self.num_relevant)

    @property
    def ndcg(self) -> Floats:
        """See `ranking.ndcg_at`."""
        return ranking.ndcg_at(self.hits, self.num_relevant)

    @property
    def reciprocal_rank(self) -> Floats:
        """1 / rank of the first hit, 0 without one; its mean is the MRR@k."""
        first = self.hits.argmax(1)
        return np.where(self.hits.any(1), 1.0 / (first + 1), 0.0)

    @property
    def average_precision(self) -> Floats:
        """Mean over min(k, relevant) of the precision at each hit; its mean is the MAP@k."""
        ranks = np.arange(1, self.hits.shape[1] + 1)
        precision = self.hits.cumsum(1) / ranks
        return np.asarray((precision * self.hits).sum(1) / np.minimum(self.hits.shape[1], self.num_relevant))

    def coverage(self, num_items: int) -> float:
        """Share of the catalogue that is in any list."""
        return len(np.unique(self.items[self.items > 0])) / num_items

    def novelty(self, num_events: Counts) -> float:
        """Mean self-information of what is recommended, in bits: -log2 of its share of events.

        Args:
            num_events: training events of each item, shape (V,), index 0 unused (Zhou et al. 2010).
        """
        share = np.maximum(num_events, 1) / num_events[1:].sum()
        return float(-np.log2(share[self.items[self.items > 0]]).mean())

    def popularity_shift(self, num_events: Counts, histories: Histories) -> float:
        """Mean popularity of what is recommended over that of what users took, less 1.

        Both are means over users of means over their items (Abdollahpouri et al. 2019).
        """
        is_item = self.items > 0
        rows = is_item.any(1)
        recommended = (num_events[self.items] * is_item).sum(1)[rows] / is_item.sum(1)[rows]
        taken = np.array([num_events[history].mean() for history in histories])
        return float(recommended.mean() / taken.mean() - 1)

    def figures(self, num_events: Counts, histories: Histories) -> dict[str, float]:
        """All of them, means over users, by name and k."""
        k = self.hits.shape[1]
        return {
            f"recall@{k}": float(self.recall.mean()),
            f"ndcg@{k}": float(self.ndcg.mean()),
            f"mrr@{k}": float(self.reciprocal_rank.mean()),
            f"map@{k}": float(self.average_precision.mean()),
            f"coverage@{k}": self.coverage(len(num_events) - 1),
            f"novelty@{k}": self.novelty(num_events),
            f"popularity_shift@{k}": self.popularity_shift(num_events, histories),
        }
