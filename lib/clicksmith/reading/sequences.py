"""Users' sequences as a next-item model reads them, and what it is asked on validation and test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import SequentialConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.guards import require_same_run
from clicksmith.reading.inputs import (
    USER,
    Items,
    distinct,
    items_to_json,
    load_attributes,
    require_rows,
    with_attributes,
)
from clicksmith.reading.next_items import NextItems
from clicksmith.reading.snapshot import load_table
from clicksmith.reading.windows import Windows
from clicksmith.recommenders.next_item.context import EventContext
from clicksmith.recommenders.next_item.sequence import Attributes

MAX_USERS = 500_000
"""Users trained on, and as many tested with, by hash of their id: bounds the memory."""

MAX_PROFILES = 4 * MAX_USERS
"""Profiles read, by the same hash: users without events have one too. Nothing is known of the others."""

COLUMNS = ("user_id", "item_ids", "event_types", "event_ts")

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class SequenceRows:
    """Users' sequences, and what a next-item model is asked.

    Attributes:
        source: gold.sequences.
        train: its rows of the train split, with the columns of users that the context asks for.
        items: that have a vector of their own.
        context: of events.
        histories: known items of each training user that has any, oldest first.
        evaluation: prefixes and what followed them, on validation and on test rows.
        codec: JSON value of how events are coded.
        attributes: of the items, or None.
    """

    source: Snapshot
    train: pa.Table
    items: Items
    context: EventContext
    histories: Sequence[NDArray[np.integer]]
    evaluation: Mapping[str, NextItems]
    codec: Any
    attributes: Attributes | None

    def windows(self, rows: pa.Table) -> Windows:
        """Training windows over rows like those of `train`.

        Raises:
            TrainingError: there are none.
        """
        windows = Windows.of(rows, self.items, self.context)
        if not len(windows):
            raise TrainingError(
                f"No training sequence in {self.source.uri} has known items of two moments.",
                "Ingest users with clicks, carts or purchases at two times before the cut.",
            )
        return windows


def read_sequences(
    config: SequentialConfig,
    inputs: Mapping[str, Snapshot],
    max_users: int = MAX_USERS,
    max_asked: int = MAX_USERS,
) -> SequenceRows:
    """Read the pinned snapshots.

    Args:
        config: of the network.
        inputs: see `steps.sequential_inputs`.
        max_users: of training, by hash of their id.
        max_asked: of validation and of test, likewise.

    Raises:
        TrainingError: there are no users, no items, or not what the configuration asks of them; or the
            vocabulary is of another run.
    """
    sequences = inputs["sequences"]
    require_same_run(inputs["vocabulary"], sequences)
    items = Items.load(inputs["vocabulary"], config.max_items)
    train = load_table(sequences, COLUMNS, {"split": "train"}, max_users)
    validation, test = (
        load_table(sequences, COLUMNS, {"split": split}, max_asked) for split in ("validation", "test")
    )
    require_rows(train, "train", sequences)
    context = EventContext(config.event_features)
    if config.user_features:
        train, validation, context = _with_users(config, inputs["user_profiles"], train, validation, context)
    known, later = (_by_user(rows, items.events(rows, context)) for rows in (train, validation))
    before_test = {
        user: np.concatenate([known.get(user, _NONE), later.get(user, _NONE)])
        for user in test.column("user_id").to_pylist()
    }
    evaluation = {
        "validation": NextItems.of(known, _by_user(validation, items.events(validation))),
        "test": NextItems.of(before_test, _by_user(test, items.events(test))),
    }
    taken = (events[events > 0] % len(items) for events in known.values())
    histories = [history for history in taken if len(history)]
    attributes = None
    if config.item_attributes:
        attributes = load_attributes(items, inputs["item_profiles"], config.item_attributes)
    codec = {
        "items": items_to_json(items),
        "sequential": config.model_dump(mode="json"),
        "user_values": context.user_values,
        "cardinalities": [] if attributes is None else list(attributes.cardinalities),
    }
    return SequenceRows(sequences, train, items, context, histories, evaluation, codec, attributes)


def _with_users(
    config: SequentialConfig,
    profiles: Snapshot,
    train: pa.Table,
    validation: pa.Table,
    context: EventContext,
) -> tuple[pa.Table, pa.Table, EventContext]:
    """Both with columns of their users' profiles, and a context that knows the values of training."""
    columns = config.user_features
    found = load_table(profiles, [USER, *columns], None, MAX_PROFILES)
    train, validation = (with_attributes(rows, found, columns) for rows in (train, validation))
    context = replace(context, user_values={c: distinct(train[c]).to_pylist() for c in columns})
    if empty := [name for name, values in context.user_values.items() if not values]:
        raise TrainingError(
            f"{profiles.uri} knows no {' or '.join(empty)} of any training user.",
            "Ingest users with it, or take it out of sequential.user_features.",
        )
    return train, validation, context


def _by_user(rows: pa.Table, events: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """The events of each user, oldest first."""
    ends = np.cumsum(pc.list_value_length(rows.column("item_ids")).to_numpy())
    return dict(zip(rows.column("user_id").to_pylist(), np.split(events, ends)[:-1], strict=True))
