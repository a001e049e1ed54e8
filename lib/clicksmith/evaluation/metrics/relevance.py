"""Figures of search results with graded labels, by query; tied scores give the mean over their orders."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]


def ndcg(scores: Floats, grades: Ints, queries: Ints, k: int) -> NDArray[np.float64]:
    """NDCG@k of each query: gains 2^grade - 1, discounts 1 / log2(rank + 1) (Burges et al. 2005).

    Args:
        scores: of the rows, shape (N,).
        grades: from 0, shape (N,).
        queries: a query's number in 0..Q-1, shape (N,).
        k: length of the lists.

    Returns:
        Shape (Q,); NaN for a query without a row whose grade is above 0.
    """
    gains = 2.0 ** np.asarray(grades, np.float64) - 1.0
    number = _num_queries(queries)
    found = np.bincount(queries, gains * _mean_over_ties(scores, queries, _discount(k)), number)
    ideal = np.bincount(queries, gains * _mean_over_ties(gains, queries, _discount(k)), number)
    with np.errstate(invalid="ignore"):
        return np.asarray(found / ideal)


def recall(scores: Floats, is_relevant: NDArray[np.bool_], queries: Ints, k: int) -> NDArray[np.float64]:
    """Share of a query's relevant rows that are among its first k, shape (Q,); NaN without any."""
    number = _num_queries(queries)
    is_first = _mean_over_ties(scores, queries, lambda ranks: (ranks <= k).astype(np.float64))
    with np.errstate(invalid="ignore"):
        total = np.bincount(queries, is_relevant, number)
        return np.asarray(np.bincount(queries, is_first * is_relevant, number) / total)


def reciprocal_rank(scores: Floats, is_relevant: NDArray[np.bool_], queries: Ints) -> NDArray[np.float64]:
    """1 / rank of a query's first relevant row, shape (Q,); NaN without any.

    Tied rows share the mean of their ranks.
    """
    ranks = _mean_over_ties(scores, queries, lambda ranks: ranks.astype(np.float64))
    first = np.full(_num_queries(queries), np.inf)
    np.minimum.at(first, queries[is_relevant], ranks[is_relevant])
    return np.where(np.isinf(first), np.nan, 1.0 / first)


def _num_queries(queries: Ints) -> int:
    return int(queries.max()) + 1 if len(queries) else 0


def _discount(k: int) -> Callable[[Ints], NDArray[np.float64]]:
    return lambda ranks: np.where(ranks <= k, 1.0 / np.log2(ranks + 1.0), 0.0)


def _mean_over_ties(
    scores: Floats, queries: Ints, value: Callable[[Ints], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """A function of the rank within the query, from 1, as its mean over rows of equal score; shape (N,)."""
    order = np.lexsort((-np.asarray(scores), queries))
    query, score = queries[order], scores[order]
    first = np.ones(len(order), bool)
    first[1:] = query[1:] != query[:-1]
    starts = np.flatnonzero(first)
    ranks = np.arange(len(order)) - np.repeat(starts, np.diff([*starts, len(order)])) + 1
    is_level = first.copy()
    is_level[1:] |= score[1:] != score[:-1]
    level = np.cumsum(is_level) - 1
    means = np.bincount(level, value(ranks)) / np.bincount(level)
    result = np.empty(len(order))
    result[order] = means[level]
    return result
