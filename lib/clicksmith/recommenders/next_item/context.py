"""What is known of an event besides its item: its type, the time since the user's event before, its user.

An event is one number, its item's index plus V times the code of its context. Code 0 says that nothing is
known, so an item's index is an event too, and what needs no context takes events modulo V.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import EventFeature
from clicksmith.errors import ContractError

TYPES = ("click", "cart", "purchase")
GAPS = (60, 600, 3600, 6 * 3600, 86_400, 7 * 86_400, 30 * 86_400)
"""Borders in seconds. A first event has a gap of its own."""

SIZES: dict[EventFeature, int] = {"type": len(TYPES) + 1, "gap": len(GAPS) + 2}
"""Codes of each feature."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class EventContext:
    """What a model knows of events besides their items.

    Attributes:
        features: of the event itself.
        user_values: known values of each feature of the event's user; a value's code is its place, from 1.
    """

    features: tuple[EventFeature, ...] = ()
    user_values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Codes of each feature, those of the event first."""
        users = (len(values) + 1 for values in self.user_values.values())
        return (*(SIZES[name] for name in self.features), *users)

    def events(
        self,
        items: NDArray[np.integer],
        num_items: int,
        starts: Ints,
        types: pa.Array | None = None,
        times: Ints | None = None,
        users: Mapping[str, pa.Array] | None = None,
    ) -> Ints:
        """Events of users, one user after the other, oldest first; shape (E,).

        Args:
            items: indices, shape (E,), 0 where unknown, which stays 0.
            num_items: V.
            starts: where each user starts, and the end of the last; shape (U + 1,).
            types: shape (E,), of strings; others than TYPES share a code. For features of events.
            times: in microseconds, shape (E,), likewise.
            users: for features of users: each one's value of each user, shape (U,).

        Raises:
            ContractError: something that is asked for is not given.
        """
        digits = []
        for name in self.features:
            if types is None or times is None:
                raise _not_given(f"the {name} of events", "the types and times of all events")
            digits.append(_places(types, TYPES) if name == "type" else _gaps(times, starts))
        for column, values in self.user_values.items():
            if users is None or column not in users:
                raise _not_given(f"the {column} of users", "the profiles of users")
            digits.append(np.repeat(_places(users[column], values), np.diff(starts)))
        if not digits:
            return np.asarray(items, np.int64)
        context = np.zeros(len(items), np.int64)
        for digit, size in zip(digits, self.sizes, strict=True):
            context = context * size + digit
        return np.where(items > 0, items + num_items * (context + 1), 0)


def _not_given(feature: str, remedy: str) -> ContractError:
    return ContractError(
        f"The model was trained on {feature}, which was not given.", f"Pass {remedy} as well."
    )


def _places(values: pa.Array, known: Sequence[str]) -> Ints:
    """From 1, 0 where unknown or null."""
    found = pc.index_in(values, value_set=pa.array(known, pa.string()))
    return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64) + 1


def _gaps(times: Ints, starts: Ints) -> Ints:
    seconds = np.diff(times, prepend=0) / 1e6
    gaps = 1 + np.searchsorted(np.array(GAPS), seconds, side="right")
    first = starts[:-1][np.diff(starts) > 0]
    gaps[first] = 0
    return gaps
