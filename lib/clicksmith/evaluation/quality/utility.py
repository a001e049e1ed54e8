"""What synthetic rows teach: train on synthetic, test on real, beside train on real, test on real.

The test rows are real and were shown to no generator.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from clicksmith.errors import ContractError
from clicksmith.evaluation.metrics.ranking import auc_influence
from clicksmith.evaluation.samples.sample import MISSING, Coding, Sample
from clicksmith.evaluation.samples.trees import tree_inputs, tree_scores


def label_values(coding: Coding, sample: Sample, label: str) -> NDArray[np.bool_]:
    """A two-valued column as truth, shape (N,): the rarer category, or the number above 0.

    Raises:
        ContractError: the real rows know no such column, or more than two categories of it.
    """
    if label not in sample.names:
        raise ContractError(f"The label {label!r} is no column of the rows; these are {list(sample.names)}.")
    values = sample.values[:, sample.names.index(label)]
    if label not in coding.categories:
        return np.asarray(values > 0)  # a missing number is not
    if len(coding.categories[label]) > 2:
        found = len(coding.categories[label])
        raise ContractError(f"The label {label!r} has {found} values; two are needed.", "Choose another.")
    # Codes are by falling frequency: 1 the more frequent value, 2 the other one, 0 missing.
    return np.asarray((values > MISSING + 1) & (values <= len(coding.categories[label])))


def trained_auc(
    coding: Coding, rows: Sample, test: Sample, label: str, left_out: Collection[str], seed: int
) -> tuple[float, NDArray[np.float64]]:
    """AUC on `test` of boosted trees that learnt to predict a label from `rows`.

    Args:
        coding: fitted on the real training rows.
        rows: to learn from, real or synthetic.
        test: real rows.
        label: the column to predict.
        left_out: columns that give the label away, e.g. other labels; it itself is left out anyway.
        seed: of the trees.

    Returns:
        The AUC, .5 where `rows` hold one class only, NaN where `test` does; and by how much each row of
        `test` moves it, shape (N,).
    """
    features = np.array([name != label and name not in left_out for name in rows.names])
    matrix, queries = tree_inputs(rows, test)
    scores = tree_scores(
        matrix[:, features],
        label_values(coding, rows, label),
        queries[:, features],
        rows.is_categorical[features],
        seed,
    )
    return auc_influence(scores, label_values(coding, test, label))
