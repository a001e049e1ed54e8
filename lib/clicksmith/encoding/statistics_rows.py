"""Statistics as rows of one Arrow table, so that an engine can shuffle them between workers.

Any subset of the rows is again a statistic, of which the merge is the statistic of the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.hashing import hash_values
from clicksmith.encoding.lists import ListStatistics
from clicksmith.encoding.number_statistics import NumberStatistics
from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import ColumnStatistics, TableStatistics
from clicksmith.encoding.value_statistics import ValueStatistics
from clicksmith.errors import ContractError
from clicksmith.tables import Column

Leaf = ValueStatistics | NumberStatistics
"""A statistic that is not made of others; a list has two."""

SCHEMA = pa.schema(
    [
        pa.field("leaf", pa.string()),
        pa.field("bucket", pa.int32()),
        pa.field("what", pa.string()),
        pa.field("text", pa.string()),
        pa.field("number", pa.int64()),
        pa.field("low", pa.float64()),
        pa.field("count", pa.int64()),
        pa.field("users", pa.list_(pa.int64())),
    ]
)
"""`leaf` names the statistic, `what` says which of its attributes a row is of: value, null, rare, cell
(with its shift in `text`), places, lowest, highest, or rows and users of the table (leaf "")."""

NUM_BUCKETS = 64
TABLE = ""


def leaves_of(statistics: Mapping[str, ColumnStatistics]) -> dict[str, Leaf]:
    """The statistics of all columns, lists taken apart."""
    leaves: dict[str, Leaf] = {}
    for name, column in statistics.items():
        if isinstance(column, ListStatistics):
            leaves[f"lengths/{name}"], leaves[f"elements/{name}"] = column.lengths, column.elements
        else:
            leaves[f"column/{name}"] = column
    return leaves


def to_rows(statistics: TableStatistics, bucket: int) -> pa.Table:
    """All statistics of a part; values go to a bucket by their hash, all else to the given one."""
    parts = [_rows(TABLE, "rows", count=[statistics.num_rows]), _user_rows(TABLE, "users", statistics.users)]
    for name, leaf in leaves_of(statistics.columns).items():
        parts.extend(_value_rows(name, leaf) if isinstance(leaf, ValueStatistics) else _cell_rows(name, leaf))
    rows = pa.concat_tables(parts)
    buckets = rows.column("bucket").fill_null(bucket % NUM_BUCKETS)
    return rows.set_column(1, SCHEMA.field("bucket"), buckets)


class RowCollector:
    """Merges rows of statistics as they come.

    Args:
        empty: statistics of no row: which leaves there are, and the types of their values.
        options: of the codecs.
    """

    def __init__(self, empty: TableStatistics, options: Options) -> None:
        self._leaves, self._k = leaves_of(empty.columns), options.min_users
        self._columns, self._options = empty.columns, options
        self._pending: dict[str, list[Leaf]] = {name: [] for name in self._leaves}
        self._num_rows, self._users = 0, empty.users

    def add(self, rows: pa.Table) -> None:
        """Merge some rows, in any order."""
        for name, mine in _groups(rows, "leaf"):
            if name == TABLE:
                self._num_rows += pc.sum(mine.column("count")).as_py() or 0
                _, users = _users(mine.filter(pc.equal(mine.column("what"), "users")))
                self._users = np.unique(np.concatenate([self._users, users]))[: self._k]
                continue
            leaf, pending = self._leaves[name], self._pending[name]
            pending.append(_leaf(mine, leaf, self._k))
            if sum(part.num_entries for part in pending) > 4 * max(leaf.num_entries, 1 << 14):
                self._settle(name)

    def result(self, protect: bool = False) -> TableStatistics:
        """Statistics of all rows so far.

        Args:
            protect: whether the rows hold all there is of each value, so that rare ones can be left out.
        """
        for name in self._leaves:
            self._settle(name)
        done = {
            name: leaf.protect(self._options.users_of(name.partition("/")[2]))
            if protect and isinstance(leaf, ValueStatistics)
            else leaf
            for name, leaf in self._leaves.items()
        }
        return TableStatistics(
            {name: _column(name, column, done) for name, column in self._columns.items()},
            self._num_rows,
            self._users,
        )

    def _settle(self, name: str) -> None:
        parts = [self._leaves[name], *self._pending[name]]
        if isinstance(self._leaves[name], ValueStatistics):
            self._leaves[name] = ValueStatistics.merge(
                [part for part in parts if isinstance(part, ValueStatistics)], self._k
            )
        else:
            self._leaves[name] = NumberStatistics.merge(
                [part for part in parts if isinstance(part, NumberStatistics)], self._k
            )
        self._pending[name] = []


def mark_protected(statistics: TableStatistics) -> TableStatistics:
    """The same statistics, whose rare values have been left out where they were counted."""
    marked: dict[str, ColumnStatistics] = {}
    for name, column in statistics.columns.items():
        if isinstance(column, ListStatistics):
            column = replace(column, elements=replace(column.elements, protected=True))
        elif isinstance(column, ValueStatistics):
            column = replace(column, protected=True)
        marked[name] = column
    return replace(statistics, columns=marked)


def empty_statistics(schema: pa.Schema, columns: Sequence[Column], options: Options) -> TableStatistics:
    """Statistics of no row; checks that rows of a schema can have any.

    Raises:
        ContractError: a column is missing, or has another type than declared.
    """
    for column in columns:
        index = schema.get_field_index(column.name)
        if index >= 0 and _family(schema.field(index).type) != _family(column.type):
            raise ContractError(
                f"Column {column.name} is of type {schema.field(index).type}, {column.type} was expected.",
                "Fit and use a codec on tables of the same contract.",
            )
    return TableStatistics.of(schema.empty_table(), columns, options)


def _family(type_: pa.DataType) -> str:
    """Types that hold each other's values."""
    if pa.types.is_integer(type_) or pa.types.is_floating(type_):
        return "number"
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return "string"
    return str(type_).partition("[")[0].partition("<")[0]


