"""How close synthetic rows are to real ones: column shapes, pair trends, label rates.

Shapes and pairs follow the definitions of SDMetrics, written anew. Every figure is computed the same
way for real holdout rows: that is its ceiling, since no generator can look more real than real rows.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.samples.sample import Coding, Sample

Floats = NDArray[np.float64]


def column_shapes(real: Sample, other: Sample) -> spread.Similarity[str]:
    """Similarity of each column's distribution.

    Numbers: 1 - the Kolmogorov-Smirnov statistic, a missing number counting as below all others.
    Categories: 1 - the total variation distance, a missing value being a category.
    """
    shapes, mean = {}, spread.MeanPull(real.num_rows, other.num_rows)
    for index, name in enumerate(real.names):
        a, b = real.values[:, index], other.values[:, index]
        if real.is_categorical[index]:
            shapes[name], *pulls = spread.tables(a.astype(np.int64), b.astype(np.int64))
        else:
            shapes[name], *pulls = numbers(a, b)
        mean.add(*pulls)
    return spread.Similarity(shapes, mean.pull())


def numbers(real: Floats, other: Floats) -> tuple[float, Floats, Floats]:
    """1 - sup|F_real - F_other|, and what each row does to it; NaN is the smallest number.

    Args:
        real: shape (N,).
        other: shape (M,).

    Returns:
        The similarity, and pulls of shapes (N,) and (M,): on the distance where it is largest.
    """
    a, b = (np.where(np.isnan(x), -np.inf, x) for x in (real, other))
    points = np.concatenate([a, b])
    above = np.searchsorted(np.sort(a), points, side="right") / len(a)
    above = above - np.searchsorted(np.sort(b), points, side="right") / len(b)
    farthest = np.abs(above).argmax()
    below_a, below_b = a <= points[farthest], b <= points[farthest]
    sign = np.sign(above[farthest])
    value = float(1.0 - np.abs(above[farthest]))
    return value, -sign * (below_a - below_a.mean()), sign * (below_b - below_b.mean())


def column_pairs(coding: Coding, real: Sample, other: Sample) -> spread.Similarity[tuple[str, str]]:
    """Similarity of the trend between each pair of columns.

    Two numbers: 1 - |rho_real - rho_other| / 2, over rows with both, an undefined correlation being 0.
    Otherwise: 1 - the total variation distance of the contingency tables, numbers in the real bins.
    """
    bins_real, bins_other = coding.bins(real), coding.bins(other)
    pairs, mean = {}, spread.MeanPull(real.num_rows, other.num_rows)
    for first in range(len(real.names)):
        for second in range(first + 1, len(real.names)):
            if real.is_categorical[first] or real.is_categorical[second]:
                num_codes = coding.num_codes(second)
                joint_real = bins_real[:, first] * num_codes + bins_real[:, second]
                joint_other = bins_other[:, first] * num_codes + bins_other[:, second]
                value, *pulls = spread.tables(joint_real, joint_other)
            else:
                value, *pulls = trends(real.values[:, [first, second]], other.values[:, [first, second]])
            pairs[real.names[first], real.names[second]] = value
            mean.add(*pulls)
    return spread.Similarity(pairs, mean.pull())


def trends(real: Floats, other: Floats) -> tuple[float, Floats, Floats]:
    """1 - |rho_real - rho_other| / 2, and what each row does to it.

    Args:
        real: two numbers a row, shape (N, 2).
        other: shape (M, 2).

    Returns:
        The similarity, and pulls of shapes (N,) and (M,).
    """
    (rho_a, a), (rho_b, b) = (correlation(rows[:, 0], rows[:, 1]) for rows in (real, other))
    sign = np.sign(rho_a - rho_b)
    return 1.0 - abs(rho_a - rho_b) / 2.0, -0.5 * sign * a, 0.5 * sign * b


def correlation(a: Floats, b: Floats) -> tuple[float, Floats]:
    """Pearson's correlation over rows where both are there; 0 where one of them does not vary.

    Returns:
        The correlation, and each row's pull at it, shape (N,): 0 of rows that lack a number.
    """
    pull = np.zeros(len(a))
    both = ~(np.isnan(a) | np.isnan(b))
    a, b = a[both], b[both]
    if len(a) < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0, pull
    with np.errstate(divide="ignore", invalid="ignore"):  # variances below the smallest float
        x, y = ((side - side.mean()) / side.std() for side in (a, b))
        rho = float((x * y).mean())
        if not np.isfinite(rho):
            return 0.0, pull
    pull[both] = len(pull) / len(a) * (x * y - rho * (x**2 + y**2) / 2)
    return rho, pull


def label_ratio(
    real: NDArray[np.bool_],
    other: NDArray[np.bool_],
    users: Sequence[NDArray[np.int64] | None] = (None, None),
) -> tuple[float, float, float]:
    """How close the share of a label's rarer value is to the real one: the smaller over the larger share.

    A share of .15 that becomes .60 leaves shapes and pairs of many columns nearly as they are, and spoils all
    probabilities that are learnt from the rows.

    Args:
        real: the label, shape (N,).
        other: shape (M,).
        users: of either side whose each row is; None: each row stands for itself.

    Returns:
        The ratio and its 95 % interval by the log's normal one; 1 where both have the same value throughout,
        0 where one has: then the interval goes up to the most that its share may be (Wilson 1927, of its
        users) over the least that the other's may be.
    """
    is_rare = real.mean() <= 0.5
    sides = [(side == is_rare).astype(np.float64) for side in (real, other)]
    shares = [float(side.mean()) for side in sides]
    if max(shares) == 0.0:
        return 1.0, 1.0, 1.0
    variance = sum(
        spread.mean_variance(side - share, owners) / share**2
        for side, share, owners in zip(sides, shares, users, strict=True)
        if share > 0.0
    )
    reach = float(np.exp(spread.Z * np.sqrt(variance)))
    if min(shares) == 0.0:
        lacking = shares.index(0.0)
        owners = users[lacking]
        size = len(sides[lacking]) if owners is None else len(np.unique(owners))
        return 0.0, 0.0, min(1.0, spread.wilson(0.0, size)[1] / max(shares) * reach)
    ratio = min(shares) / max(shares)
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
