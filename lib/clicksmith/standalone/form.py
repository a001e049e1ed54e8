"""What a caller's table looks like: its columns as codecs know them, and back to its own types."""

import base64
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.parts import one_array
from clicksmith.errors import ContractError
from clicksmith.standalone.read import PANDAS, POLARS
from clicksmith.tables import Column

logger = logging.getLogger(__name__)

EXACT = 2**53
"""Whole numbers beyond it are no longer told apart as floats: they are names, not amounts."""
KEY_PREFIX = "synthetic-"
"""Before the number of a generated owner, where keys are text."""
KEY_ROOM = 2**30
"""So many new keys a type of whole numbers must hold, or keys are of a wider one."""


@dataclass(frozen=True)
class Form:
    """A table's library, columns and types.

    Attributes:
        library: `read.ARROW`, `PANDAS` or `POLARS`.
        like: the table without rows; dictionaries keep their values.
        coded: the type that codecs have for each column.
        first_key: the number of the first new key: no learnt key has it, or a larger one.
    """

    library: str
    like: pa.Table
    coded: Mapping[str, pa.DataType]
    first_key: int = 0

    @classmethod
    def of(cls, rows: pa.Table, library: str) -> "Form":
        """The form of a table.

        Raises:
            ContractError: columns have types that nothing can be learnt of.
        """
        coded, odd = {}, []
        for field in rows.schema:
            kind = coded_type(field.type)
            if kind is None:
                odd.append(f"{field.name} ({field.type})")
            elif pa.types.is_integer(kind) and _beyond(rows.column(field.name)):
                kind = pa.string()
            if kind is not None:
                coded[field.name] = kind
        if odd:
            raise ContractError(
                f"The columns {', '.join(odd)} hold nothing that can be learnt.",
                "Leave them out, or cast them: text, numbers, booleans, moments, durations, categories and "
                "lists of text can be.",
            )
        return cls(library, _without_rows(rows), coded)

    @property
    def names(self) -> list[str]:
        """The columns, in order."""
        names: list[str] = self.like.column_names
        return names

    def with_key(self, name: str, column: pa.ChunkedArray) -> "Form":
        """The same, a column being the keys of owners, of which none is kept.

        Args:
            name: of the column.
            column: the caller's values. New keys are numbers above these, or text; a dictionary's are text.

        Raises:
            ContractError: it is of a type that new keys cannot have, or leaves no room for any.
        """
        kind = column.type
        if pa.types.is_dictionary(kind):
            column, kind = _plain(column).cast(pa.string()), pa.string()
        if _is_text(kind):
            first = _after_names(column)
        elif pa.types.is_integer(kind):
            first = max(pc.max(column).as_py() or 0, -1) + 1
            kind = next((wide for wide in (kind, pa.int64()) if first + KEY_ROOM <= _largest(wide)), None)
        else:
            kind = None
        if kind is None:
            raise ContractError(
                f"Column {name!r} says whose a row is, and is of type {column.type}: it has no new keys for "
                "generated rows.",
                "Cast it to text; whole numbers that leave room above the largest one will do as well.",
            )
        field = self.like.schema.field(name).with_type(kind)
        like = self.like.set_column(self.names.index(name), field, pa.array([], kind))
        like = like.replace_schema_metadata(self.like.schema.metadata)
        coded = pa.string() if pa.types.is_string(self.coded[name]) else coded_type(kind)
        return Form(self.library, like, {**self.coded, name: coded}, first)

    def new_keys(self, name: str, numbers: NDArray[np.int64]) -> pa.Array:
        """Keys of generated owners, none of them a learnt one's.

        Args:
            name: of the column, as `with_key` had it.
            numbers: of the owners, from 0, shape (N,).
        """
        kind, keys = self.like.schema.field(name).type, [self.first_key + n for n in numbers.tolist()]
        if pa.types.is_integer(kind):
            return pa.array(keys, kind)
        return pa.array([f"{KEY_PREFIX}{key}" for key in keys], kind)

    def columns(self, rows: pa.Table, leave_out: frozenset[str] = frozenset()) -> list[Column]:
        """Declarations of the columns of coded rows: nullable where one of these is null."""
        return [
            Column(name, kind, nullable=_has_null(rows.column(name)))
            for name, kind in self.coded.items()
            if name not in leave_out
        ]

    def encode(self, rows: pa.Table) -> pa.Table:
        """A table of this form with the types of codecs.

        Raises:
            ContractError: a column is missing, or its values are of another type.
        """
        if missing := [name for name in self.coded if name not in rows.column_names]:
            raise ContractError(
                f"The table lacks the columns {', '.join(missing)}; it has {', '.join(rows.column_names)}.",
                "Give it the columns of the one that was fitted.",
            )
        arrays = {name: _cast(rows.column(name), kind, name) for name, kind in self.coded.items()}
        return pa.table(arrays)

    def decode(self, rows: pa.Table) -> pa.Table:
        """Coded rows with the columns and types of the caller's table, in its order, as Arrow."""
        arrays = [
            _restored(rows.column(field.name), field.type, self.like.column(field.name))
            for field in self.like.schema
        ]
        fields = [
            field.with_type(array.type).with_nullable(True)
            for field, array in zip(self.like.schema, arrays, strict=True)
        ]
        return pa.table(arrays, schema=pa.schema(fields, metadata=self.like.schema.metadata))

    def to_caller(self, rows: pa.Table) -> Any:
        """The rows in the caller's library."""
        if self.library == PANDAS:
            return rows.to_pandas()
        if self.library == POLARS:
            import polars

            return polars.from_arrow(rows)
        return rows

    def with_known(self, column: str, values: pa.Array) -> "Form":
        """The same, a dictionary's values being those alone: others are protected."""
        index = self.names.index(column)
        kind = self.like.schema.field(index).type
        known = self.like.column(column).chunk(0).dictionary
        kept = known.filter(pc.is_in(known.cast(pa.string()), value_set=values.cast(pa.string())))
        empty = pa.DictionaryArray.from_arrays(pa.array([], kind.index_type), kept, ordered=kind.ordered)
        like = self.like.set_column(index, self.like.schema.field(index), empty)
        return replace(self, like=like.replace_schema_metadata(self.like.schema.metadata))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, self.like.schema) as writer:
            arrays = [column.chunk(0) for column in self.like.columns]  # a batch, if empty, has dictionaries
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self.like.schema))
        like = base64.b64encode(sink.getvalue().to_pybytes()).decode()
        types = {field.name: coded_type(field.type) for field in self.like.schema}
        as_text = [name for name, kind in self.coded.items() if kind != types[name]]
        return {"library": self.library, "like": like, "as_text": as_text, "first_key": self.first_key}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Form":
        """The inverse of `to_json`."""
        with pa.ipc.open_stream(base64.b64decode(value["like"])) as reader:
            like = _without_rows(pa.Table.from_batches([reader.read_next_batch()]))
        coded = {
            field.name: pa.string() if field.name in value["as_text"] else coded_type(field.type)
            for field in like.schema
        }
        return cls(value["library"], like, coded, value["first_key"])