def _column(name: str, column: ColumnStatistics, leaves: Mapping[str, Leaf]) -> ColumnStatistics:
    if not isinstance(column, ListStatistics):
        return leaves[f"column/{name}"]
    lengths, elements = leaves[f"lengths/{name}"], leaves[f"elements/{name}"]
    assert isinstance(lengths, NumberStatistics) and isinstance(elements, ValueStatistics)
    return ListStatistics(lengths, elements)


def _rows(leaf: str, what: str, **columns: object) -> pa.Table:
    """Rows of one leaf and kind; columns not given are null."""
    given = {name: _array(value, SCHEMA.field(name).type) for name, value in columns.items()}
    size = len(next(iter(given.values())))
    constants = {"leaf": leaf, "what": what}
    arrays = [
        given[field.name]
        if field.name in given
        else pa.repeat(pa.scalar(constants.get(field.name), field.type), size)
        for field in SCHEMA
    ]
    return pa.table(arrays, schema=SCHEMA)


def _array(value: object, type_: pa.DataType) -> pa.Array:
    return value if isinstance(value, pa.Array) else pa.array(value, type_)


def _user_rows(
    leaf: str, what: str, users: NDArray[np.uint64], low: NDArray[np.float64] | None = None
) -> pa.Table:
    lists = _lists(np.arange(len(users)), users, len(users))
    return _rows(leaf, what, users=lists) if low is None else _rows(leaf, what, users=lists, low=low)


def _value_rows(name: str, leaf: ValueStatistics) -> list[pa.Table]:
    bucket = (hash_values(leaf.values) % np.uint64(NUM_BUCKETS)).astype(np.int32)
    users = _lists(leaf.owners, leaf.users, len(leaf.values))
    text = leaf.values.cast(pa.string())
    return [
        _rows(name, "value", bucket=bucket, text=text, count=leaf.counts, users=users),
        _rows(name, "null", count=[leaf.num_null]),
        _rows(name, "rare", count=[leaf.num_rare]),
    ]


def _cell_rows(name: str, leaf: NumberStatistics) -> list[pa.Table]:
    users = _lists(leaf.owners, leaf.users, len(leaf.cells))
    shift = pa.repeat(pa.scalar(str(leaf.shift)), len(leaf.cells))
    return [
        _rows(name, "cell", text=shift, number=leaf.cells, low=leaf.lows, count=leaf.counts, users=users),
        _rows(name, "null", count=[leaf.num_null]),
        _rows(name, "places", number=[leaf.places]),
        _user_rows(name, "lowest", leaf.lowest_users, leaf.lowest),
        _user_rows(name, "highest", leaf.highest_users, leaf.highest),
    ]


def _leaf(rows: pa.Table, like: Leaf, k: int) -> Leaf:
    """The statistic that some rows of one leaf are."""
    of = dict(_groups(rows, "what"))
    nothing = rows.slice(0, 0)
    num_null = pc.sum(of.get("null", nothing).column("count")).as_py() or 0
    if isinstance(like, ValueStatistics):
        values = of.get("value", nothing)
        text = values.column("text").combine_chunks()
        num_rare = pc.sum(of.get("rare", nothing).column("count")).as_py() or 0
        entries = text.cast(like.values.type), _integers(values.column("count")), *_users(values)
        return ValueStatistics(*entries, num_null, num_rare).normalized(k)
    cells = of.get("cell", nothing)
    shifts = _integers(cells.column("text").cast(pa.int64()))
    shift = int(shifts.max(initial=0))
    lowest, highest = of.get("lowest", nothing), of.get("highest", nothing)
    part = NumberStatistics(
        shift,
        _integers(cells.column("number")) >> (shift - shifts),
        _integers(cells.column("count")),
        cells.column("low").to_numpy(),
        *_users(cells),
        lowest.column("low").to_numpy(),
        _users(lowest)[1],
        highest.column("low").to_numpy(),
        _users(highest)[1],
        int(np.bitwise_or.reduce(_integers(of.get("places", nothing).column("number")), initial=0)),
        num_null,
    )
    return NumberStatistics.merge([like.without_rows(), part], k)


def _groups(rows: pa.Table, name: str) -> Iterator[tuple[str, pa.Table]]:
    for value in pc.unique(rows.column(name)).to_pylist():
        yield value, rows.filter(pc.equal(rows.column(name), value))


def _lists(owners: NDArray[np.int64], users: NDArray[np.uint64], size: int) -> pa.Array:
    """The users of each owner 0..size-1 as a list, bit for bit as int64: Spark has no unsigned type."""
    offsets = np.searchsorted(owners, np.arange(size + 1)).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(users.view(np.int64)))


def _users(rows: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """The inverse of `_lists`."""
    lists = rows.column("users").combine_chunks()
    lengths = pc.list_value_length(lists).fill_null(0).to_numpy(zero_copy_only=False)
    owners = np.repeat(np.arange(len(lists)), lengths)
    return owners, lists.flatten().to_numpy(zero_copy_only=False).view(np.uint64)


def _integers(column: pa.ChunkedArray) -> NDArray[np.int64]:
    return np.asarray(column.to_numpy(), dtype=np.int64)
