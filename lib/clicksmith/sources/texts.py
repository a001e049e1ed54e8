"""Any Arrow column as text: equal values are equal text, whatever their type. Needs no Spark.

Whole numbers are written as integers (2.0 is ``2``), times as UTC with microseconds, nested values as JSON,
bytes that are no printable UTF-8 in hexadecimal.
"""

import json
import math
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.sources.lines import encode_line

NOT_UTF8 = "not UTF-8"
NOT_EXACT = "a whole number beyond those that its floating type can tell apart"
_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_MOST_MICROS = 253_402_300_800_000_000
"""The year 10000: later times have no text that is read as one."""


def is_time(type_: pa.DataType) -> bool:
    """Whether a column of this type holds points in time."""
    if pa.types.is_dictionary(type_):
        return is_time(type_.value_type)
    return bool(pa.types.is_timestamp(type_) or pa.types.is_date(type_))


def to_text(column: pa.Array, is_key: bool) -> tuple[pa.Array, dict[int, str]]:
    """A column as text, and what is wrong with a row of it, by the row's number.

    Args:
        column: of any type.
        is_key: it identifies something: no number is no key, and numbers must be exact.

    Raises:
        TypeError: the type has no text.
    """
    type_ = column.type
    if pa.types.is_dictionary(type_) or pa.types.is_run_end_encoded(type_):
        decoded = column.dictionary_decode() if pa.types.is_dictionary(type_) else pc.run_end_decode(column)
        return to_text(decoded, is_key)
    if isinstance(type_, pa.UuidType):
        return pa.array([None if v is None else str(v) for v in column.to_pylist()], pa.string()), {}
    if isinstance(type_, pa.BaseExtensionType):
        return to_text(column.storage, is_key)
    if pa.types.is_null(type_):
        return pa.nulls(len(column), pa.string()), {}
    if pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_):
        return _strings(column)
    if _is_binary(type_):
        return pa.array([None if v is None else _from_bytes(v) for v in column.to_pylist()], pa.string()), {}
    if pa.types.is_floating(type_):
        return _floats(column, is_key)
    if pa.types.is_decimal(type_):
        return _decimals(column), {}
    if is_time(type_):
        return _times(column), {}
    if pa.types.is_nested(type_):
        return _nested(column)
    if pa.types.is_integer(type_) or pa.types.is_boolean(type_) or pa.types.is_time(type_):
        return column.cast(pa.string()), {}
    raise TypeError(str(type_))


def to_json(row: Mapping[str, Any]) -> str:
    """A row's JSON; bytes that were no UTF-8 stay what they were, and so the whole is none."""
    text = json.dumps(row, default=_plain, ensure_ascii=False, separators=(",", ":"))
    return encode_line(text.encode("utf-8", "surrogateescape"))


def _strings(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    try:
        column.validate(full=True)
        return column.cast(pa.string()), {}
    except pa.ArrowInvalid:
        values = [_decoded(v) for v in column.cast(pa.large_binary()).to_pylist()]
    wrong = {row: NOT_UTF8 for row, value in enumerate(values) if value is not None and _has_escapes(value)}
    kept = [None if row in wrong else value for row, value in enumerate(values)]
    return pa.array(kept, pa.string()), wrong


def _decoded(value: bytes | None) -> str | None:
    return None if value is None else value.decode("utf-8", "surrogateescape")


def _has_escapes(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)


def _is_binary(type_: pa.DataType) -> bool:
    kinds = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
    return any(is_kind(type_) for is_kind in (*kinds, pa.types.is_binary_view))


def _from_bytes(value: bytes) -> str:
    """Text that was written as bytes; else hexadecimal digits."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value.hex()
    return text if text.isprintable() else value.hex()


def _floats(column: pa.Array, is_key: bool) -> tuple[pa.Array, dict[int, str]]:
    exact = 2.0 ** {pa.float16(): 11, pa.float32(): 24}.get(column.type, 53)
    values = column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    with np.errstate(invalid="ignore"):
        whole = (np.floor(values) == values) & (np.abs(values) < 2.0**63)
    numbers = pa.array(np.where(whole, values, 0.0).astype(np.int64)).cast(pa.string())
    text = pc.if_else(pa.array(whole), numbers, column.cast(pa.string()))
    wrong: dict[int, str] = {}
    if is_key:
        text = pc.if_else(pa.array(np.isnan(values)), pa.scalar(None, pa.string()), text)
        large = np.isfinite(values) & (np.abs(values) >= exact)
        wrong = {int(row): NOT_EXACT for row in np.flatnonzero(large)}
    return pc.if_else(column.is_null(), pa.scalar(None, pa.string()), text), wrong


def _decimals(column: pa.Array) -> pa.Array:
    def text(value: Decimal) -> str:
        written = format(value, "f")
        return written.rstrip("0").rstrip(".") if "." in written else written

    if column.type.scale == 0:
        return column.cast(pa.string())
    return pa.array([None if v is None else text(v) for v in column.to_pylist()], pa.string())


def _times(column: pa.Array) -> pa.Array:
    """Points in time; those beyond the years that have four digits as their number, which is no time."""
    type_ = column.type
    if pa.types.is_date(type_):
        days = pa.types.is_date32(type_)
        counts = column.cast(pa.int32()).cast(pa.int64()) if days else column.cast(pa.int64())
        factor = 86_400_000_000 if days else 1_000
    else:
        counts = column.cast(pa.int64())
        factor = _MICROS.get(type_.unit, 0)
    if not factor:
        counts, factor = pa.array(_floor_thousandth(counts), pa.int64()), 1
    limit = _MOST_MICROS // factor
    inside = pc.and_(pc.less(counts, limit), pc.greater(counts, -limit))
    micros = pc.multiply(pc.if_else(inside, counts, 0), factor)
    text = pc.replace_substring_regex(micros.cast(pa.timestamp("us")).cast(pa.string()), r"\.0+$", "")
    return pc.if_else(
        inside, text, pc.binary_join_element_wise("beyond year 9999: ", counts.cast(pa.string()), "")
    )


def _floor_thousandth(counts: pa.Array) -> pa.Array:
    """Nanoseconds to microseconds, downwards: the time before 1970 too."""
    quotient = pc.divide(counts, 1000)
    below = pc.less(counts, pc.multiply(quotient, 1000))
    return pc.subtract(quotient, below.cast(pa.int64()))


def _nested(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    texts: list[str | None] = []
    wrong: dict[int, str] = {}
    for row, value in enumerate(column):
        try:
            found = value.as_py(maps_as_pydicts="lossy")
            texts.append(None if found is None else to_json_value(found))
        except UnicodeDecodeError:
            texts.append(None)
            wrong[row] = NOT_UTF8
    return pa.array(texts, pa.string()), wrong


def to_json_value(value: Any) -> str:
    """A nested value's JSON, without the fields that are null."""
    return json.dumps(_without_nulls(value), default=_plain, ensure_ascii=False, separators=(",", ":"))


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(_plain_key(k)): _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _plain_key(key: Any) -> Any:
    return key if isinstance(key, str | int | float) else _plain(key)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return _from_bytes(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal | UUID) else repr(value)
