"""What recommenders read: coded examples and item indices, fitted on the train split only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.table import TableCodec
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.snapshot import load_table
from clicksmith.recommenders.next_item.context import EventContext
from clicksmith.recommenders.next_item.sequence import Attributes
from clicksmith.seeds import hash_buckets
from clicksmith.tables.gold import FEATURE_COLUMNS

MAX_ITEMS = 32_768
"""Items with an embedding of their own, the most frequent ones; rarer ones share index 0."""

FEATURES = tuple(column.name for column in FEATURE_COLUMNS)
ITEM = "item_id"
USER = "user_id"
ID = "example_id"
PRICE = "mean_price"
NUM_BANDS = 5


@dataclass(frozen=True)
class Items:
    """Item ids by index, from gold.vocabulary; index 0 is padding and everything unknown.

    Attributes:
        ids: the id of index 1, 2, ...
        num_outcomes: training outcomes of each, as next items are: shape (V - 1,).
    """

    ids: tuple[str, ...]
    num_outcomes: NDArray[np.int64]

    def __len__(self) -> int:
        """Indices, 0 included."""
        return len(self.ids) + 1

    def index(self, values: pa.Array | pa.ChunkedArray) -> NDArray[np.int32]:
        """The index of each id, 0 where unknown or null; shape (N,)."""
        found = pc.index_in(values, value_set=pa.array(self.ids, pa.string()))
        return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int32) + np.int32(1)

    def events(self, rows: pa.Table, context: EventContext | None = None) -> NDArray[np.int64]:
        """The events of rows of gold.sequences, see `context`, 0 where the item is unknown; shape (E,).

        Args:
            rows: with item_ids, and what the context asks for: event_types, event_ts, columns of users.
            context: of the events; None: items alone.
        """
        lists, starts = _lists_of(rows)
        flat = self.index(pc.list_flatten(lists))
        if context is None or not context.sizes:
            return flat.astype(np.int64)
        types, times = (
            pc.list_flatten(rows.column(name).combine_chunks()) for name in ("event_types", "event_ts")
        )
        us = times.cast(pa.int64()).to_numpy(zero_copy_only=False)
        users = {name: rows.column(name).combine_chunks() for name in context.user_values}
        return context.events(flat, len(self), starts, types, us, users)


@dataclass(frozen=True)
class Vocabulary:
    """All items of gold.vocabulary: what was there before the cut, with or without an index of its own.

    Attributes:
        ids: the id of number 1, 2, ..., the most frequent first; number 0 is an item that is in none.
        num_outcomes: training outcomes of each number, shape (W + 1,); 0 for number 0.
    """

    ids: pa.Array
    num_outcomes: NDArray[np.int64]

    @classmethod
    def load(cls, vocabulary: Snapshot) -> "Vocabulary":
        """From the table.

        Raises:
            TrainingError: it holds no items.
        """
        rows = load_table(vocabulary, ["value", "index", "num_outcomes"], {"field": ITEM}).sort_by("index")
        if rows.num_rows == 0:
            raise TrainingError(
                f"gold.vocabulary at {vocabulary.uri} has no field {ITEM!r}.",
                "Run build_training_set on data with purchases before the cut.",
            )
        counts = np.concatenate([[0], rows.column("num_outcomes").to_numpy()]).astype(np.int64)
        return cls(rows.column("value").combine_chunks(), counts)

    def items(self, max_items: int = MAX_ITEMS) -> Items:
        """The most frequent ones, which get an index: the same as their number here."""
        return Items(tuple(self.ids[:max_items].to_pylist()), self.num_outcomes[1 : max_items + 1])

    def numbers(self, ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """The number of each id, shape (N,)."""
        found = pc.index_in(ids, value_set=self.ids)
        return np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64) + 1


def _lists_of(rows: pa.Table) -> tuple[pa.ListArray, NDArray[np.int64]]:
    lists = rows.column("item_ids").combine_chunks()
    lengths = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
    return lists, np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def load_attributes(items: Items, profiles: Snapshot, columns: Sequence[str]) -> Attributes:
    """Codes of the items' attributes, as of the cut; a value's code is its rank among the distinct ones.

    The price band is the fifth of the items that its mean price falls in: 1 for the cheapest.

    Args:
        items: whose.
        profiles: of gold.item_profiles.
        columns: which attributes.
    """
    read = [PRICE if name == "price_band" else name for name in columns]
    rows = load_table(profiles, [ITEM, *dict.fromkeys(read)])
    index = items.index(rows.column(ITEM))
    codes = np.zeros((len(items), len(columns)), np.int64)
    cardinalities = []
    for place, name in enumerate(read):
        known = rows.column(name).filter(pa.array(index > 0)).combine_chunks()
        if name == PRICE:
            codes[index[index > 0], place] = _fifths(known.to_numpy(zero_copy_only=False))
            cardinalities.append(NUM_BANDS + 1)
            continue
        values = distinct(known)
        found = pc.fill_null(pc.index_in(known, value_set=values), -1)
        codes[index[index > 0], place] = found.to_numpy() + 1
        cardinalities.append(len(values) + 1)
    return Attributes(codes, tuple(cardinalities))


def distinct(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The known values, in their order."""
    return pc.unique(values).drop_null().sort()


