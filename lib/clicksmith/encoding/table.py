"""The codec of a table: every column becomes a category with a position inside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.columns import ColumnCodec, column_codec_from_json, fit_column
from clicksmith.errors import ContractError
from clicksmith.tables import Column


@dataclass(frozen=True)
class Encoded:
    """Rows as a model reads them.

    Attributes:
        codes: shape (N, C); code 0 is missing or unknown.
        positions: shape (N, C), in [0, 1): where in its bin the value lies; 0.5 where there is no bin.
    """

    codes: NDArray[np.int64]
    positions: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.codes)

    def head(self, num_rows: int) -> "Encoded":
        """The first rows."""
        return Encoded(self.codes[:num_rows], self.positions[:num_rows])


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
    def fit(cls, table: pa.Table, columns: Sequence[Column], max_bins: int = 64) -> "TableCodec":
        """Fit a codec to each column.

        Args:
            table: training rows; their order does not matter.
            columns: declarations of the columns to encode.
            max_bins: quantile bins of a numeric column.

        Raises:
            ContractError: a column is missing or has a type without a codec.
        """
        fitted = [fit_column(_column(table, c.name, c.type), c, max_bins) for c in columns]
        return cls(tuple(c.name for c in columns), tuple(c.type for c in columns), tuple(fitted))

    @property
    def cardinalities(self) -> list[int]:
        """Codes of each column, code 0 included."""
        return [column.cardinality for column in self.columns]

    def encode(self, table: pa.Table) -> Encoded:
        """Encode rows. Unknown categories become code 0, numbers out of range the nearest bin.

        Raises:
            ContractError: a column is missing or cannot be cast to its type.
        """
        codes = np.empty((table.num_rows, len(self.columns)), dtype=np.int64)
        positions = np.empty((table.num_rows, len(self.columns)), dtype=np.float32)
        for index, (name, type_, column) in enumerate(zip(self.names, self.types, self.columns, strict=True)):
            codes[:, index], positions[:, index] = column.encode(_column(table, name, type_))
        return Encoded(codes, positions)

    def decode(self, encoded: Encoded) -> pa.Table:
        """Values of the original types; codes must lie below the cardinalities."""
        arrays = [
            column.decode(encoded.codes[:, index], encoded.positions[:, index], type_)
            for index, (type_, column) in enumerate(zip(self.types, self.columns, strict=True))
        ]
        return pa.table(arrays, names=list(self.names))

    def to_json(self) -> dict[str, Any]:
        """A JSON-serialisable value, the same for equal codecs."""
        return {
            "columns": [
                {"name": name, "type": str(type_), **column.to_json()}
                for name, type_, column in zip(self.names, self.types, self.columns, strict=True)
            ]
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "TableCodec":
        """The inverse of `to_json`."""
        columns = value["columns"]
        return cls(
            tuple(c["name"] for c in columns),
            tuple(_type(c["type"]) for c in columns),
            tuple(column_codec_from_json(c) for c in columns),
        )


def _type(text: str) -> pa.DataType:
    if text.startswith("timestamp["):
        unit, _, zone = text[len("timestamp[") : -1].partition(", tz=")
        return pa.timestamp(unit, tz=zone or None)
    return pa.type_for_alias(text)


def _column(table: pa.Table, name: str, type_: pa.DataType) -> pa.Array:
    if name not in table.column_names:
        raise ContractError(
            f"Rows lack the column {name}; they have {', '.join(table.column_names)}.",
            "Fit and use a codec on tables of the same contract.",
        )
    array = table.column(name)
    try:
        array = array.cast(type_) if array.type != type_ else array
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ContractError(
            f"Column {name} is of type {array.type}, {type_} was expected: {error}."
        ) from None
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