def coded_type(kind: pa.DataType) -> pa.DataType | None:
    """The type by which codecs know a column of a type; None: they know none."""
    types = pa.types
    if types.is_dictionary(kind):
        return coded_type(kind.value_type)
    if types.is_null(kind) or _is_text(kind):
        return pa.string()
    if types.is_boolean(kind) or types.is_integer(kind) or types.is_timestamp(kind) or types.is_date32(kind):
        return kind
    if types.is_floating(kind):
        return pa.float32() if types.is_float16(kind) else kind
    if types.is_decimal(kind):
        return pa.float64()
    if types.is_date64(kind):
        return pa.date32()
    if types.is_time(kind) or types.is_duration(kind):
        return pa.int64()
    if (types.is_list(kind) or types.is_large_list(kind)) and coded_type(kind.value_type) == pa.string():
        return pa.list_(pa.string())
    return None


def _after_names(keys: pa.ChunkedArray) -> int:
    """The first number that no key has which was generated before: rows may be learnt from generated ones."""
    found = pc.extract_regex(pc.unique(keys.cast(pa.string())), pattern=f"^{KEY_PREFIX}(?P<n>[0-9]{{1,18}})$")
    last = pc.max(pc.struct_field(found, "n").cast(pa.int64())).as_py()
    return int(-1 if last is None else last) + 1


