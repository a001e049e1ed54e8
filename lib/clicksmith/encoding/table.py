"""The codec of a table: every column becomes one or more categories with a position inside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.columns import (
    ColumnCodec,
    SingleCodec,
    cardinalities_of,
    column_codec_from_json,
    fit_column,
)
from clicksmith.encoding.identifiers import IdentifierCodec
from clicksmith.encoding.moments import MomentCodec, gap_of, moment_after
from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import TableStatistics, column_of
from clicksmith.errors import ContractError
from clicksmith.tables import Column


@dataclass(frozen=True)
class Encoded:
    """Rows as a model reads them; S sub-columns, those of a column side by side, coarse first.

    Attributes:
        codes: shape (N, S); code 0 is missing or unknown.
        positions: shape (N, S), in [0, 1): where in its bin the value lies; 0.5 where there is no bin.
    """

    codes: NDArray[np.int64]
    positions: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)

    def part(self, start: int, stop: int) -> "Encoded":
        """The rows from `start` to before `stop`."""
        return Encoded(self.codes[start:stop], self.positions[start:stop])

    def head(self, num_rows: int) -> "Encoded":
        """The first rows."""
        return self.part(0, num_rows)


@dataclass(frozen=True)
class TableCodec:
    """Codecs of a table's columns, in order.

    Example:
        >>> codec = TableCodec.fit(table, FEATURE_COLUMNS)
        >>> codec.decode(codec.encode(table))
    """

    names: tuple[str, ...]
    types: tuple[pa.DataType, ...]
    columns: tuple[ColumnCodec, ...]

    @classmethod
    def fit(
        cls,
        table: pa.Table,
        columns: Sequence[Column],
        max_bins: int = 64,
        options: Options | None = None,
        content: Mapping[str, pa.Table] | None = None,
    ) -> "TableCodec":
        """Fit a codec to each column of rows in memory; numbers are counted without any limit.

        Args:
            table: training rows; their order does not matter.
            columns: declarations of the columns to encode.
            max_bins: quantile bins of a numeric column, where there are no options.
            options: all that can be decided; real data wants `Options(min_users=MIN_USERS, ...)`.
            content: see `from_statistics`.

        Raises:
            ContractError: a column is missing, of another type, or has a type without a codec; or
                fewer users than have to share a value.
        """
        options = options or Options(max_bins=max_bins)
        statistics = TableStatistics.of(table, columns, options, limit=max(table.num_rows, 1))
        return cls.from_statistics(statistics, columns, options, content)

    @classmethod
    def from_statistics(
        cls,
        statistics: TableStatistics,
        columns: Sequence[Column],
        options: Options,
        content: Mapping[str, pa.Table] | None = None,
    ) -> "TableCodec":
        """Fit from statistics of any number of rows, collected with the same options.

        Args:
            statistics: of training rows.
            columns: declarations of the columns to encode.
            options: of the codecs.
            content: catalogue of each identifier column that has one.

        Raises:
            ContractError: there are fewer users than have to share a value.
        """
        k = options.min_users
        if k > 1 and statistics.num_rows and len(statistics.users) < k:
            raise ContractError(
                f"The rows are of {len(statistics.users)} users, but a value has to belong to at least {k}.",
                "Fit on rows of more users, or lower min_users.",
            )
        catalogues = content or {}
        fitted = [fit_column(statistics.columns[c.name], c, options, catalogues.get(c.name)) for c in columns]
        codec = cls(tuple(c.name for c in columns), tuple(c.type for c in columns), tuple(fitted))
        return codec._with_known_bases()

    @property
    def cardinalities(self) -> list[int]:
        """Codes of each sub-column, code 0 included; S of them."""
        return [size for column in self.columns for size in cardinalities_of(column)]

    @property
    def slots(self) -> list[slice]:
        """The sub-columns of each column."""
        ends = np.cumsum([0, *(len(cardinalities_of(column)) for column in self.columns)]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    @property
    def rare_codes(self) -> dict[int, int]:
        """Sub-column to the code that stands for protected values, where there is one.

        It decodes by frequency if a sampler gives it uniform positions.
        """
        codes: dict[int, int] = {}
        for slot, column in zip(self.slots, self.columns, strict=True):
            code = getattr(column, "rare_code", None)
            if code is not None:
                codes[slot.start] = code
        return codes

    def encode(self, table: pa.Table) -> Encoded:
        """Encode rows. Unknown categories become code 0, numbers out of range the nearest bin.

        Raises:
            ContractError: a column is missing or cannot be cast to its type.
        """
        slots = self.slots
        num_subcolumns = slots[-1].stop if slots else 0
        codes = np.empty((table.num_rows, num_subcolumns), dtype=np.int64)
        positions = np.empty((table.num_rows, num_subcolumns), dtype=np.float32)
        for slot, name, type_, column in zip(slots, self.names, self.types, self.columns, strict=True):
            array = column_of(table, name, type_)
            if isinstance(column, MomentCodec) and column.base is not None:
                array = gap_of(array, column_of(table, column.base))
            column_codes, column_positions = column.encode(array)
            shape = table.num_rows, slot.stop - slot.start
            codes[:, slot], positions[:, slot] = column_codes.reshape(shape), column_positions.reshape(shape)
        return Encoded(codes, positions)

    def decode(self, encoded: Encoded) -> pa.Table:
        """Values of the original types; codes must lie below the cardinalities."""
        arrays: dict[str, pa.Array] = {}
        gaps: dict[str, str] = {}
        for slot, name, type_, column in zip(self.slots, self.names, self.types, self.columns, strict=True):
            codes, positions = encoded.codes[:, slot], encoded.positions[:, slot]
            if isinstance(column, SingleCodec):
                arrays[name] = column.decode(codes[:, 0], positions[:, 0], type_)
            else:
                arrays[name] = column.decode(codes, positions, type_)
            if isinstance(column, MomentCodec) and column.base is not None:
                gaps[name] = column.base
        for name, base in gaps.items():
            arrays[name] = moment_after(arrays[name], arrays[base], arrays[name].type)
        return pa.table(list(arrays.values()), names=list(arrays))

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """A JSON-serialisable value, the same for equal codecs.

        Args:
            inline: with the ids of identifier columns; otherwise `to_parts` has them.
        """
        return {
            "columns": [
                {"name": name, "type": type_name(type_), **_column_json(column, inline)}
                for name, type_, column in zip(self.names, self.types, self.columns, strict=True)
            ]
        }

    def to_parts(self) -> dict[str, bytes]:
        """File name to Arrow IPC bytes: what is too long for JSON text. Empty where nothing is."""
        return {
            _part_name(index): column.to_part()
            for index, column in enumerate(self.columns)
            if isinstance(column, IdentifierCodec)
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TableCodec":
        """The inverse of `to_json`.

        Raises:
            ContractError: the value is not a codec's.
        """
        return cls.from_parts(value, {})

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], parts: Mapping[str, bytes]) -> "TableCodec":
        """The inverse of `to_json(inline=False)` and `to_parts`.

        Raises:
            ContractError: the value or a part is missing, damaged, or they do not belong together.
        """
        where = "at its columns"
        try:
            columns = []
            for index, column in enumerate(value["columns"]):
                where = f"at column {column['name']}"
                type_ = type_named(column["type"])
                columns.append(column_codec_from_json(column, type_, parts.get(_part_name(index))))
            names = tuple(column["name"] for column in value["columns"])
            codec = cls(names, tuple(type_named(c["type"]) for c in value["columns"]), tuple(columns))
            where = "where it is tried out"
            codec._with_known_bases()._try()
        except (LookupError, TypeError, ValueError, AttributeError, OSError, pa.ArrowException) as error:
            raise ContractError(
                f"A table's codec is damaged, {where}: {error!r}.", "Fit the codec again."
            ) from None
        return codec

    def _try(self) -> None:
        """Decode the first and last code of every sub-column, and back: damage shows now, not in a job."""
        sizes = np.array(self.cardinalities, dtype=np.int64)
        if (sizes < 1).any():
            raise ValueError(f"sub-columns of {sizes.tolist()} codes")
        codes = np.stack([np.zeros_like(sizes), sizes - 1])
        rows = self.decode(Encoded(codes, np.full(codes.shape, 0.5, dtype=np.float32)))
        for name, type_, column in zip(self.names, self.types, self.columns, strict=True):
            if not isinstance(column, IdentifierCodec):  # that would index all ids
                column.encode(column_of(rows, name, type_))

    def _with_known_bases(self) -> "TableCodec":
        """Itself, if every gap is counted from a moment that it decodes too."""
        bases = {
            n: c.base for n, c in zip(self.names, self.columns, strict=True) if isinstance(c, MomentCodec)
        }
        for name, base in bases.items():
            if base is not None and (base not in self.names or bases.get(base) is not None):
                raise ContractError(
                    f"Column {name} is counted from {base}, which is not a timestamp column of the codec "
                    "with moments of its own.",
                    "Name another base, or encode it too.",
                )
        return self


def _column_json(column: ColumnCodec, inline: bool) -> dict[str, Any]:
    return column.to_json(inline) if isinstance(column, IdentifierCodec) else column.to_json()


def _part_name(index: int) -> str:
    return f"ids-{index}.arrow"


def type_name(type_: pa.DataType) -> str:
    """A type as text, for `type_named`."""
    return "list<string>" if pa.types.is_list(type_) else str(type_)


def type_named(text: str) -> pa.DataType:
    """The inverse of `type_name`."""
    if text.startswith("timestamp["):
        unit, _, zone = text[len("timestamp[") : -1].partition(", tz=")
        return pa.timestamp(unit, tz=zone or None)
    return pa.list_(pa.string()) if text == "list<string>" else pa.type_for_alias(text)
