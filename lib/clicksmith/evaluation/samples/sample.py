"""Rows of mixed columns as one numeric matrix, the shape that every figure here works on.

Shapes: N rows, C columns, K values of a category.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.errors import ContractError
from clicksmith.tables import Column

MISSING = 0
MAX_CATEGORIES = 250
"""Values of a category that are told apart by themselves; where there are more, values of like frequency are
taken together: of items in a catalogue hardly one is in two samples often enough to compare."""
NUM_TOP = 10
"""Categories that coarse codes tell apart: the most frequent ones."""
NUM_GROUPS = 20
"""Of a wide category, at most: a twentieth of the rows each."""


@dataclass(frozen=True)
class Sample:
    """Coded rows.

    Attributes:
        names: the C columns.
        is_categorical: shape (C,).
        values: shape (N, C), float64. A category's code (0 missing, then by falling frequency in the
            reference, last: unseen there), or the number itself with NaN where it is missing.
        users: a number of each row's user, shape (N,), or None: each row stands for itself.
    """

    names: tuple[str, ...]
    is_categorical: NDArray[np.bool_]
    values: NDArray[np.float64]
    users: NDArray[np.int64] | None = None

    @property
    def num_rows(self) -> int:
        """N."""
        return int(self.values.shape[0])

    @property
    def num_users(self) -> int:
        """Users, or rows where these are not known."""
        return self.num_rows if self.users is None else len(np.unique(self.users))

    def head(self, num_rows: int) -> "Sample":
        """The first rows: a sample in hash order stays one."""
        return self.take(slice(num_rows))

    def tail(self, start: int) -> "Sample":
        """The rows from `start` on."""
        return self.take(slice(start, None))

    def take(self, rows: slice | NDArray[np.bool_]) -> "Sample":
        """Some of the rows, in their order."""
        users = None if self.users is None else self.users[rows]
        return Sample(self.names, self.is_categorical, self.values[rows], users)

    def of_columns(self, names: Sequence[str]) -> "Sample":
        """Some of the columns, in the order of `names`, of all rows."""
        chosen = [self.names.index(name) for name in names]
        return Sample(tuple(names), self.is_categorical[chosen], self.values[:, chosen], self.users)

    def of_users(self, num_users: int) -> "Sample":
        """All rows of so many users, those of the smallest numbers."""
        if self.users is None:
            return self.head(num_users)
        return self.take(np.isin(self.users, np.unique(self.users)[:num_users]))

    def rows_by_user(self) -> NDArray[np.int64]:
        """How many rows each user has, by rising number, shape (U,)."""
        assert self.users is not None
        return np.unique(self.users, return_counts=True)[1]

    def first_of_users(self, limits: NDArray[np.int64]) -> "Sample":
        """The first rows of each of the first users.

        Args:
            limits: rows of the users of the smallest numbers, at most, shape (U',).
        """
        assert self.users is not None
        _, user, sizes = np.unique(self.users, return_inverse=True, return_counts=True)
        nth = np.empty(self.num_rows, np.int64)  # of its user
        nth[np.argsort(user, kind="stable")] = np.arange(self.num_rows) - np.repeat(
            np.cumsum(sizes) - sizes, sizes
        )
        limit = np.zeros(len(sizes), np.int64)
        limit[: len(limits)] = limits
        return self.take(np.asarray(nth < limit[user]))

    def halves(self) -> tuple["Sample", "Sample"]:
        """Two samples of about as many rows, with no user in both; of at least two users.

        Of four users or more each half has two at least, however unequal they are: it can be halved again.
        """
        if self.users is None:
            return self.head(self.num_rows // 2), self.tail(self.num_rows // 2)
        _, user, sizes = np.unique(self.users, return_inverse=True, return_counts=True)
        least = min(2, len(sizes) // 2)
        borders = np.cumsum(sizes)[least - 1 : len(sizes) - least]
        last = least - 1 + np.abs(borders - self.num_rows / 2).argmin()
        first = np.asarray(user <= last)
        return self.take(first), self.take(~first)


@dataclass(frozen=True)
class Coding:
    """How tables become samples: categories and bin edges of a reference, the real training rows.

    Attributes:
        columns: the columns, in order.
        categories: for each categorical column its values by falling frequency, ties by value.
        edges: for each numeric column the inner borders of its bins, rising, at most `num_bins` - 1.
        groups: for each wide category the group of each code, see `grouped`.
    """

    columns: tuple[Column, ...]
    categories: dict[str, pa.Array]
    edges: dict[str, NDArray[np.float64]]
    groups: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @classmethod
    def fit(cls, reference: pa.Table, columns: Sequence[Column], num_bins: int = 10) -> "Coding":
        """Learn categories and quantile bins from the real training rows.

        Args:
            reference: the rows; must hold every column.
            columns: strings and booleans are categories, the rest are numbers.
            num_bins: quantile bins of a numeric column; fewer where values repeat.
        """
        missing = [column.name for column in columns if column.name not in reference.column_names]
        if missing:
            raise ContractError(f"The sample lacks the columns {missing}; it has {reference.column_names}.")
        categories: dict[str, pa.Array] = {}
        edges: dict[str, NDArray[np.float64]] = {}
        groups: dict[str, NDArray[np.float64]] = {}
        for column in columns:
            if _is_categorical(column):
                categories[column.name], counts = _by_frequency(_as_text(reference[column.name]))
                if len(counts) > MAX_CATEGORIES:
                    groups[column.name] = _groups(counts)
            else:
                numbers = _as_numbers(reference[column.name])
                edges[column.name] = _quantile_edges(numbers[~np.isnan(numbers)], num_bins)
        return cls(tuple(columns), categories, edges, groups)

    def encode(self, table: pa.Table) -> Sample:
        """Code a table's rows, in their order."""
        coded = np.empty((table.num_rows, len(self.columns)))
        for index, column in enumerate(self.columns):
            if column.name in self.categories:
                coded[:, index] = self._codes(column.name, table[column.name])
            else:
                coded[:, index] = _as_numbers(table[column.name])
        flags = np.array([column.name in self.categories for column in self.columns])
        return Sample(tuple(column.name for column in self.columns), flags, coded)

    def grouped(self, sample: Sample) -> Sample:
        """With the values of wide categories taken together by frequency in the reference.

        Groups hold about equally many of the reference's rows, most frequent values first; what it lacks is
        a group of its own. Categories of at most `MAX_CATEGORIES` values, and numbers, stay.
        """
        if not self.groups:
            return sample
        values = sample.values.copy()
        for index, name in enumerate(sample.names):
            if name in self.groups:
                values[:, index] = self.groups[name][values[:, index].astype(np.int64)]
        return replace(sample, values=values)

    def num_codes(self, index: int) -> int:
        """Distinct codes that `bins` can yield for a column."""
        name = self.columns[index].name
        if name in self.groups:
            return int(self.groups[name].max()) + 1
        return len(self.categories[name]) + 2 if name in self.categories else len(self.edges[name]) + 2

    def bins(self, sample: Sample) -> NDArray[np.int64]:
        """Every column as codes, shape (N, C): a category's own, or 0 for missing and 1 + bin."""
        codes = np.empty(sample.values.shape, dtype=np.int64)
        for index, name in enumerate(sample.names):
            values = sample.values[:, index]
            if sample.is_categorical[index]:
                codes[:, index] = values
            else:
                binned = 1 + np.searchsorted(self.edges[name], values, side="right")
                codes[:, index] = np.where(np.isnan(values), MISSING, binned)
        return codes

    def coarse_bins(self, sample: Sample) -> NDArray[np.int64]:
        """Like `bins`, but all categories past the `NUM_TOP` most frequent share one code.

        Joint tables of several columns stay small and well filled that way, as those of
        mostly-ai/mostlyai-qa do.

        Returns:
            Shape (N, C), below `num_coarse`.
        """
        codes = self.bins(sample)
        codes[:, sample.is_categorical] = np.minimum(codes[:, sample.is_categorical], NUM_TOP + 1)
        return codes

    @property
    def num_coarse(self) -> int:
        """A number above every code of `coarse_bins`."""
        return max([NUM_TOP + 2, *(len(edges) + 2 for edges in self.edges.values())])

    def _codes(self, name: str, values: pa.ChunkedArray) -> NDArray[np.float64]:
        text = _as_text(values)
        known = self.categories[name]
        unseen = len(known) + 1
        found = pc.fill_null(pc.index_in(text, value_set=known), unseen - 1).to_numpy() + 1.0
        return np.where(pc.is_null(text).to_numpy(zero_copy_only=False), float(MISSING), found)


def row_keys(sample: Sample) -> NDArray[np.void]:
    """Each row's bytes, shape (N,): equal where all columns are equal, missing equal to missing."""
    values = np.where(np.isnan(sample.values), np.inf, sample.values) + 0.0  # -0.0 becomes 0.0
    rows = np.ascontiguousarray(values)
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).reshape(-1)


