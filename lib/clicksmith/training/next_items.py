"""Full-ranking evaluation of what users took next, and the popularity that it is held against."""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.evaluation import ranking
from clicksmith.training.inputs import Items

K = 10
USERS_AT_ONCE = 256

Scorer = Callable[[list[NDArray[np.int32]]], NDArray[np.floating]]
"""Prefixes of B users to scores of all items, shape (B, V)."""


@dataclass(frozen=True)
class NextItems:
    """Users with events before a split and in it.

    Nothing is filtered: items bought before may be bought again. Items outside the vocabulary count
    as relevant and can never be hit. Users without any known item before are cold and left out.

    Attributes:
        prefixes: known items of each user before the split, oldest first.
        targets: distinct items of the split, 0 standing for all those unknown.
        num_relevant: distinct items of the split, unknown ones counted once.
    """

    prefixes: list[NDArray[np.int32]]
    targets: list[NDArray[np.int32]]
    num_relevant: NDArray[np.int64]

    @classmethod
    def of(
        cls, before: Mapping[str, NDArray[np.int32]], after: Mapping[str, NDArray[np.int32]]
    ) -> "NextItems":
        """Pair prefixes and targets of the users that have both."""
        prefixes, targets = [], []
        for user, items in after.items():
            prefix = before.get(user, np.empty(0, np.int32))
            prefix = prefix[prefix > 0]
            if len(prefix) and len(items):
                prefixes.append(prefix)
                targets.append(np.unique(items))
        return cls(prefixes, targets, np.array([len(items) for items in targets], np.int64))

    def __len__(self) -> int:
        return len(self.prefixes)

    def measure(self, scorer: Scorer, k: int = K) -> tuple[float, float]:
        """Mean recall@k and NDCG@k over users, every item ranked; ties go to the more frequent item."""
        hits = np.zeros((len(self), k), bool)
        for start in range(0, len(self), USERS_AT_ONCE):
            scores = scorer(self.prefixes[start : start + USERS_AT_ONCE])
            best = top(scores, k)
            for row, items in enumerate(best, start):
                hits[row, : len(items)] = np.isin(items, self.targets[row])
        recall = ranking.recall_at(hits, self.num_relevant)
        return float(recall.mean()), float(ranking.ndcg_at(hits, self.num_relevant).mean())


def top(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """The k best items of each row, best first: never index 0, ties to the lower index.

    Returns:
        Shape (B, min(k, V - 1)).
    """
    scores = scores[:, 1:]
    k = min(k, scores.shape[1])
    threshold = np.partition(scores, -k, axis=1)[:, -k]
    best = np.empty((len(scores), k), np.int64)
    for row, values in enumerate(scores):
        candidates = np.flatnonzero(values >= threshold[row])  # all ties at the border included
        best[row] = candidates[np.argsort(-values[candidates], kind="stable")[:k]] + 1
    return best


def same_for_all(scores: NDArray[np.floating]) -> Scorer:
    """A scorer that ranks the items alike for every user; `scores` has shape (V,)."""
    return lambda prefixes: np.broadcast_to(scores, (len(prefixes), len(scores)))


def popularity_scores(items: Items) -> NDArray[np.float64]:
    """Training events of each item, shape (V,); 0 for index 0."""
    return np.concatenate([[0.0], items.num_events])


def recent_counts(train: pa.Table, items: Items, days: int) -> NDArray[np.float64]:
    """Events of each item in the last days of the training sequences, shape (V,); 0 for index 0."""
    ids = pc.list_flatten(train.column("item_ids"))
    times = pc.list_flatten(train.column("event_ts"))
    border = pc.subtract(pc.max(times), pa.scalar(datetime.timedelta(days=days)))
    recent = items.index(ids.filter(pc.greater_equal(times, border)))
    counts = np.bincount(recent, minlength=len(items)).astype(np.float64)
    counts[0] = 0.0
    return counts
