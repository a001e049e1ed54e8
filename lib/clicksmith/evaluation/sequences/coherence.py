"""Whether the events of an owner go together.

As in mostly-ai/mostlyai-qa, written anew: a figure is 1 - 1/2 sum |p - q| of shares in coarse bins, those of
`Coding.coarse_bins`: ten quantile bins of the real values; the ten most frequent categories, and all others.

Shapes: N owners, E events, C columns, R rows that are counted.
"""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.evaluation.figures import Figures, with_mean
from clicksmith.evaluation.samples import spread
from clicksmith.evaluation.samples.sample import Coding, columns_of
from clicksmith.evaluation.sequences.coded import Coded, by_owner
from clicksmith.seeds import counter_uniform, derive_seed

Codes = NDArray[np.int64]
Rows = tuple[Codes, Codes]
"""Codes, shape (R,), and whose each of them is, shape (R,)."""
MANY = 4
"""Events of one category from which on an owner counts as one of many."""


def coherence_figures(coding: Coding, real: Coded, other: Coded, seed: int) -> Figures:
    """Four figures, each by column and their mean.

    ``coherence.neighbours``: a column in two consecutive events, one pair an owner, drawn at random.
    ``coherence.distinct``: how many distinct values an owner has.
    ``coherence.categories``: which categories or bins occur in how many owners' events.
    ``coherence.counts``: how often each of them does with one owner: never, once, ..., `MANY` times or more.

    Args:
        coding: of events, fitted on real owners.
        real: training owners.
        other: as many others.
        seed: of the pairs.
    """
    drawn = derive_seed(seed, "neighbours")
    coarse = [coding.coarse_bins(side.events) for side in (real, other)]
    pairs = [
        _neighbours(s, codes, coding.num_coarse, drawn)
        for s, codes in zip((real, other), coarse, strict=True)
    ]
    distinct = _distinct(coding, real, other)

    def measured(metric: str, parts: Callable[[int], list[tuple[Rows, Rows]]]) -> Figures:
        by_column = {name: parts(column) for column, name in enumerate(real.names)}
        return with_mean(metric, _similarity(by_column, len(real), len(other)), real.owners, other.owners)

    def categories(column: int) -> list[tuple[Rows, Rows]]:
        found = [_once(s.owner_of, codes[:, column]) for s, codes in zip((real, other), coarse, strict=True)]
        return [(found[0], found[1])]

    def counts(column: int) -> list[tuple[Rows, Rows]]:
        codes = [side[:, column] for side in coarse]
        found = [
            [_times(s, of_side == code) for s, of_side in zip((real, other), codes, strict=True)]
            for code in np.unique(codes[0])
        ]
        return [(a, b) for a, b in found]

    return {
        **measured("coherence.neighbours", lambda column: [(pairs[0][column], pairs[1][column])]),
        **measured("coherence.distinct", lambda column: [(distinct[0][column], distinct[1][column])]),
        **measured("coherence.categories", categories),
        **measured("coherence.counts", counts),
    }


def _similarity(
    by_column: dict[str, list[tuple[Rows, Rows]]], num_real: int, num_other: int
) -> spread.Similarity[str]:
    """Of each column the mean of what is held against one another; pulls are the owners'.

    What real owners lack is left out; what only they have is worth 0.
    """
    found, mean = {}, spread.MeanPull(num_real, num_other)
    for name, parts in by_column.items():
        values, pulls = [], spread.MeanPull(num_real, num_other)
        for (a, of_a), (b, of_b) in parts:
            if not len(a):
                continue
            value, to_a, to_b = spread.tables(a, b) if len(b) else (0.0, np.zeros(len(a)), np.zeros(0))
            values.append(value)
            pulls.add(by_owner(to_a, of_a, num_real), by_owner(to_b, of_b, num_other))
        if values:
            found[name] = float(np.mean(values))
            pull = pulls.pull()
            mean.add(pull.real, pull.other)
    return spread.Similarity(found, mean.pull())


def _neighbours(side: Coded, codes: Codes, num_codes: int, seed: int) -> list[Rows]:
    """By column the codes of one random pair of consecutive events an owner, and whether they are the same.

    Of a category of many values nearly all pairs are "other" and "other": that a value comes again is seen
    apart.
    """
    owners = np.flatnonzero(side.lengths > 1)
    drawn = counter_uniform(seed, owners, 1)[:, 0] * (side.lengths[owners] - 1)
    first = side.offsets[owners] + drawn.astype(np.int64)
    same = side.events.values[first] == side.events.values[first + 1]
    joint = (codes[first] * num_codes + codes[first + 1]) * 2 + same
    return [(joint[:, column], owners) for column in range(side.num_columns)]


def _distinct(coding: Coding, real: Coded, other: Coded) -> list[list[Rows]]:
    """For either side and each column how many distinct values each owner has, in bins of the real counts."""
    tables = []
    for side in (real, other):
        codes = coding.bins(side.events)
        owners = [_once(side.owner_of, codes[:, column])[1] for column in range(side.num_columns)]
        counts = [np.bincount(of_column, minlength=len(side)) for of_column in owners]
        tables.append(pa.table(dict(zip(side.names, counts, strict=True))))
    binning = Coding.fit(tables[0], columns_of(tables[0].schema))
    bins = [binning.bins(binning.encode(table)) for table in tables]
    return [[(column, np.arange(len(side))) for column in side.T] for side in bins]


def _once(owners: Codes, codes: Codes) -> Rows:
    """Each code once for each owner who has it."""
    base = int(codes.max(initial=0)) + 1
    pairs = np.unique(owners * base + codes)
    return pairs % base, pairs // base


def _times(side: Coded, hits: NDArray[np.bool_]) -> Rows:
    """How often each owner's events hit."""
    times = np.bincount(side.owner_of[hits], minlength=len(side))
    return np.minimum(times, MANY), np.arange(len(side))
