"""How close synthetic rows are to real ones: column shapes, pair trends, a two-sample test.

Shapes and pairs follow the definitions of SDMetrics, written anew. Every figure is computed the same
way for real holdout rows: that is its ceiling, since no generator can look more real than real rows.
"""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from clicksmith.evaluation.ranking import auc
from clicksmith.evaluation.sample import Coding, Sample
from clicksmith.evaluation.trees import tree_inputs, tree_scores

_NUM_THREADS = 2


def column_shapes(real: Sample, other: Sample) -> dict[str, float]:
    """Similarity of each column's distribution, 1 where equal.

    Numbers: 1 - the Kolmogorov-Smirnov statistic, a missing number counting as below all others.
    Categories: 1 - the total variation distance, a missing value being a category.
    """
    shapes = {}
    for index, name in enumerate(real.names):
        a, b = real.values[:, index], other.values[:, index]
        shapes[name] = tv_complement(a, b) if real.is_categorical[index] else ks_complement(a, b)
    return shapes


def ks_complement(real: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """1 - sup|F_real - F_other| over two samples of shapes (N,) and (M,); NaN is the smallest number."""
    a, b = (np.sort(np.where(np.isnan(x), -np.inf, x)) for x in (real, other))
    points = np.concatenate([a, b])
    below_a = np.searchsorted(a, points, side="right") / len(a)
    below_b = np.searchsorted(b, points, side="right") / len(b)
    return float(1.0 - np.abs(below_a - below_b).max())


def tv_complement(real: NDArray[np.number], other: NDArray[np.number]) -> float:
    """1 - half the summed differences of the shares of each code, over shapes (N,) and (M,)."""
    a, b = real.astype(np.int64), other.astype(np.int64)
    size = int(max(a.max(), b.max())) + 1
    shares = np.bincount(a, minlength=size) / len(a) - np.bincount(b, minlength=size) / len(b)
    return float(1.0 - 0.5 * np.abs(shares).sum())


def column_pairs(coding: Coding, real: Sample, other: Sample) -> dict[tuple[str, str], float]:
    """Similarity of the trend between each pair of columns, 1 where equal.

    Two numbers: 1 - |rho_real - rho_other| / 2, over rows with both, an undefined correlation being 0.
    Otherwise: 1 - the total variation distance of the contingency tables, numbers in the real bins.
    """
    bins_real, bins_other = coding.bins(real), coding.bins(other)
    pairs = {}
    for first in range(len(real.names)):
        for second in range(first + 1, len(real.names)):
            if real.is_categorical[first] or real.is_categorical[second]:
                num_codes = coding.num_codes(second)
                joint_real = bins_real[:, first] * num_codes + bins_real[:, second]
                joint_other = bins_other[:, first] * num_codes + bins_other[:, second]
                value = tv_complement(joint_real, joint_other)
            else:
                rho = [correlation(s.values[:, first], s.values[:, second]) for s in (real, other)]
                value = 1.0 - abs(rho[0] - rho[1]) / 2.0
            pairs[real.names[first], real.names[second]] = value
    return pairs


def correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Pearson's correlation over rows where both are there; 0 where one of them does not vary."""
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):  # variances below the smallest float
        rho = float(np.corrcoef(a, b)[0, 1])
    return rho if np.isfinite(rho) else 0.0


def c2st_auc(real: Sample, other: Sample, seed: int, num_folds: int = 5) -> float:
    """Classifier two-sample test: can boosted trees tell the rows apart? .5 is ideal, 1 is worst.

    The mean over stratified folds of the AUC on held-out rows. Trees, because a logistic model
    gives full marks to data whose columns are independent.
    """
    matrices = tree_inputs(real, other)
    rows, is_other = np.concatenate(matrices), np.repeat([False, True], [real.num_rows, other.num_rows])

    def area(fold: tuple[NDArray[np.int64], NDArray[np.int64]]) -> float:
        train, test = fold
        scores = tree_scores(rows[train], is_other[train], rows[test], real.is_categorical, seed)
        return auc(scores, is_other[test])

    folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed % 2**32)
    with ThreadPoolExecutor(_NUM_THREADS) as threads:  # folds side by side, one thread each
        return float(np.mean(list(threads.map(area, folds.split(rows, is_other)))))


