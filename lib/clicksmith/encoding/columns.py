"""The codec of one column: which kind its type and statistics call for."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from clicksmith.encoding.category import CategoryCodec
from clicksmith.encoding.identifiers import IdentifierCodec
from clicksmith.encoding.lists import ListCodec, ListStatistics
from clicksmith.encoding.moments import MomentCodec
from clicksmith.encoding.number_statistics import NumberStatistics
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import ColumnStatistics, base_of
from clicksmith.encoding.value_statistics import ValueStatistics
from clicksmith.errors import ContractError
from clicksmith.tables import Column

SingleCodec = CategoryCodec | NumericCodec
"""One sub-column: codes and positions have the shape (N,)."""

ColumnCodec = SingleCodec | IdentifierCodec | MomentCodec | ListCodec
"""The others have S sub-columns, coarse first: codes and positions have the shape (N, S)."""

_CODECS: Mapping[str, type[CategoryCodec | NumericCodec | MomentCodec | ListCodec]] = {
    codec.kind: codec for codec in (CategoryCodec, NumericCodec, MomentCodec, ListCodec)
}


def cardinalities_of(codec: ColumnCodec) -> tuple[int, ...]:
    """Codes of each sub-column, code 0 included."""
    return (codec.cardinality,) if isinstance(codec, SingleCodec) else codec.cardinalities


def fit_column(
    statistics: ColumnStatistics, column: Column, options: Options, content: pa.Table | None = None
) -> ColumnCodec:
    """Choose and fit the codec of a column by its declared type and its statistics.

    Args:
        statistics: of the kind that `statistics_kind` names.
        column: its declaration.
        options: of the table's codecs.
        content: the catalogue of an identifier column; see `IdentifierCodec.from_statistics`.
    """
    if isinstance(statistics, ListStatistics):
        limits = options.max_elements, options.max_categories
        return ListCodec.from_statistics(statistics, column.nullable, *limits, options.users_of(column.name))
    if isinstance(statistics, ValueStatistics):
        return _fit_names(statistics, column, options, content)
    return _fit_numbers(statistics, column, options)


def column_codec_from_json(
    value: Mapping[str, Any], type_: pa.DataType, part: bytes | None = None
) -> ColumnCodec:
    """The inverse of a codec's `to_json`."""
    if value["kind"] == IdentifierCodec.kind:
        return IdentifierCodec.from_json(value, type_, part)
    if value["kind"] not in _CODECS:
        raise ContractError(
            f"The codec of column {value['name']} is of the unknown kind {value['kind']!r}.",
            f"This version reads {', '.join([*_CODECS, IdentifierCodec.kind])}: use the one that wrote it.",
        )
    return _CODECS[value["kind"]].from_json(value)


def _fit_names(
    statistics: ValueStatistics, column: Column, options: Options, content: pa.Table | None
) -> ColumnCodec:
    kind, k = options.kinds.get(column.name), options.users_of(column.name)
    kept = statistics.protect(k)
    many = len(kept.values) > options.max_categories and kind is None
    if len(kept.values) and (many or kind == IdentifierCodec.kind):
        return IdentifierCodec.from_statistics(kept, column.nullable, k, content)
    return CategoryCodec.from_statistics(kept, column.nullable, k)


def _fit_numbers(statistics: NumberStatistics, column: Column, options: Options) -> ColumnCodec:
    kind, k = options.kinds.get(column.name, ""), options.users_of(column.name)
    if len(statistics.lowest) < max(k, 1):  # nothing to learn from: all is missing
        return NumericCodec.from_statistics(statistics, column.type, column.nullable, options.max_bins, k)
    few = len(statistics.cells) <= options.max_bins and statistics.shift == 0
    is_moment = pa.types.is_timestamp(column.type) or pa.types.is_date32(column.type)
    exact = max(abs(statistics.lowest[0]), abs(statistics.highest[0])) < 2.0**53
    base = base_of(column, options)
    if kind == MomentCodec.kind or base or (is_moment and not kind and not (few and exact)):
        return MomentCodec.from_statistics(statistics, column.type, column.nullable, k, base)
    return NumericCodec.from_statistics(statistics, column.type, column.nullable, options.max_bins, k)
