"""Whether synthetic rows are as varied as real ones: coverage, entropy, modes, repeated rows.

A generator that collapses looks plausible row by row. What it lost is seen only by counting.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from clicksmith.evaluation.samples.sample import Coding, Sample, row_keys
from clicksmith.evaluation.samples.spread import MeanPull, Pull, Similarity

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
    return entropy_pulls(codes)[0]


def entropy_pulls(codes: NDArray[np.number]) -> tuple[float, NDArray[np.float64]]:
    """The entropy of the codes' shares, and what each row does to it, shape (N,): rare codes raise it."""
    _, code, counts = np.unique(codes, return_inverse=True, return_counts=True)
    shares = counts / counts.sum()
    surprise = -np.log(shares)
    value = float((shares * surprise).sum()) + 0.0  # -0.0 becomes 0.0
    return value, surprise[code] - value


def entropy_ratios(real: Sample, other: Sample) -> Similarity[str]:
    """For each categorical column H_other / H_real: 1 is ideal, below 1 the values have become fewer.

    Both samples must hold equally many rows, since the entropy of a small sample is too low. A column
    that is constant in the real sample has no ratio and is left out.
    """
    ratios, mean = {}, MeanPull(real.num_rows, other.num_rows)
    for index, name in enumerate(real.names):
        if real.is_categorical[index]:
            base, of_real = entropy_pulls(real.values[:, index])
            if base > 0:
                found, of_other = entropy_pulls(other.values[:, index])
                ratios[name] = found / base
                mean.add(-found / base**2 * of_real, of_other / base)
    return Similarity(ratios, mean.pull())


def mode_share(coding: Coding, real: Sample, other: Sample, min_hits: int = MIN_HITS) -> tuple[float, Pull]:
    """Share of the real sample's frequent modes that the other one hits at least `min_hits` times.

    A mode is a value, or a combination of two columns' values, in coarse bins; it is frequent when it
    holds at least 1 % of the real rows and at least `MIN_MODE_ROWS`. Combinations, because a collapsed
    generator still has every single value. Samples must hold equally many rows.

    Returns:
        The share, NaN where no mode is frequent; and what each row does to it.
    """
    base = coding.num_coarse
    codes_real, codes_other = coding.coarse_bins(real), coding.coarse_bins(other)
    least = max(MIN_MODE_SHARE * real.num_rows, MIN_MODE_ROWS)
    num_modes, num_hit = 0, 0
    kept, added, of_other = np.zeros(real.num_rows), np.zeros(real.num_rows), np.zeros(other.num_rows)
    for first in range(len(real.names)):
        for second in range(first, len(real.names)):  # first == second: the single values
            mode_real, mode_other = (c[:, first] * base + c[:, second] for c in (codes_real, codes_other))
            counts, hits = (np.bincount(mode, minlength=base * base) for mode in (mode_real, mode_other))
            frequent, hit = counts >= least, hits >= min_hits
            num_modes += int(frequent.sum())
            num_hit += int((frequent & hit).sum())
            # A row that makes a mode frequent adds it to those that there are, and to the kept if it is one.
            step = _step(counts, least)
            added += step[mode_real]
            kept += (step * hit)[mode_real]
            of_other += (_step(hits, min_hits) * frequent)[mode_other]
    share = num_hit / num_modes if num_modes else float("nan")
    of_real = kept - share * added
    return share, Pull(*(_centred(side) * len(side) / max(num_modes, 1) for side in (of_real, of_other)))


def _centred(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows - rows.mean())


def _step(counts: NDArray[np.int64], least: float) -> NDArray[np.float64]:
    """What a row more does to whether a count reaches the least.

    A step has no derivative. A Poisson count of mean c reaches it with a probability p, and so has a variance
    of p (1 - p) in all, which c rows of one pull each must have: sqrt(p (1 - p) / c).
    """
    reached = gammainc(np.ceil(least), np.maximum(counts, 1))
    return np.asarray(np.where(counts > 0, np.sqrt(reached * (1 - reached) / np.maximum(counts, 1)), 0.0))
