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
from clicksmith.reading.guards import require_known_by_then, require_same_run
from clicksmith.reading.inputs import (
    USER,
    Items,
    Vocabulary,
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

COLUMNS = ("user_id", "item_ids", "event_types", "event_ts")

_NONE = np.empty(0, np.int64)


@dataclass(frozen=True)
class SequenceRows:
    """Users' sequences, and what a next-item model is asked.

    Attributes:
        source: gold.sequences.
        train: its rows of the train split, with the columns of users that the context asks for.
        items: that have a vector of their own.
        vocabulary: of these and all others.
        context: of events.
        histories: known items of each training user that has any, oldest first.
        evaluation: prefixes and what followed them, on validation and on test rows.
        taken: likewise, the distinct items that each of these users took, by their number in the vocabulary.
        codec: JSON value of how events are coded.
        attributes: of the items, or None.
    """

    source: Snapshot
    train: pa.Table
    items: Items
    vocabulary: Vocabulary
    context: EventContext
    histories: Sequence[NDArray[np.integer]]
    evaluation: Mapping[str, NextItems]
    taken: Mapping[str, Sequence[NDArray[np.int64]]]
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
        max_asked: of validation and of test, likewise; all that they took before is read, whether or not
            they are among the users of training.

    Raises:
        TrainingError: there are no users, no items, or not what the configuration asks of them; the
            vocabulary is of another run, or profiles know what is asked.
    """
    sequences = inputs["sequences"]
    require_same_run(inputs["vocabulary"], sequences)
    vocabulary = Vocabulary.load(inputs["vocabulary"])
    items = vocabulary.items(config.max_items)
    train = load_table(sequences, COLUMNS, {"split": "train"}, max_users)
    validation, test = asked = [
        load_table(sequences, COLUMNS, {"split": split}, max_asked) for split in ("validation", "test")
    ]
    require_rows(train, "train", sequences)
    for name in ("user_profiles", "item_profiles"):
        if name in inputs:
            require_known_by_then(inputs[name], asked)
    earlier = _with_rows_of(train, sequences, "train", max_users, asked)
    between = _with_rows_of(validation, sequences, "validation", max_asked, [test])
    context = EventContext(config.event_features)
    if config.user_features:
        profiles, num_users = inputs["user_profiles"], train.num_rows
        earlier, between, context = _with_users(config, profiles, earlier, between, num_users, context)
        train = earlier.slice(0, num_users)
    evaluation = _evaluation(items, context, earlier, between, validation, test)
    taken = {
        split: _taken(rows, vocabulary, evaluation[split].users)
        for split, rows in (("validation", validation), ("test", test))
    }
    known = _by_user(train, items.events(train))
    histories = [history for events in known.values() if len(history := events[events > 0])]
    attributes = None
    if config.item_attributes:
        attributes = load_attributes(items, inputs["item_profiles"], config.item_attributes)
    codec = {
        "items": items_to_json(items),
        "sequential": config.model_dump(mode="json"),
        "user_values": context.user_values,
        "cardinalities": [] if attributes is None else list(attributes.cardinalities),
    }
    return SequenceRows(
        sequences, train, items, vocabulary, context, histories, evaluation, taken, codec, attributes
    )


def _with_rows_of(
    rows: pa.Table, sequences: Snapshot, split: str, max_rows: int, asked: Sequence[pa.Table]
) -> pa.Table:
    """Rows of a split, then those of asked users that lie beyond the first `max_rows`, which `rows` are.

    The hash lets as many users of each split be read, which is not the same users where one split has more
    of them than another: who is asked would seem to have taken nothing before.
    """
    if rows.num_rows < max_rows:
        return rows
    users = pa.concat_arrays([part.column(USER).combine_chunks() for part in asked]).unique()
    missing = users.filter(pc.invert(pc.is_in(users, value_set=rows.column(USER).combine_chunks())))
    return pa.concat_tables(
        [rows, load_table(sequences, COLUMNS, {"split": split}, among=missing)]
    ).combine_chunks()


def _with_users(
    config: SequentialConfig,
    profiles: Snapshot,
    earlier: pa.Table,
    between: pa.Table,
    num_users: int,
    context: EventContext,
) -> tuple[pa.Table, pa.Table, EventContext]:
    """Both with columns of their users' profiles, and a context that knows the values of training.

    The first `num_users` of the earlier rows are trained on; users without any of these rows are not asked.
    """
    columns = config.user_features
    users = pa.concat_arrays([rows.column(USER).combine_chunks() for rows in (earlier, between)]).unique()
    found = load_table(profiles, [USER, *columns], among=users)
    earlier, between = (with_attributes(rows, found, columns) for rows in (earlier, between))
    train = earlier.slice(0, num_users)
    context = replace(context, user_values={c: distinct(train[c]).to_pylist() for c in columns})
    if empty := [name for name, values in context.user_values.items() if not values]:
        raise TrainingError(
            f"{profiles.uri} knows no {' or '.join(empty)} of any training user.",
            "Ingest users with it, or take it out of sequential.user_features.",
        )
    return earlier, between, context


def _evaluation(
    items: Items,
    context: EventContext,
    earlier: pa.Table,
    between: pa.Table,
    validation: pa.Table,
    test: pa.Table,
) -> dict[str, NextItems]:
    """What is asked in each split: of validation after the rows of training, of test after both."""
    known, later = (_by_user(rows, items.events(rows, context)) for rows in (earlier, between))
    before_test = {
        user: np.concatenate([known.get(user, _NONE), later.get(user, _NONE)])
        for user in test.column(USER).to_pylist()
    }
    return {
        "validation": NextItems.of(known, _by_user(validation, items.events(validation))),
        "test": NextItems.of(before_test, _by_user(test, items.events(test))),
    }


def _taken(rows: pa.Table, vocabulary: Vocabulary, users: Sequence[str]) -> list[NDArray[np.int64]]:
    """The distinct items in the rows of each user, by their number; 0 for those in no vocabulary."""
    found = _by_user(rows, vocabulary.numbers(pc.list_flatten(rows.column("item_ids"))))
    return [np.unique(found[user]) for user in users]


def _by_user(rows: pa.Table, events: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    """The events of each user, oldest first."""
    ends = np.cumsum(pc.list_value_length(rows.column("item_ids")).to_numpy())
    return dict(zip(rows.column("user_id").to_pylist(), np.split(events, ends)[:-1], strict=True))