def auc_interval(area: float, num_positive: int, num_negative: int) -> tuple[float, float]:
    """A 95 % interval of an AUC (Hanley and McNeil 1982)."""
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area) + (num_positive - 1) * (q1 - area**2) + (num_negative - 1) * (q2 - area**2)
    ) / (num_positive * num_negative)
    half = 1.96 * float(np.sqrt(max(variance, 0.0)))
    return max(area - half, 0.0), min(area + half, 1.0)


def label_ratio(real: NDArray[np.bool_], other: NDArray[np.bool_]) -> tuple[float, float, float]:
    """How close the share of a label's rarer value is to the real one: the smaller over the larger share.

    A share of .15 that becomes .60 leaves shapes and pairs of many columns nearly as they are, and spoils all
    probabilities that are learnt from the rows.

    Args:
        real: the label, shape (N,).
        other: shape (M,).

    Returns:
        The ratio and its 95 % interval by the log's normal one; 1 where both have the same value throughout,
        0 where one has.
    """
    is_rare = real.mean() <= 0.5
    shares = [float((side == is_rare).mean()) for side in (real, other)]
    if min(shares) == 0.0:
        same = 1.0 if max(shares) == 0.0 else 0.0
        return same, same, same
    ratio = min(shares) / max(shares)
    spread = sum((1 - share) / (share * len(side)) for share, side in zip(shares, (real, other), strict=True))
    reach = float(np.exp(1.96 * np.sqrt(spread)))
    return ratio, ratio / reach, min(1.0, ratio * reach)


def distribution(
    coding: Coding, real: Sample, others: dict[str, Sample], num_top: int = 12
) -> dict[str, list[tuple[str, dict[str, float]]]]:
    """Shares of each column's bins or frequent values, for a picture of real against synthetic.

    Args:
        coding: for the categories' names.
        real: decides bins and frequent values.
        others: further samples by name.
        num_top: categories by name, the rest is "other"; also the number of bins of a number.

    Returns:
        For each column its (label, {"real": share, name: share, ...}), labels in order of display and
        prefixed by their rank, so that sorting labels sorts bars.
    """
    samples = {"real": real, **others}
    pictures = {}
    for index, name in enumerate(real.names):
        columns = {arm: sample.values[:, index] for arm, sample in samples.items()}
        if real.is_categorical[index]:
            labels, codes = _frequent_codes(coding.categories[name].to_pylist(), columns, num_top)
        else:
            labels, codes = _display_bins(columns, num_top)
        shares = {arm: np.bincount(c, minlength=len(labels)) / len(c) for arm, c in codes.items()}
        pictures[name] = [
            (f"{rank:02d} {label}", {arm: float(share[rank]) for arm, share in shares.items()})
            for rank, label in enumerate(labels)
            if any(share[rank] > 0 for share in shares.values())
        ]
    return pictures


_Codes = dict[str, NDArray[np.int64]]


def _frequent_codes(
    values: list[str], columns: dict[str, NDArray[np.float64]], num_top: int
) -> tuple[list[str], _Codes]:
    top = values[:num_top]
    labels = [*top, "other", "missing"]
    codes = {}
    for arm, column in columns.items():
        code = np.minimum(column.astype(np.int64) - 1, len(top))
        codes[arm] = np.where(code < 0, len(top) + 1, code)
    return labels, codes


def _display_bins(columns: dict[str, NDArray[np.float64]], num_bins: int) -> tuple[list[str], _Codes]:
    real = columns["real"][~np.isnan(columns["real"])]
    distinct = np.unique(real)
    if 0 < len(distinct) <= 2 * num_bins:  # hours, days, small counts: a bar each
        inner = distinct[1:]
        names = [f"{value:g}" for value in distinct]
    else:  # equal widths over all but the tails, which the outer bins take
        low, high = np.quantile(real, [0.01, 0.99]) if real.size else (0.0, 0.0)
        inner = np.unique(np.linspace(low, high, num_bins + 1)[1:-1])
        bounds = [f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}" for value in inner]
        names = [f"< {bounds[0]}", *(f"{a}–{b}" for a, b in pairwise(bounds))]
        names.append(f">= {bounds[-1]}")
    codes = {}
    for arm, column in columns.items():
        code = np.searchsorted(inner, column, side="right")
        codes[arm] = np.where(np.isnan(column), len(names), code)
    return [*names, "missing"], codes
