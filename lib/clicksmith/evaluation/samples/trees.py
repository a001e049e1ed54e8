"""Boosted trees over coded rows, for the two-sample test and for utility."""

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from clicksmith.evaluation.samples.sample import Sample

_MAX_CATEGORIES = 255


def tree_inputs(*samples: Sample) -> list[NDArray[np.float64]]:
    """Samples as matrices that trees take, each of shape (N, C), missing values coded alike in all."""
    rows = np.concatenate([sample.values for sample in samples])
    # A missing number lies below all others: scikit-learn fails on a column that is missing throughout.
    lowest = np.nan_to_num(rows, nan=np.inf).min(axis=0)
    rows = np.where(np.isnan(rows), np.where(np.isinf(lowest), 0.0, lowest - 1.0), rows)
    # The trees take 255 categories: the rarest share the last code.
    flags = samples[0].is_categorical
    rows[:, flags] = np.minimum(rows[:, flags], _MAX_CATEGORIES - 1)
    return np.split(rows, np.cumsum([sample.num_rows for sample in samples])[:-1])


def tree_scores(
    rows: NDArray[np.float64],
    labels: NDArray[np.bool_],
    queries: NDArray[np.float64],
    is_categorical: NDArray[np.bool_],
    seed: int,
) -> NDArray[np.float64]:
    """Probability of the positive class for each query, from trees fitted on labelled rows.

    Args:
        rows: shape (N, C), from `tree_inputs`.
        labels: shape (N,).
        queries: shape (M, C).
        is_categorical: shape (C,).
        seed: of the trees.

    Returns:
        Shape (M,); the share of the only class where `labels` holds one.
    """
    if labels.all() or not labels.any():
        return np.full(len(queries), float(labels[:1].sum()))
    trees = HistGradientBoostingClassifier(
        categorical_features=is_categorical, random_state=seed % 2**32, early_stopping=False
    )
    # One thread: OpenMP's own threads spin for one another where cores are shared, up to thirty times slower.
    with threadpool_limits(1, "openmp"):
        trees.fit(rows, labels)
        return np.asarray(trees.predict_proba(queries)[:, 1])
