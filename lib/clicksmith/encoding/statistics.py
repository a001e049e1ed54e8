"""Statistics of a table from which codecs are fitted: of parts, merged, the same as of the whole.

They are collected over batches in bounded memory: numbers have at most `MAX_NUMBERS` cells a column,
other columns an entry for each distinct value. `synthesis.statistics` collects the same with Spark.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.hashing import hash_values
from clicksmith.encoding.lists import ListStatistics
from clicksmith.encoding.moments import gap_of
from clicksmith.encoding.number_statistics import MAX_NUMBERS, NumberStatistics
from clicksmith.encoding.options import KINDS, Options
from clicksmith.encoding.value_statistics import ValueStatistics
from clicksmith.errors import ContractError
from clicksmith.tables import Column

ColumnStatistics = ValueStatistics | NumberStatistics | ListStatistics

PATIENCE = 4
"""Parts are merged once they hold so many times the entries of the whole: each entry is seldom touched."""


@dataclass(frozen=True, eq=False)
class TableStatistics:
    """Statistics of a table's columns.

    Attributes:
        columns: by name.
        num_rows: of the table.
        users: hashes of distinct users, rising; the `min_users` smallest.
    """

    columns: Mapping[str, ColumnStatistics]
    num_rows: int
    users: NDArray[np.uint64]

    @classmethod
    def of(
        cls, rows: pa.Table, columns: Sequence[Column], options: Options, limit: int = MAX_NUMBERS
    ) -> "TableStatistics":
        """Statistics of rows in memory.

        Args:
            rows: with the columns, and the user column where users have to be told apart.
            columns: declarations.
            options: of the codecs.
            limit: distinct numbers of a column that are told apart.

        Raises:
            ContractError: a column is missing, cannot be cast to its type, or has a type without codec.
        """
        k = options.min_users
        if k > 1 and options.user_column is None:
            raise ContractError(
                f"min_users is {k}, but no user column is named.", "Set user_column, or min_users to 1."
            )
        users = np.zeros(rows.num_rows, dtype=np.uint64)
        if k > 1 and options.user_column is not None:
            column = column_of(rows, options.user_column)
            users = hash_values(column)
        statistics = {c.name: _column_statistics(rows, c, users, options, limit) for c in columns}
        distinct = np.unique(users)[:k] if k > 1 else np.empty(0, np.uint64)
        return cls(statistics, rows.num_rows, distinct)

    @classmethod
    def merge(
        cls, parts: Sequence["TableStatistics"], options: Options, limit: int = MAX_NUMBERS
    ) -> "TableStatistics":
        """Statistics of all rows of the parts; at least one part."""
        k = options.min_users
        columns = {
            name: merge_column([part.columns[name] for part in parts], k, limit) for name in parts[0].columns
        }
        users = np.unique(np.concatenate([part.users for part in parts]))[:k]
        return cls(columns, sum(part.num_rows for part in parts), users)

    @classmethod
    def of_batches(
        cls, batches: Iterable[pa.Table], columns: Sequence[Column], options: Options
    ) -> "TableStatistics":
        """Statistics of rows that come in batches, at least one (it may be empty)."""
        collector = Collector(columns, options)
        for batch in batches:
            collector.add(batch)
        return collector.result()

    @property
    def num_entries(self) -> int:
        """What its memory grows with."""
        return sum(column.num_entries for column in self.columns.values())


class Collector:
    """Collects statistics batch by batch.

    Args:
        columns: declarations.
        options: of the codecs.
    """

    def __init__(self, columns: Sequence[Column], options: Options) -> None:
        self._columns, self._options = columns, options
        self._parts: list[TableStatistics] = []
        self._pending = 0

    def add(self, rows: pa.Table) -> None:
        """Count the rows of a batch."""
        part = TableStatistics.of(rows, self._columns, self._options)
        self._parts.append(part)
        self._pending += part.num_entries
        if self._pending > PATIENCE * max(self._parts[0].num_entries, 1 << 14):
            self._parts = [TableStatistics.merge(self._parts, self._options)]
            self._pending = 0

    @property
    def num_entries(self) -> int:
        """What its memory grows with."""
        return self._pending + (self._parts[0].num_entries if self._parts else 0)

    def result(self) -> TableStatistics:
        """Statistics of all batches so far; at least one."""
        self._parts, self._pending = [TableStatistics.merge(self._parts, self._options)], 0
        return self._parts[0]


def statistics_kind(column: Column, options: Options) -> type[ColumnStatistics]:
    """Which statistics a column needs.

    Raises:
        ContractError: its type has no codec, or not the kind that the options want.
    """
    type_, kind = column.type, options.kinds.get(column.name, "")
    is_number = pa.types.is_integer(type_) or pa.types.is_floating(type_)
    is_moment = pa.types.is_timestamp(type_) or pa.types.is_date32(type_)
    fitting = {
        "category": pa.types.is_string(type_) or pa.types.is_boolean(type_),
        "identifier": pa.types.is_string(type_) or pa.types.is_integer(type_),
        "number": is_number or is_moment,
        "moment": is_moment,
        "gap:": pa.types.is_timestamp(type_),
        "list": pa.types.is_list(type_) and pa.types.is_string(type_.value_type),
    }
    if not any(fitting.values()):
        raise ContractError(
            f"Column {column.name} is of type {type_}, which has no codec.",
            "Strings, booleans, integers, floats, timestamps, dates and lists of strings have one.",
        )
    if kind and not fitting.get(kind.partition(":")[0] + ":" * (":" in kind), False):
        raise ContractError(
            f"Column {column.name} of type {type_} cannot have a codec of the kind {kind!r}.",
            f"Kinds are {', '.join(KINDS)}; without one, type and values decide.",
        )
    if fitting["list"]:
        return ListStatistics
    return ValueStatistics if fitting["category"] or kind == "identifier" else NumberStatistics


def merge_column(parts: Sequence[ColumnStatistics], k: int, limit: int = MAX_NUMBERS) -> ColumnStatistics:
    """Statistics of one column over all parts, which are of one kind."""
    if isinstance(parts[0], NumberStatistics):
        return NumberStatistics.merge([p for p in parts if isinstance(p, NumberStatistics)], k, limit)
    if isinstance(parts[0], ListStatistics):
        return ListStatistics.merge([p for p in parts if isinstance(p, ListStatistics)], k)
    return ValueStatistics.merge([p for p in parts if isinstance(p, ValueStatistics)], k)


def column_of(rows: pa.Table, name: str, type_: pa.DataType | None = None) -> pa.Array:
    """A column as one array of its type.

    Raises:
        ContractError: it is missing, or cannot be cast.
    """
    if name not in rows.column_names:
        raise ContractError(
            f"Rows lack the column {name}; they have {', '.join(rows.column_names)}.",
            "Fit and use a codec on tables of the same contract.",
        )
    array = rows.column(name)
    try:
        array = array.cast(type_) if type_ is not None and array.type != type_ else array
    except pa.ArrowException as error:
        raise ContractError(
            f"Column {name} is of type {array.type}, {type_} was expected: {error}."
        ) from None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def base_of(column: Column, options: Options) -> str | None:
    """The column from which this one's moments are counted, if any."""
    kind, _, base = options.kinds.get(column.name, "").partition(":")
    return base if kind == "gap" else None


def _column_statistics(
    rows: pa.Table, column: Column, users: NDArray[np.uint64], options: Options, limit: int
) -> ColumnStatistics:
    kind = statistics_kind(column, options)
    array, k = column_of(rows, column.name, column.type), options.min_users
    base = base_of(column, options)
    if base is not None:
        array = gap_of(array, column_of(rows, base))
    if issubclass(kind, NumberStatistics):
        return NumberStatistics.of(array, users, k, limit)
    return kind.of(array, users, k)