def with_attributes(rows: pa.Table, profiles: pa.Table, columns: Sequence[str]) -> pa.Table:
    """Rows with columns of their users' profiles, null where a user has none.

    Args:
        rows: with user_id.
        profiles: with user_id and the columns.
        columns: which.
    """
    place = pc.index_in(rows.column(USER), value_set=profiles.column(USER).combine_chunks())
    for name in columns:
        rows = rows.append_column(name, profiles.column(name).combine_chunks().take(place))
    return rows


def _fifths(prices: NDArray[np.float64]) -> NDArray[np.int64]:
    """1 to NUM_BANDS by the quantiles of what is known, 0 for NaN; equal prices share a band."""
    known = ~np.isnan(prices)
    if not known.any():
        return np.zeros(len(prices), np.int64)
    borders = np.quantile(prices[known], np.arange(1, NUM_BANDS) / NUM_BANDS)
    return np.where(known, 1 + np.searchsorted(borders, prices, side="left"), 0)


@dataclass(frozen=True)
class RankerCodec:
    """Examples to integer codes: a column for each feature, then the item's index."""

    table: TableCodec
    items: Items
    oov_buckets: int = 0

    @classmethod
    def fit(cls, train_rows: pa.Table, items: Items, oov_buckets: int = 0) -> "RankerCodec":
        """Fit on rows of the train split.

        Args:
            train_rows: the rows.
            items: those with a code of their own.
            oov_buckets: codes that the others share by hash of their id; 0: all share the code 0.
        """
        return cls(TableCodec.fit(train_rows, FEATURE_COLUMNS), items, oov_buckets)

    @property
    def cardinalities(self) -> list[int]:
        """Codes of each input column."""
        return [*self.table.cardinalities, len(self.items) + self.oov_buckets]

    @property
    def names(self) -> list[str]:
        """The feature of each input column; one of several codes is named as often."""
        slots = self.table.slots
        names = [
            name for name, slot in zip(FEATURES, slots, strict=True) for _ in range(slot.stop - slot.start)
        ]
        return [*names, ITEM]

    def encode(self, rows: pa.Table) -> NDArray[np.int32]:
        """Codes of rows that hold the features and the item id, shape (N, C)."""
        codes = self.table.encode(rows).codes.astype(np.int32)
        ids = rows.column(ITEM)
        items = self.items.index(ids)
        if self.oov_buckets:
            unknown = (items == 0) & pc.is_valid(ids).to_numpy()
            buckets = hash_buckets(ids.filter(pa.array(unknown))) % self.oov_buckets
            items[unknown] = len(self.items) + buckets
        return np.column_stack([codes, items])

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        items = items_to_json(self.items)
        return {"table": self.table.to_json(), "items": items, "oov_buckets": self.oov_buckets}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "RankerCodec":
        """The inverse of `to_json`."""
        table, items = TableCodec.from_json(value["table"]), items_from_json(value["items"])
        return cls(table, items, value["oov_buckets"])


def items_to_json(items: Items) -> dict[str, Any]:
    """Items as a JSON-serialisable value."""
    return {"ids": list(items.ids), "num_outcomes": items.num_outcomes.tolist()}


def items_from_json(value: Mapping[str, Any]) -> Items:
    """The inverse of `items_to_json`."""
    return Items(tuple(value["ids"]), np.array(value["num_outcomes"], np.int64))


def user_numbers(rows: pa.Table, columns: Sequence[str] = (USER, ID)) -> NDArray[np.int64]:
    """A number in 0..U-1 for each row's user, shape (N,); a row without a user is one of its own."""
    user, example = (rows.column(name) for name in columns)
    known = pc.if_else(pc.is_valid(user), pc.binary_join_element_wise("u", user, ":"), None)
    names = pc.coalesce(known, pc.binary_join_element_wise("e", example, ":"))
    encoded = pa.chunked_array([names]) if isinstance(names, pa.Array) else names
    return np.asarray(encoded.combine_chunks().dictionary_encode().indices.to_numpy(), np.int64)


def require_rows(rows: pa.Table, split: str, snapshot: Snapshot, minimum: int = 1) -> pa.Table:
    """The rows, or an error that says what is missing.

    Raises:
        TrainingError: there are fewer rows than `minimum`.
    """
    if rows.num_rows < minimum:
        raise TrainingError(
            f"{snapshot.table.name} version {snapshot.version} has {rows.num_rows} rows in split {split!r}; "
            f"at least {minimum} were expected.",
            "Ingest more data, or move features.cut_fraction.",
        )
    return rows
