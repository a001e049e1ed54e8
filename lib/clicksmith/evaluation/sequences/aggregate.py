"""Owners as rows: what can be said of an owner's events as a whole, and of their order.

C2ST-Agg tells such rows apart ("Benchmarking the Fidelity and Utility of Synthetic Relational Data", 2024,
arXiv 2410.03411). Nearest neighbours among them are owners who are alike.

Shapes: N owners, E events.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation.samples.sample import Sample
from clicksmith.tables import Column

Floats = NDArray[np.float64]


def aggregate(
    side: Sequences, events: Sample, columns: Sequence[Column], owner_columns: Sequence[Column]
) -> pa.Table:
    """A row an owner.

    Columns: the owner's own; how many events it has; and of each column of events how many distinct values
    there are, the share of the most frequent one, the first, the last, and how neighbours differ: by how much
    on average, or, of a category, how often. Of a number its mean, minimum and maximum besides. What an owner
    without events, or without known values, does not have is null.

    Args:
        side: the owners.
        events: its events, coded, with all `columns` among their own.
        columns: of events.
        owner_columns: of owners.
    """
    lengths, offsets = side.lengths, side.offsets
    found: dict[str, pa.Array | NDArray[np.number]] = {
        c.name: side.owners.column(c.name) for c in owner_columns
    }
    found["events"] = lengths
    ends = {"first": offsets[:-1], "last": offsets[1:] - 1}
    places = {end: pa.array(np.where(lengths > 0, at, 0), mask=lengths == 0) for end, at in ends.items()}
    for column in columns:
        index = events.names.index(column.name)
        values, is_category = events.values[:, index], bool(events.is_categorical[index])
        for what, aggregated in _of_values(values, offsets, is_category).items():
            found[f"{column.name}: {what}"] = pa.array(aggregated, from_pandas=True)
        for end, at in places.items():
            found[f"{column.name}: {end}"] = side.events.column(column.name).take(at)
    return pa.table(found)


def _of_values(values: Floats, offsets: NDArray[np.int64], is_category: bool) -> dict[str, Floats]:
    """Numbers of each owner, each of shape (N,); NaN where there is none."""
    lengths = np.diff(offsets)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    distinct, most = _repeats(values, owners, len(lengths))
    with np.errstate(invalid="ignore"):
        shared = most / lengths
    found = {"distinct": distinct, "most frequent": shared}
    steps = np.diff(values)
    change = (steps != 0).astype(np.float64) if is_category else np.abs(steps)
    inner = owners[1:] == owners[:-1]
    found["change"] = _mean(change[inner], owners[1:][inner], len(lengths))
    if not is_category:
        found["mean"] = _mean(values, owners, len(lengths))
        filled = lengths > 0
        for name, least in (("minimum", np.fmin), ("maximum", np.fmax)):
            extreme = np.full(len(lengths), np.nan)
            extreme[filled] = least.reduceat(values, offsets[:-1][filled]) if filled.any() else np.nan
            found[name] = extreme
    return found


def _repeats(values: Floats, owners: NDArray[np.int64], num_owners: int) -> tuple[Floats, Floats]:
    """How many distinct values each owner has, missing ones being one, and how often the most frequent is."""
    known, codes = np.unique(values, return_inverse=True)
    key, counts = np.unique(owners * len(known) + codes, return_counts=True)
    owner = key // max(len(known), 1)
    most = np.zeros(num_owners)
    np.maximum.at(most, owner, counts)
    return np.bincount(owner, minlength=num_owners).astype(np.float64), most


def _mean(values: Floats, owners: NDArray[np.int64], num_owners: int) -> Floats:
    """Of the known values."""
    known = ~np.isnan(values)
    counts = np.bincount(owners[known], minlength=num_owners)
    sums = np.bincount(owners[known], values[known], num_owners)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
