"""Exact codes in sampled rows, for networks that cannot be given them: draw anew until they match."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import Encoded
from clicksmith.errors import NotFittedError
from clicksmith.generators.layout import Layout
from clicksmith.seeds import derive_seed

MAX_TRIES = 64

Fixed = dict[int, NDArray[np.int64]]
"""Column index to the code that each row must have, shape (N,)."""


def first_column(fixed: Fixed) -> Fixed:
    """The first of the fixed columns alone."""
    return dict(list(fixed.items())[:1])


def check_fixed(layout: Layout, seen: Tensor, fixed: Fixed) -> None:
    """Refuse codes that no training row has: nothing is known of the rows around them.

    Args:
        layout: of the rows.
        seen: whether a training row has the flat mode, shape (S,).
        fixed: columns and their codes.

    Raises:
        NotFittedError: with the first such code.
    """
    for column, codes in fixed.items():
        start, known = int(layout.offsets[column]), np.zeros(int(layout.num_modes[column]), dtype=bool)
        known[:] = seen[start : start + len(known)].numpy()
        inside = (codes >= 0) & (codes < layout.cardinalities[column])
        modes = layout.modes_of(column, np.where(inside, codes, 0))
        refuse(column, codes[~(inside & known[modes])])


def check_codes(column: int, codes: NDArray[np.int64], seen: NDArray[np.bool_]) -> None:
    """The same for one column; `seen` says it for each of its codes."""
    inside = (codes >= 0) & (codes < len(seen))
    refuse(column, codes[~(inside & seen[np.where(inside, codes, 0)])])


def refuse(column: int, wrong: NDArray[np.int64]) -> None:
    """Raise if there is any code."""
    if len(wrong):
        raise NotFittedError(
            f"Rows with code {wrong[0]} in column {column} were asked for, which no training row has.",
            "Ask for values that occur in the training rows.",
        )


def redraw(draw: Callable[[int], Encoded], seed: int, fixed: Fixed) -> Encoded:
    """Whole blocks again and again; each row keeps its first draw that has all fixed codes.

    Rows that never have them within `MAX_TRIES` draws are given them. Whole blocks, because a row's
    floats must not depend on how many other rows were wrong.

    Args:
        draw: a seed to the block's rows.
        seed: of the sampling stream.
        fixed: columns and their codes.
    """
    rows = draw(seed)
    for attempt in range(1, MAX_TRIES):
        wrong = np.zeros(len(rows), dtype=bool)
        for column, codes in fixed.items():
            wrong |= rows.codes[:, column] != codes
        if not wrong.any():
            return rows
        other = draw(derive_seed(seed, "attempt", attempt))
        rows.codes[wrong], rows.positions[wrong] = other.codes[wrong], other.positions[wrong]
    give(rows, fixed)
    return rows


def give(rows: Encoded, fixed: Fixed) -> None:
    """Write the fixed codes into the rows; a position is kept where the code was right already."""
    for column, codes in fixed.items():
        rows.positions[rows.codes[:, column] != codes, column] = np.float32(0.5)
        rows.codes[:, column] = codes
