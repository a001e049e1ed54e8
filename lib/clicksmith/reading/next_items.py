"""Full-ranking evaluation of what users took next, and the baselines that it is held against."""

import datetime
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.evaluation.metrics.recommendations import Recommended
from clicksmith.reading.inputs import Items
from clicksmith.recommenders.next_item.baselines import ItemNeighbours, Popularity
from clicksmith.recommenders.next_item.ease import ease
from clicksmith.recommenders.next_item.recommend import NextItemModel, recommend

logger = logging.getLogger(__name__)

K = 10
RECENT_DAYS = 30
MAX_EASE = 5_000
"""Items, or users, up to which EASE is among the baselines: inverting a matrix of so many takes some 10 s."""

SHORT, LONG = 5, 20
"""Items: a history of fewer than SHORT is short, one of LONG or more is long."""


@dataclass(frozen=True)
class NextItems:
    """Users with events before a split and in it.

    Nothing is filtered: items bought before may be bought again. Items outside the vocabulary count
    as relevant and can never be hit. Users without any known item before are cold and left out.

    Attributes:
        prefixes: known items (or events, see `recommenders.context`) of each user before the split, oldest
            first.
        targets: distinct items of the split, 0 standing for all those unknown.
        num_relevant: distinct items of the split, unknown ones counted once.
        users: their ids, where there are any.
    """

    prefixes: list[NDArray[np.integer]]
    targets: list[NDArray[np.integer]]
    num_relevant: NDArray[np.int64]
    users: Sequence[str] = ()

    @classmethod
    def of(
        cls, before: Mapping[str, NDArray[np.integer]], after: Mapping[str, NDArray[np.integer]]
    ) -> "NextItems":
        """Pair prefixes and targets of the users that have both."""
        prefixes, targets, users = [], [], []
        for user, items in after.items():
            prefix = before.get(user, np.empty(0, np.int32))
            prefix = prefix[prefix > 0]
            if len(prefix) and len(items):
                prefixes.append(prefix)
                targets.append(np.unique(items))
                users.append(user)
        return cls(prefixes, targets, np.array([len(items) for items in targets], np.int64), users)

    def __len__(self) -> int:
        return len(self.prefixes)

    def without_context(self, num_items: int) -> "NextItems":
        """With items in the place of events, for models that know no more."""
        return replace(self, prefixes=[prefix % num_items for prefix in self.prefixes])

    def segments(self) -> dict[str, NDArray[np.bool_]]:
        """Users by the length of their history, shape (U,) each; those without anybody are left out."""
        lengths = np.array([len(prefix) for prefix in self.prefixes])
        found = {
            "short_history": lengths < SHORT,
            "middle_history": (lengths >= SHORT) & (lengths < LONG),
            "long_history": lengths >= LONG,
        }
        return {name: users for name, users in found.items() if users.any()}

    def recommend(self, model: NextItemModel, k: int = K, filter_viewed: bool = False) -> Recommended:
        """Every item ranked for every user; see `recommend.recommend`."""
        return self.judge(recommend(model, self.prefixes, k, filter_viewed))

    def judge(self, lists: NDArray[np.int64]) -> Recommended:
        """What of some lists the users took, one list a user, 0 where it ends."""
        hits = np.zeros(lists.shape, bool)
        for row, items in enumerate(lists):
            hits[row] = (items > 0) & np.isin(items, self.targets[row])
        return Recommended(lists, hits, self.num_relevant)


def popularity_scores(items: Items) -> NDArray[np.float64]:
    """Training outcomes of each item, shape (V,); 0 for index 0."""
    return np.concatenate([[0.0], items.num_outcomes])


def recent_counts(train: pa.Table, items: Items, days: int) -> NDArray[np.float64]:
    """Events of each item in the last days of the training sequences, shape (V,); 0 for index 0."""
    ids = pc.list_flatten(train.column("item_ids"))
    times = pc.list_flatten(train.column("event_ts"))
    border = pc.subtract(pc.max(times), pa.scalar(datetime.timedelta(days=days)))
    recent = items.index(ids.filter(pc.greater_equal(times, border)))
    counts = np.bincount(recent, minlength=len(items)).astype(np.float64)
    counts[0] = 0.0
    return counts


def baselines(
    train: pa.Table, items: Items, histories: Sequence[NDArray[np.integer]]
) -> dict[str, Callable[[], NextItemModel]]:
    """What a network has to beat, by name: each fits one on the train split when it is called.

    Args:
        train: rows of gold.sequences.
        items: of the vocabulary.
        histories: known items of each training user that has any, oldest first.
    """
    popularity, num_items = popularity_scores(items), len(items)
    found: dict[str, Callable[[], NextItemModel]] = {
        "popularity": lambda: Popularity(popularity),
        "recent_popularity": lambda: Popularity(recent_counts(train, items, RECENT_DAYS)),
        "personal_popularity": lambda: Popularity(popularity, personal=True),
        "item_knn": lambda: ItemNeighbours.fit(histories, num_items),
    }
    if min(num_items, len(histories)) <= MAX_EASE:
        found["ease"] = lambda: ease(histories, num_items)
    else:
        logger.warning(
            "EASE is not among the baselines: of %s items and %s users, one has to be at most %s",
            f"{num_items:,}", f"{len(histories):,}", f"{MAX_EASE:,}",
        )  # fmt: skip
    return found
