"""Between gold.training_examples and what generators learn: features and labels, items, days."""

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.items import ItemCodec, ItemCounter
from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import TableStatistics
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import TrainingError
from clicksmith.seeds import counter_uniform, derive_seed
from clicksmith.tables.gold import FEATURE_COLUMNS, LABEL_COLUMNS
from clicksmith.tables.schema import TIMESTAMP

# Labels first, the deepest first: an autoregressive generator can then be given any of them exactly.
GENERATED_COLUMNS = (*reversed(LABEL_COLUMNS), *FEATURE_COLUMNS)
ITEM_ATTRIBUTES = ("item_category", "item_subcategory", "item_brand", "item_price", "item_num_purchases")
INPUT_COLUMNS = ("item_id", "event_ts", *(column.name for column in GENERATED_COLUMNS))
USER_COLUMN = "user_id"
"""Needed beside `INPUT_COLUMNS` where values of few users are protected."""
MAX_BINS = 64

_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True)
class ExampleCodec:
    """All codecs of a generator of training examples.

    Attributes:
        table: of the generated columns.
        items: of item_id.
        days: days since 1970 (UTC) with training rows and wholly before the newest training row's
            day, rising; only that day itself where there is no other.
        newest_us: the newest training row, microseconds since 1970.
    """

    table: TableCodec
    items: ItemCodec
    days: NDArray[np.int64]
    newest_us: int

    @classmethod
    def fit(cls, rows: pa.Table, min_users: int = 1) -> "ExampleCodec":
        """Fit on training rows in memory; see `fit_batches`."""
        options = _options(min_users)
        statistics = TableStatistics.of(rows, GENERATED_COLUMNS, options, limit=max(rows.num_rows, 1))
        return cls._fit(statistics, options, [rows])[0]

    @classmethod
    def fit_batches(
        cls, scan: Callable[[], Iterable[pa.Table]], min_users: int = 1
    ) -> "tuple[ExampleCodec, list[NDArray[np.int64]]]":
        """Fit on training rows with `INPUT_COLUMNS`, read twice, in memory that grows with the vocabulary.

        Args:
            scan: starts reading the rows; with `USER_COLUMN` too, where `min_users` is above 1.
            min_users: a category or an extreme must belong to so many users: `encoding.options.MIN_USERS`
                for real data. Item ids are those of the catalogue, not of users, and all kept.

        Returns:
            The codec, and the rows of each code of each sub-column.

        Raises:
            TrainingError: there are none.
            ContractError: there are fewer users than `min_users`.
        """
        options = _options(min_users)
        statistics = TableStatistics.of_batches(scan(), GENERATED_COLUMNS, options)
        return cls._fit(statistics, options, scan())

    @classmethod
    def _fit(
        cls, statistics: TableStatistics, options: Options, batches: Iterable[pa.Table]
    ) -> "tuple[ExampleCodec, list[NDArray[np.int64]]]":
        if statistics.num_rows == 0:
            raise TrainingError(
                "There is no training row for a generator (split 'train', holdout taken out).",
                "Ingest more data, or set features.cut_date later.",
            )
        table = TableCodec.from_statistics(statistics, GENERATED_COLUMNS, options)
        slots = dict(zip(table.names, table.slots, strict=True))
        cell = [index for name in ITEM_ATTRIBUTES for index in range(slots[name].start, slots[name].stop)]
        counter = ItemCounter(cell, [table.cardinalities[index] for index in cell])
        counts = [np.zeros(cardinality, dtype=np.int64) for cardinality in table.cardinalities]
        days, newest = np.empty(0, dtype=np.int64), 0
        for rows in batches:
            codes = table.encode(rows).codes
            counter.add(rows.column("item_id").combine_chunks(), codes)
            for column, count in enumerate(counts):
                count += np.bincount(codes[:, column], minlength=len(count))
            moments = rows.column("event_ts").cast(TIMESTAMP).cast(pa.int64()).to_numpy()
            days = np.union1d(days, moments // _DAY_US)
            newest = max(newest, int(moments.max(initial=newest)))
        codec = cls(table, counter.result(), days[:-1] if len(days) > 1 else days, newest)
        return codec, counts

    @property
    def core(self) -> TableCodec:
        """Of the generated columns: all that presets know."""
        return self.table

    @property
    def columns(self) -> tuple[str, ...]:
        """What `encode` needs."""
        return self.table.names

    def encode(self, rows: pa.Table) -> Encoded:
        """Codes of the generated columns."""
        return self.table.encode(rows)

    def decode(self, encoded: Encoded, seed: int, row_ids: NDArray[np.int64]) -> pa.Table:
        """Rows of generated columns, item_id and event_ts: functions of codes, seed and row id."""
        uniform = counter_uniform(derive_seed(seed, "decode"), row_ids, 3)
        rows = self.table.decode(with_uniform_rare(self.table, encoded, seed, row_ids))
        hour = rows.column("hour_of_day").to_numpy().astype(np.int64)
        weekday = rows.column("day_of_week").to_numpy().astype(np.int64)
        day = self._days_of(weekday, uniform[:, 0])
        moments = day * _DAY_US + hour * _HOUR_US + (uniform[:, 1] * _HOUR_US).astype(np.int64)
        moments = np.minimum(moments, self.newest_us - 1)  # only where the newest day is the only one
        index = rows.column_names.index("day_of_week")
        rows = rows.set_column(
            index, "day_of_week", pa.array(_weekday(day)).cast(rows.schema.field(index).type)
        )
        rows = rows.append_column("item_id", self.items.draw(encoded.codes, uniform[:, 2]))
        return rows.append_column("event_ts", pa.array(moments).cast(TIMESTAMP))

    def _days_of(self, weekday: NDArray[np.int64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
        """A training day with the weekday, uniformly; any training day where none has it."""
        order = np.argsort(_weekday(self.days), kind="stable")
        days, weekdays = self.days[order], _weekday(self.days)[order]
        low = np.searchsorted(weekdays, weekday, side="left")
        high = np.searchsorted(weekdays, weekday, side="right")
        low, high = np.where(high > low, low, 0), np.where(high > low, high, len(days))
        chosen: NDArray[np.int64] = days[low + (uniform * (high - low)).astype(np.int64)]
        return chosen

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_json` reads.

        Args:
            inline: with all ids; otherwise `to_parts` has them.
        """
        return {
            "table": self.table.to_json(inline),
            "items": self.items.to_json(inline),
            "days": self.days.tolist(),
            "newest_us": self.newest_us,
        }

    def to_parts(self) -> dict[str, bytes]:
        """File name to bytes: what is too long for JSON text where there are many items."""
        return {**self.table.to_parts(), **self.items.to_parts()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "ExampleCodec":
        """The inverse of `to_json`."""
        return cls.from_parts(value, {})

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], parts: Mapping[str, bytes]) -> "ExampleCodec":
        """The inverse of `to_json(inline=False)` and `to_parts`."""
        return cls(
            TableCodec.from_parts(value["table"], parts),
            ItemCodec.from_json(value["items"], parts),
            np.asarray(value["days"], dtype=np.int64),
            value["newest_us"],
        )


def with_uniform_rare(codec: TableCodec, encoded: Encoded, seed: int, row_ids: NDArray[np.int64]) -> Encoded:
    """Uniform positions where a code stands for protected values: samplers need not know of these."""
    rare = codec.rare_codes
    if not rare:
        return encoded
    uniform = counter_uniform(derive_seed(seed, "rare"), row_ids, len(rare)).astype(np.float32)
    positions = encoded.positions.copy()
    for place, (column, code) in enumerate(rare.items()):
        mine = encoded.codes[:, column] == code
        positions[mine, column] = np.minimum(uniform[mine, place], _BELOW_ONE)
    return Encoded(encoded.codes, positions)


def _options(min_users: int) -> Options:
    user_column = USER_COLUMN if min_users > 1 else None
    return Options(MAX_BINS, min_users=min_users, user_column=user_column)


def _weekday(days: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 is Monday; 1970-01-01 was a Thursday."""
    assert datetime.date(1970, 1, 1).isoweekday() == 4
    return (days + 3) % 7 + 1
