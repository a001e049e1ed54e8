"""Seeing a mode collapse in a sample, against real rows and against the best sample so far.

Three signs, each 1 where the sample is as diverse as as many real rows: the share of frequent codes that
are there, the entropy of each column, the share of distinct rows. The lowest is the diversity: a collapse
may show in any of them. It is a collapse when it falls under `COLLAPSED` of the best checkpoint's, or,
while none was as good as `GOOD`, under `SEVERE`: many trainings start narrow and widen by themselves
(ctgan on a toy: .22 at steps 30 and 60, .98 from step 120 on; a plain GAN on a ring of modes: .09 at
step 450, .22 later). Those that do not are far lower: dense_gan falls to .01.
"""

import numpy as np
from numpy.typing import NDArray

from clicksmith.encoding.table import Encoded
from clicksmith.generators.recipe import mode_figures

COLLAPSED = 0.5
GOOD = 0.5
SEVERE = 0.03
MIN_ROWS = 200
"""With fewer real rows to compare with, chance would look like a collapse."""


def sample_figures(sample: Encoded, real: Encoded) -> dict[str, float]:
    """`mode_figures`, and the entropy of each column as a share of the real one, mean over the columns.

    Where there are enough real rows: "diversity", the lowest of the three signs.
    """
    figures = mode_figures(sample, real)
    size = min(len(sample), len(real))
    if size == 0:
        return figures
    figures["entropy_ratio"] = _entropy_ratio(sample.codes[:size], real.codes[:size])
    if size >= MIN_ROWS:
        figures["diversity"] = _diversity(sample.head(size), real.head(size), real)
    return figures


def is_collapse(diversity: float, best: float) -> bool:
    """Whether a sample shows a collapse, given the best checkpoint's diversity (0 where there is none)."""
    return diversity < (COLLAPSED * best if best >= GOOD else SEVERE)


def _diversity(sample: Encoded, control: Encoded, real: Encoded) -> float:
    """Figures of as many sampled as real rows: duplicates and coverage depend on their number."""
    mine, theirs = mode_figures(sample, real), mode_figures(control, real)
    signs = (
        mine["coverage"] / theirs["coverage"] if theirs["coverage"] else 1.0,  # where no code is frequent
        (1 - mine["duplicate_rate"]) / (1 - theirs["duplicate_rate"]),
        _entropy_ratio(sample.codes, control.codes),
    )
    return min(1.0, *signs)


def _entropy_ratio(sample: NDArray[np.int64], real: NDArray[np.int64]) -> float:
    """Mean over the columns that vary in the real rows; 1 where none does."""
    ratios = []
    for mine, theirs in zip(sample.T, real.T, strict=True):
        expected = _entropy(theirs)
        if expected > 0:
            ratios.append(_entropy(mine) / expected)
    return float(np.mean(ratios)) if ratios else 1.0


def _entropy(codes: NDArray[np.int64]) -> float:
    shares = np.bincount(codes) / len(codes)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
