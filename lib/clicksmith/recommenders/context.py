"""What is known of an event besides its item: its type, and the time since the user's event before.

An event is one number, its item's index plus V times the code of its context. Code 0 says that nothing is
known, so an item's index is an event too, and what needs no context takes events modulo V.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import EventFeature

TYPES = ("click", "cart", "purchase")
GAPS = (60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400)
"""Borders in seconds. A first event has a gap of its own."""

SIZES: dict[EventFeature, int] = {"type": len(TYPES) + 1, "gap": len(GAPS) + 2}
"""Codes of each feature."""

Ints = NDArray[np.int64]


def num_contexts(features: Sequence[EventFeature]) -> int:
    """Codes of a whole context, that of nothing known included."""
    return 1 + int(np.prod([SIZES[name] for name in features])) if features else 1


def events_of(
    items: NDArray[np.integer],
    num_items: int,
    features: Sequence[EventFeature],
    types: pa.Array,
    times: Ints,
    starts: Ints,
) -> Ints:
    """Events of users, one user after the other, oldest first.

    Args:
        items: indices, shape (E,), 0 where unknown, which stays 0.
        num_items: V.
        features: which make the context.
        types: shape (E,), of strings; others than TYPES share a code.
        times: in microseconds, shape (E,).
        starts: where each user starts, and the end of the last.
    """
    context = np.zeros(len(items), np.int64)
    for name in features:
        context = context * SIZES[name] + (_types(types) if name == "type" else _gaps(times, starts))
    return np.where(items > 0, items + num_items * (context + bool(features)), 0)


def _types(types: pa.Array) -> Ints:
    found = pc.index_in(types, value_set=pa.array(TYPES))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64) + 1


def _gaps(times: Ints, starts: Ints) -> Ints:
    seconds = np.diff(times, prepend=0) / 1e6
    gaps = 1 + np.searchsorted(np.array(GAPS), seconds, side="right")
    first = starts[:-1][np.diff(starts) > 0]
    gaps[first] = 0
    return gaps
