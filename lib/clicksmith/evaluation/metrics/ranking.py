"""Ranking and classification metrics, as values. Ties are counted exactly, never broken by row order."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def auc(scores: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Area under the ROC curve: P(score of a positive > score of a negative) + ½ P(equal).

    Args:
        scores: shape (N,), finite.
        labels: shape (N,).
        weights: shape (N,), not negative; None weighs all rows alike.

    Returns:
        The area, or NaN where a class has no weight.
    """
    weights = np.ones(len(scores)) if weights is None else np.asarray(weights, np.float64)
    labels = np.asarray(labels, bool)
    _, level = np.unique(scores, return_inverse=True)
    positive = np.bincount(level, weights * labels)
    negative = np.bincount(level, weights * ~labels)
    total = positive.sum() * negative.sum()
    if not total > 0:
        return float("nan")
    below = np.cumsum(negative) - negative
    return float(positive @ (below + 0.5 * negative) / total)


def auc_influence(scores: Floats, labels: NDArray[np.bool_]) -> tuple[float, NDArray[np.float64]]:
    """The area as in `auc`, and by how much each row moves it, shape (N,): DeLong's (1988) components.

    They sum to 0, over either class. Summed by user, their squares are the area's variance where whole users
    are drawn (Obuchowski 1997). Zeros where a class is missing.
    """
    labels = np.asarray(labels, bool)
    num_positive = int(labels.sum())
    num_negative = len(labels) - num_positive
    if num_positive == 0 or num_negative == 0:
        return float("nan"), np.zeros(len(labels))
    _, level = np.unique(scores, return_inverse=True)
    beaten = _below(level, ~labels) / num_negative  # of a positive: the share of negatives below it
    beating = 1.0 - _below(level, labels) / num_positive  # of a negative: the share of positives above it
    value = float(beaten[labels].mean())
    return value, np.where(labels, (beaten - value) / num_positive, (beating - value) / num_negative)


def _below(level: NDArray[np.integer], of: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each row, how many of a class have a lower score, and half of those with an equal one."""
    counts = np.bincount(level[of], minlength=int(level.max()) + 1).astype(np.float64)
    return np.asarray((np.cumsum(counts) - counts / 2)[level])


def log_losses(probabilities: Floats, labels: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Negative log-likelihood of each row in nats, shape (N,); clipped within 1e-7 of 0 and 1."""
    clipped = np.clip(np.asarray(probabilities, np.float64), 1e-7, 1 - 1e-7)
    return -np.log(np.where(labels, clipped, 1 - clipped))


def log_loss(probabilities: Floats, labels: NDArray[np.bool_], weights: Floats | None = None) -> float:
    """Mean negative log-likelihood in nats; NaN without rows."""
    if len(labels) == 0:
        return float("nan")
    return float(np.average(log_losses(probabilities, labels), weights=weights))


def auc_by_group(
    scores: Floats, labels: NDArray[np.bool_], groups: NDArray[np.integer]
) -> NDArray[np.float64]:
    """The AUC within each group, without a loop over groups.

    Args:
        scores: shape (N,).
        labels: shape (N,).
        groups: shape (N,), a group's number in 0..G-1.

    Returns:
        Shape (G,), G being the largest number plus 1; NaN for a group without both classes.
    """
    labels = np.asarray(labels, bool)
    num_groups = int(groups.max()) + 1 if len(groups) else 0
    order = np.lexsort((scores, groups))
    group, score, label = groups[order], scores[order], labels[order]
    first = np.ones(len(order), bool)
    first[1:] = (group[1:] != group[:-1]) | (score[1:] != score[:-1])
    level = np.cumsum(first) - 1  # one number for each distinct (group, score)
    level_group = group[first]
    positive = np.bincount(level, label).astype(np.float64)
    negative = np.bincount(level, ~label).astype(np.float64)
    num_positive = np.bincount(level_group, positive, num_groups)
    num_negative = np.bincount(level_group, negative, num_groups)
    before_group = np.cumsum(num_negative) - num_negative
    below = np.cumsum(negative) - negative - before_group[level_group]
    wins = np.bincount(level_group, positive * (below + 0.5 * negative), num_groups)
    with np.errstate(invalid="ignore"):
        return np.asarray(wins / (num_positive * num_negative))


def grouped_auc(scores: Floats, labels: NDArray[np.bool_], groups: NDArray[np.integer]) -> float:
    """Mean AUC within groups, weighted by rows, over the groups that hold both classes; NaN if none does."""
    areas = auc_by_group(scores, labels, groups)
    rows = np.bincount(groups, minlength=len(areas))
    seen = ~np.isnan(areas)
    return float(np.average(areas[seen], weights=rows[seen])) if seen.any() else float("nan")


def recall_at(ranked: NDArray[np.bool_], num_relevant: NDArray[np.integer]) -> NDArray[np.float64]:
    """Recall@k of each user.

    Args:
        ranked: shape (U, k), whether the item at rank 1..k is relevant.
        num_relevant: shape (U,), relevant items of the user, at least 1.

    Returns:
        Shape (U,): hits / min(k, relevant), so that a perfect list reaches 1.
    """
    return np.asarray(ranked.sum(1) / np.minimum(ranked.shape[1], num_relevant))


def ndcg_at(ranked: NDArray[np.bool_], num_relevant: NDArray[np.integer]) -> NDArray[np.float64]:
    """NDCG@k of each user with binary gains, over the ideal list's DCG; arguments as in `recall_at`."""
    discounts = 1.0 / np.log2(np.arange(2, ranked.shape[1] + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    return np.asarray(ranked @ discounts / ideal[np.minimum(ranked.shape[1], num_relevant)])
