"""What sequences teach about the next item: train on synthetic, test on real, beside train on real.

The model counts: how often an item came after the last one, then how often it came at all. It is cheap, has
no settings, and learns just what a recommender needs from a sequence: which items follow which.

Shapes: V items, T tests.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from clicksmith.evaluation.figures import Figure, Figures
from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.sequences.coded import Items

NUM_LISTED = 10
_TESTS_AT_ONCE = 1024

Taught = dict[str, NDArray[np.float64]]
"""By metric what each test is worth, shape (T,)."""


@dataclass(frozen=True)
class Transitions:
    """How often items came, and which after which.

    Attributes:
        follows: how often the column's item came right after the row's, shape (V, V).
        counts: how often each came at all, shape (V,).
    """

    follows: sparse.csr_array
    counts: NDArray[np.int64]

    @classmethod
    def count(cls, items: Items) -> "Transitions":
        """Of all events."""
        size = items.num_items
        inner = np.ones(len(items.codes), bool)
        inner[items.offsets[:-1][items.lengths > 0]] = False
        after = np.flatnonzero(inner)
        pairs = items.codes[after - 1], items.codes[after]
        follows = sparse.coo_array((np.ones(len(after), np.int64), pairs), shape=(size, size))
        return cls(follows.tocsr(), np.bincount(items.codes, minlength=size))

    def ranks(
        self, last: NDArray[np.int64], target: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """How many items are ranked before each target, and how many are its equals, itself left out.

        Args:
            last: the item before it, shape (T,).
            target: the item that came, shape (T,).

        Returns:
            Two of shape (T,). Items rank by how often they came after `last`, equal ones by how often at all.
        """
        parts = [
            self._ranks(last[start : start + _TESTS_AT_ONCE], target[start : start + _TESTS_AT_ONCE])
            for start in range(0, len(last), _TESTS_AT_ONCE)
        ]
        empty = np.zeros(0, np.int64)
        return (
            np.concatenate([empty, *(before for before, _ in parts)]),
            np.concatenate([empty, *(equal for _, equal in parts)]),
        )

    def _ranks(
        self, last: NDArray[np.int64], target: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        rows = self.follows[last]
        unit = int(self.counts.max(initial=0)) + 1
        test = np.repeat(np.arange(len(last)), np.diff(rows.indptr))
        popular = self.counts[rows.indices]
        scores = rows.data * unit + popular
        score = self.counts[target].copy()
        is_target = rows.indices == target[test]
        score[test[is_target]] = scores[is_target]
        # All items by popularity alone, and then those that did follow as they are.
        by_count = np.sort(self.counts)
        above, from_equal = (np.searchsorted(by_count, score, side) for side in ("right", "left"))
        better, equal = len(by_count) - above, above - from_equal
        for counted, sign in ((scores, 1), (popular, -1)):
            better = better + sign * np.bincount(test[counted > score[test]], minlength=len(last))
            equal = equal + sign * np.bincount(test[counted == score[test]], minlength=len(last))
        return better, equal - 1


def taught(items: Items, tests: Items, num_listed: int = NUM_LISTED) -> Taught:
    """What a model that counted `items` is worth: each test owner's last item, given the one before.

    Items of equal counts are listed in any order: a test is worth its mean over all of them.

    Args:
        items: to learn from.
        tests: owners whom nobody learnt from; those of a single event are left out.
        num_listed: items in a list.

    Returns:
        Hit rate and NDCG of lists of so many items, of each test.
    """
    ends = tests.offsets[1:][tests.lengths > 1]
    better, equal = Transitions.count(items).ranks(tests.codes[ends - 2], tests.codes[ends - 1])
    gains = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, num_listed + 2)))])
    first, last = (np.minimum(rank, num_listed) for rank in (better, better + equal + 1))
    return {
        "utility.next_hit_rate": (last - first) / (equal + 1),
        "utility.next_ndcg": (gains[last] - gains[first]) / (equal + 1),
    }


def taught_figures(found: Taught, by_real: Taught) -> Figures:
    """Means over tests; and ``utility.next_ndcg_loss``, what of the NDCG is lost beside as many real owners.

    Both were tested on the same owners: the interval of the loss is that of the difference.
    """
    means = {metric: _mean(values, 0.0) for metric, values in found.items()}
    means["utility.next_ndcg_loss"] = _mean(by_real["utility.next_ndcg"] - found["utility.next_ndcg"], -1.0)
    return {(metric, "all"): figure for metric, figure in means.items()}


def _mean(values: NDArray[np.float64], lowest: float) -> Figure:
    """NaN where there are no tests."""
    if len(values) < 2:
        return Figure(float("nan"))
    value = float(values.mean())
    half = spread.Z * float(np.sqrt(spread.mean_variance(values - value, None)))
    return Figure(value, max(value - half, lowest), min(value + half, 1.0))
