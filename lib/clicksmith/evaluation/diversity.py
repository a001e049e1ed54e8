"""Whether synthetic rows are as varied as real ones: coverage, entropy, modes, repeated rows.

A generator that collapses looks plausible row by row. What it lost is seen only by counting.
"""

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation.sample import Coding, Sample, row_keys

MIN_MODE_SHARE = 0.01
MIN_MODE_ROWS = 20
"""A frequent mode holds so many real rows at least: with fewer, chance alone could leave it out."""
MIN_HITS = 5
"""A mode counts as kept from so many synthetic rows on; Poisson(20) falls below it once in 60,000."""


def category_coverage(real: Sample, other: Sample) -> dict[str, float]:
    """For each categorical column the share of the real sample's values that the other one has too."""
    coverage = {}
    for index, name in enumerate(real.names):
        if real.is_categorical[index]:
            known = np.unique(real.values[:, index])
            coverage[name] = float(np.isin(known, other.values[:, index]).mean())
    return coverage


def duplicate_share(sample: Sample) -> float:
    """Share of rows that repeat another row of the sample."""
    distinct = len(np.unique(row_keys(sample)))
    return 1.0 - distinct / sample.num_rows


def entropy(codes: NDArray[np.number]) -> float:
    """Shannon's entropy of the codes' shares, in nats."""
    _, counts = np.unique(codes, return_counts=True)
    shares = counts / counts.sum()
    return float(-(shares * np.log(shares)).sum()) + 0.0  # -0.0 becomes 0.0


def entropy_ratios(real: Sample, other: Sample) -> dict[str, float]:
    """For each categorical column H_other / H_real: 1 is ideal, below 1 the values have become fewer.

    Both samples must hold equally many rows, since the entropy of a small sample is too low. A column
    that is constant in the real sample has no ratio and is left out.
    """
    ratios = {}
    for index, name in enumerate(real.names):
        if real.is_categorical[index]:
            base = entropy(real.values[:, index])
            if base > 0:
                ratios[name] = entropy(other.values[:, index]) / base
    return ratios


def mode_share(coding: Coding, real: Sample, other: Sample, min_hits: int = MIN_HITS) -> float:
    """Share of the real sample's frequent modes that the other one hits at least `min_hits` times.

    A mode is a value, or a combination of two columns' values, in coarse bins; it is frequent when it
    holds at least 1 % of the real rows and at least `MIN_MODE_ROWS`. Combinations, because a collapsed
    generator still has every single value. Samples must hold equally many rows.

    Returns:
        The share, NaN where no mode is frequent.
    """
    base = coding.num_coarse
    codes_real, codes_other = coding.coarse_bins(real), coding.coarse_bins(other)
    least = max(MIN_MODE_SHARE * real.num_rows, MIN_MODE_ROWS)
    num_modes, num_hit = 0, 0
    for first in range(len(real.names)):
        for second in range(first, len(real.names)):  # first == second: the single values
            counts, hits = (
                np.bincount(c[:, first] * base + c[:, second], minlength=base * base)
                for c in (codes_real, codes_other)
            )
            frequent = counts >= least
            num_modes += int(frequent.sum())
            num_hit += int((hits[frequent] >= min_hits).sum())
    return num_hit / num_modes if num_modes else float("nan")
