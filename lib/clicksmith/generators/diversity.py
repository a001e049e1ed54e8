"""How diverse a sample is beside as many real rows: where it is not, its generator has collapsed.

Three signs, each 1 where the sample is as diverse as real rows: the share of frequent codes that are there,
the entropy of each column, the share of distinct rows. The lowest is the diversity: a collapse may show in
any of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clicksmith.encoding.table import Encoded

MIN_ROWS = 200
"""With fewer real rows to compare with, chance would look like a collapse."""
FREQUENT = 0.01
"""A code is frequent that so large a share of the real values has."""


@dataclass(frozen=True)
class View:
    """What signs are seen in.

    Attributes:
        columns: codes of each column, the shape of each (V,).
        rows: a key of each of N rows: equal for equal rows, and for these alone.
    """

    columns: Sequence[NDArray[np.integer]]
    rows: Sequence[bytes]


def rows_of_a_table(rows: Encoded) -> View:
    """The view of rows of one table."""
    return View(list(rows.codes.T), [row.tobytes() for row in rows.codes])


def sample_figures(sample: Any, real: Any, view: Callable[[Any], View]) -> dict[str, float]:
    """Signs of collapse in a sample.

    Args:
        sample: a batch of generated rows.
        real: a batch of real rows.
        view: of either.

    Returns:
        duplicate_rate: share of rows that equal an earlier one;
        coverage: share of the codes that are frequent in the real rows that the sample holds;
        entropy_ratio: of each column's codes as a share of the real one, mean over the columns that vary;
        diversity: the lowest of the three signs, where there are enough real rows.
    """
    mine, theirs = view(sample), view(real)
    figures = {"duplicate_rate": _duplicate_rate(mine), "coverage": _coverage(mine, theirs)}
    size = min(len(sample), len(real))
    if size == 0:
        return figures
    small, control = view(sample.part(0, size)), view(real.part(0, size))
    figures["entropy_ratio"] = _entropy_ratio(small, control)
    if size >= MIN_ROWS:  # duplicates and coverage depend on the number of rows
        expected = _coverage(control, theirs)
        signs = (
            _coverage(small, theirs) / expected if expected else 1.0,  # where no code is frequent
            (1 - _duplicate_rate(small)) / (1 - _duplicate_rate(control)),
            figures["entropy_ratio"],
        )
        figures["diversity"] = min(1.0, *signs)
    return figures


def _duplicate_rate(view: View) -> float:
    return 1 - len(set(view.rows)) / max(1, len(view.rows))


def _coverage(view: View, real: View) -> float:
    hit, common = 0, 0
    for mine, theirs in zip(view.columns, real.columns, strict=True):
        frequent = np.flatnonzero(np.bincount(theirs) >= max(FREQUENT * len(theirs), 1))
        common += len(frequent)
        hit += int(np.isin(frequent, mine).sum())
    return hit / max(1, common)


def _entropy_ratio(view: View, real: View) -> float:
    """Mean over the columns that vary in the real rows; 1 where none does."""
    ratios = []
    for mine, theirs in zip(view.columns, real.columns, strict=True):
        expected = _entropy(theirs)
        if expected > 0:
            ratios.append(_entropy(mine) / expected)
    return float(np.mean(ratios)) if ratios else 1.0


def _entropy(codes: NDArray[np.integer]) -> float:
    shares = np.bincount(codes) / max(len(codes), 1)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