def columns_of(schema: pa.Schema) -> tuple[Column, ...]:
    """Any table's columns: text, dictionaries and booleans become categories, the rest numbers.

    Raises:
        ContractError: a column is neither.
    """
    columns, odd = [], []
    for entry in schema:
        if _is_text(entry.type) or pa.types.is_dictionary(entry.type):
            columns.append(Column(entry.name, pa.string(), nullable=True))
        elif _is_number(entry.type) or pa.types.is_boolean(entry.type):
            columns.append(Column(entry.name, entry.type, nullable=True))
        else:
            odd.append(f"{entry.name} ({entry.type})")
    if odd:
        raise ContractError(
            f"The columns {odd} hold neither categories nor numbers.", "Leave them out, or cast them."
        )
    return tuple(columns)


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    whole = types.is_integer(kind) or types.is_date(kind) or types.is_timestamp(kind)
    return bool(whole or types.is_floating(kind) or types.is_decimal(kind))


def _is_categorical(column: Column) -> bool:
    return _is_text(column.type) or bool(pa.types.is_boolean(column.type))


def _as_text(values: pa.ChunkedArray) -> pa.Array:
    return pc.cast(values, pa.string()).combine_chunks()


def _as_numbers(values: pa.ChunkedArray) -> NDArray[np.float64]:
    if pa.types.is_temporal(values.type):  # a moment has no direct cast to a floating number
        values = pc.cast(values, pa.int32() if pa.types.is_date32(values.type) else pa.int64())
    whole = pc.cast(values, pa.float64(), safe=False).combine_chunks()  # nanoseconds are beyond 2**53
    numbers: NDArray[np.float64] = whole.to_numpy(zero_copy_only=False)
    return numbers


def _groups(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The group of each code of a category, by falling counts of its values, shape (K + 2,)."""
    before = np.cumsum(counts) - counts
    _, group = np.unique(before * NUM_GROUPS // counts.sum(), return_inverse=True)
    return np.concatenate([[MISSING], group + 1.0, [group.max() + 2.0]])


def _by_frequency(text: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """The values by falling frequency, and how often each is there."""
    counted = pc.value_counts(text.drop_null())
    table = pa.table({"value": counted.field("values"), "count": counted.field("counts")})
    order = table.sort_by([("count", "descending"), ("value", "ascending")])
    return order["value"].combine_chunks(), order["count"].to_numpy()


def _quantile_edges(numbers: NDArray[np.float64], num_bins: int) -> NDArray[np.float64]:
    if numbers.size == 0:
        return np.empty(0)
    inner = np.quantile(numbers, np.linspace(0, 1, num_bins + 1)[1:-1])
    distinct = np.unique(inner)
    # An edge at the minimum would only cut off an empty bin.
    edges: NDArray[np.float64] = distinct[distinct > numbers.min()]
    return edges