def _largest(kind: pa.DataType) -> int:
    bits = kind.bit_width
    return int(2 ** (bits if pa.types.is_unsigned_integer(kind) else bits - 1)) - 1


def _is_text(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _beyond(column: pa.ChunkedArray) -> bool:
    column = _plain(column)
    if not pa.types.is_integer(column.type):  # a duration, for instance
        return False
    ends = pc.min_max(column).as_py()
    return any(end is not None and abs(end) > EXACT for end in ends.values())


def _has_null(column: pa.ChunkedArray) -> bool:
    if not pa.types.is_floating(column.type):
        return bool(column.null_count)
    return column.null_count > 0 or not pc.all(pc.is_finite(column)).as_py()


def _without_rows(rows: pa.Table) -> pa.Table:
    """No rows; one chunk a column, which keeps a dictionary's values."""
    arrays = []
    for column in rows.columns:
        if pa.types.is_dictionary(column.type):
            whole = column.unify_dictionaries()
            values = whole.chunk(0).dictionary if whole.num_chunks else pa.array([], column.type.value_type)
            none = pa.array([], column.type.index_type)
            arrays.append(pa.DictionaryArray.from_arrays(none, values, ordered=column.type.ordered))
        else:
            arrays.append(pa.array([], column.type))
    return pa.table(arrays, schema=rows.schema)


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A dictionary's values, row by row; any other column as it is."""
    if not pa.types.is_dictionary(column.type):
        return column
    kind = pa.string() if _is_text(column.type.value_type) else column.type.value_type
    chunks = [chunk.dictionary.cast(kind).take(chunk.indices) for chunk in column.chunks]
    return pa.chunked_array(chunks, kind)


def _cast(column: pa.ChunkedArray, kind: pa.DataType, name: str) -> pa.ChunkedArray:
    try:
        if pa.types.is_null(column.type):
            return pa.chunked_array([pa.nulls(len(column), kind)])
        column = _plain(column)
        if pa.types.is_time32(column.type):
            column = column.cast(pa.int32())
        if pa.types.is_floating(column.type) and (infinite := pc.sum(pc.is_inf(column)).as_py()):
            logger.warning("Column %s is infinite in %s rows: they count as missing.", name, f"{infinite:,}")
        return column.cast(kind) if column.type != kind else column
    except pa.ArrowException as error:
        raise ContractError(
            f"Column {name} is of type {column.type}; {kind} was expected: {error}.",
            "Give it the type of the table that was fitted.",
        ) from None


def _restored(column: pa.ChunkedArray, kind: pa.DataType, like: pa.ChunkedArray) -> pa.ChunkedArray:
    """Coded values as a type of the caller's."""
    types = pa.types
    if types.is_null(kind):
        return pa.chunked_array([pa.nulls(len(column), kind)])
    if types.is_dictionary(kind):
        values = pa.string() if _is_text(kind.value_type) else kind.value_type
        plain = one_array(_restored(column, values, like))
        known = like.chunk(0).dictionary
        index = pc.index_in(plain, value_set=known.cast(values))
        if index.null_count > plain.null_count:  # numbers in bins are none of the known values
            return pa.chunked_array([_with_own_dictionary(plain, kind)])
        made = pa.DictionaryArray.from_arrays(index.cast(kind.index_type), known, ordered=kind.ordered)
        return pa.chunked_array([made])
    if types.is_time32(kind):
        return column.cast(pa.int32()).cast(kind)
    if types.is_decimal(kind):
        return pc.round(column, ndigits=kind.scale).cast(kind, safe=False)
    return column if column.type == kind else column.cast(kind)


def _with_own_dictionary(plain: pa.Array, kind: pa.DataType) -> pa.Array:
    """Values that are not all known, as a dictionary; its indices are wider where there are too many."""
    found = plain.dictionary_encode()
    narrow = len(found.dictionary) - 1 > _largest(kind.index_type)
    index = found.indices.cast(pa.int32() if narrow else kind.index_type)
    return pa.DictionaryArray.from_arrays(index, found.dictionary.cast(kind.value_type), ordered=kind.ordered)
