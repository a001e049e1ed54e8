"""The classifier two-sample test: can boosted trees tell synthetic rows from real ones?"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.metrics.ranking import auc_influence
from clicksmith.evaluation.samples.sample import Sample
from clicksmith.evaluation.samples.spread import Pull
from clicksmith.evaluation.samples.trees import tree_inputs, tree_scores

NUM_FOLDS = 5
_NUM_THREADS = 2


def c2st_auc(real: Sample, other: Sample, seed: int) -> tuple[float, Pull]:
    """AUC of trees that tell the rows apart: .5 is ideal, 1 is worst.

    The mean over folds of the AUC on rows held out. Trees, because a logistic model gives full marks to data
    whose columns are independent. All rows of a user are in one fold: trees that have met a user know him
    again, however good the other rows are.

    Returns:
        The area, and what each row does to it, as a tested one and as one that trees learn from.
    """
    matrices = tree_inputs(real, other)
    rows, is_other = np.concatenate(matrices), np.repeat([False, True], [real.num_rows, other.num_rows])
    folds = [user_folds(side, np.random.default_rng([seed, i])) for i, side in enumerate((real, other))]
    num_folds = min(int(side.max()) for side in folds) + 1
    fold = np.concatenate(folds) % num_folds

    def scores(held_out: int) -> NDArray[np.float64]:
        shown = fold != held_out
        return tree_scores(rows[shown], is_other[shown], rows[~shown], real.is_categorical, seed)

    areas, influence = np.empty(num_folds), np.empty(len(rows))
    with ThreadPoolExecutor(_NUM_THREADS) as threads:  # folds side by side, one thread each
        for held_out, found in enumerate(threads.map(scores, range(num_folds))):
            tested = fold == held_out
            areas[held_out], influence[tested] = auc_influence(found, is_other[tested])
    # Trees of other rows would be others, and all folds' trees share most of theirs: beside 1/K of the
    # variance of a fold's area, for its tested rows, stands 1/(K - 1), its tested over its training rows, for
    # the trees (Nadeau and Bengio, "Inference for the generalization error", Machine Learning 52, 2003).
    trees = np.sqrt(1 + num_folds / max(num_folds - 1, 1)) / num_folds
    of_sides = (trees * influence[side] * side.sum() for side in (~is_other, is_other))
    return float(areas.mean()), Pull(*of_sides)


def user_folds(sample: Sample, random: np.random.Generator, num_folds: int = NUM_FOLDS) -> NDArray[np.int64]:
    """Each row's fold, of about as many rows each and with no user in two; fewer where users are few."""
    users = np.arange(sample.num_rows) if sample.users is None else sample.users
    _, user, sizes = np.unique(users, return_inverse=True, return_counts=True)
    order = random.permutation(len(sizes))
    middle = np.empty(len(sizes))
    middle[order] = np.cumsum(sizes[order]) - sizes[order] / 2
    fold = (middle * num_folds / sample.num_rows).astype(np.int64)
    return np.asarray(np.unique(fold, return_inverse=True)[1][user], dtype=np.int64)
