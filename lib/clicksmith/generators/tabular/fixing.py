"""Exact codes in sampled rows, for networks that cannot be given them: rows are drawn until some have them.

A row is never written over: that would give it a code over columns that were drawn for another. What the
generator hardly ever makes is refused, and `Mix` then asks for other codes of the same group.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import Encoded
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.tabular.layout import Layout
from clicksmith.seeds import derive_seed

QUIET_ROUNDS = 32
"""So many rounds in succession without a row that is wanted are the last."""

MAX_ROUNDS = 512
"""So many are the last in any case, or as many as rows were missing after the first, where those are more."""

REMEDY = "Loosen the conditions, or use tabular_ar or tabular_gan, which draw every column given them."

Draw = Callable[[int, NDArray[np.int64]], Encoded]
"""From a seed, N rows; the row that each of them is drawn for is given, shape (N,)."""

Fixed = dict[int, NDArray[np.int64]]
"""Column index to the code that each row must have, shape (N,)."""


class TooRareError(ConfigError):
    """A generator hardly ever makes the rows that were asked for.

    Attributes:
        missing: which rows of the block, shape (N,).
    """

    missing: NDArray[np.bool_]


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


def redraw(
    draw: Draw, seed: int, num_rows: int, fixed: Fixed, given: NDArray[np.int64] | None = None
) -> Encoded:
    """Draw blocks until each row has got a drawn one with its fixed codes, or they hardly come up.

    A drawn row goes to the first row that still wants its codes. So what a row gets is distributed as the
    generator's rows with these codes are, and a block of many different wishes is soon served. Whole
    blocks, because a row's floats must not depend on how many others are still missing. Rows that get
    nothing are those of the first block that no row took; see `require`.

    Args:
        draw: makes rows.
        seed: of the sampling stream; the first block is drawn from it.
        num_rows: N, of the block.
        fixed: columns and their codes.
        given: what the draws for each row depend on, shape (N,): it takes such with its own value only.
            None: they depend on nothing.
    """
    drawn = draw(seed, np.arange(num_rows))
    if not fixed:
        return drawn
    given = np.zeros(num_rows, dtype=np.int64) if given is None else given
    columns, wanted = list(fixed), np.stack([*fixed.values(), given], axis=1)
    place, missing = _deal(wanted, np.concatenate([drawn.codes[:, columns], given[:, None]], axis=1))
    rows = Encoded(drawn.codes[place], drawn.positions[place])
    quiet = 0
    for attempt in range(1, max(MAX_ROUNDS, len(missing)) + 1):
        if not len(missing) or quiet == QUIET_ROUNDS:
            break
        purpose = np.resize(missing, num_rows)  # one after the other, again and again
        drawn = draw(derive_seed(seed, "attempt", attempt), purpose)
        has = np.concatenate([drawn.codes[:, columns], given[purpose, None]], axis=1)
        to, source = _pairs(wanted[missing], has)
        rows.codes[missing[to]], rows.positions[missing[to]] = drawn.codes[source], drawn.positions[source]
        missing = np.delete(missing, to)
        quiet = 0 if len(to) else quiet + 1
    return rows


def require(rows: Encoded, fixed: Fixed) -> Encoded:
    """The rows, if all have their fixed codes.

    Raises:
        TooRareError: some have not.
    """
    missing = np.zeros(len(rows), dtype=bool)
    for column, codes in fixed.items():
        missing |= rows.codes[:, column] != codes
    if missing.any():
        first = np.flatnonzero(missing)[0]
        wish = " and ".join(f"code {codes[first]} in column {column}" for column, codes in fixed.items())
        error = TooRareError(
            f"Of {len(rows):,} rows that were asked for {missing.sum():,} are missing: the generator hardly "
            f"ever makes one with {wish}.",
            REMEDY,
        )
        error.missing = missing
        raise error
    return rows


def _deal(wanted: NDArray[np.int64], has: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Deal out a block, each drawn row once: which one each row gets, and the rows that get a wrong one.

    Those get what is left, of their own value in the last column: what a draw depends on, alike in both.
    """
    to, source = _pairs(wanted, has)
    place = np.arange(len(wanted))
    missing, left = np.delete(place, to), np.delete(place, source)
    place[to] = source
    mine, theirs = (rows[np.argsort(has[rows, -1], kind="stable")] for rows in (missing, left))
    place[mine] = theirs
    return place, missing


def _pairs(wanted: NDArray[np.int64], has: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of equal rows, the first with the first, the second with the second: their numbers, (P,) each."""
    _, value = np.unique(np.concatenate([wanted, has]), axis=0, return_inverse=True)
    mine, theirs = (_number(part, len(value)) for part in np.split(value.reshape(-1), [len(wanted)]))
    _, to, source = np.intersect1d(mine, theirs, assume_unique=True, return_indices=True)
    return to, source


def _number(values: NDArray[np.int64], num_values: int) -> NDArray[np.int64]:
    """Each value and how many equal ones stand before it, as one number."""
    order = np.argsort(values, kind="stable")
    before = np.empty_like(values)
    before[order] = np.arange(len(values)) - np.searchsorted(values[order], values[order])
    return before * num_values + values
