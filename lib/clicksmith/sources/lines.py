"""Lines of text to named text columns, losing none: pure DataFrame -> DataFrame.

Input frames have one column ``line``: the bytes between two line feeds, whatever they are. Output frames
have the wanted columns as text, ``_raw`` (the line; bytes that are not UTF-8 as ``base64:...``) and
``_problem`` (why the line is no record, or null). Blank lines are no records.
"""

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, StringType, StructField, StructType

NOT_UTF8 = "line: not UTF-8"
NOT_JSON = "line: not one JSON object"
WRONG_FIELDS = "line: not as many fields as the header"
OPEN_QUOTE = "line: a quote is opened and not closed"

_ENCODED = "base64:"
_MAX_CSV_FIELDS = 20_000
_END = "_end_of_line"


def parse_json(lines: DataFrame, names: Sequence[str]) -> DataFrame:
    """JSON lines to columns; a nested value becomes its JSON text, a key that is absent null."""
    fields = [StructField(name, StringType()) for name in [*names, _END + "_"]]
    schema = ArrayType(StructType([*fields, StructField(_END, BooleanType())]))
    # Spark's parser stops after the first value and so would lose what follows on the line. In an array
    # that ends with a marker, a line is exactly one object if and only if the array has two elements and
    # the second is the marker.
    array = F.concat(F.lit("["), "line", F.lit(f',{{"{_END}":true}}]'))
    parsed = F.from_json(F.when(_is_text(), array), schema)
    is_object = (
        F.ltrim(F.col("line"), F.lit(" \t\r")).startswith("{")
        & (F.size("parsed") == 2)
        & F.get("parsed", F.lit(1))[_END]
    )
    frame = _records(lines).withColumn("parsed", parsed)
    problem = F.when(~_is_text(), NOT_UTF8).when(~F.coalesce(is_object, F.lit(False)), NOT_JSON)
    record = F.when(problem.isNull(), F.get("parsed", F.lit(0)))
    return frame.select(*[record[name].alias(name) for name in names], _raw(), problem.alias("_problem"))


def parse_csv(
    lines: DataFrame, header: Sequence[str], header_line: str, names: Sequence[str], delimiter: str
) -> DataFrame:
    """CSV lines (RFC 4180, but no line break inside a field) to the wanted columns.

    Args:
        lines: one column ``line``.
        header: the names of all fields, in order.
        header_line: the header as text; lines equal to it are headers: each file begins with one.
        names: the wanted columns, each in the header.
        delimiter: between fields.
    """
    # Fields by position: headers may hold names that Spark cannot tell apart.
    fields = [f"f{number}" for number in range(len(header))]
    schema = ", ".join(f"{field} STRING" for field in [*fields, "_corrupt"])
    options = {"sep": delimiter, "quote": '"', "escape": '"', "columnNameOfCorruptRecord": "_corrupt"}
    options |= {"mode": "PERMISSIVE", "maxColumns": str(_MAX_CSV_FIELDS)}
    # Spark's parser raises, instead of rejecting the line, above its limit of columns.
    parseable = _is_text() & (_count(delimiter) < _MAX_CSV_FIELDS)
    parsed = F.from_csv(F.when(parseable, _text()), schema, options)
    opened = F.col("line").rlike(f'(^|\\Q{delimiter}\\E)"') & (_count('"') % 2 == 1)
    problem = (
        F.when(~_is_text(), NOT_UTF8)
        .when(opened, OPEN_QUOTE)
        .when(F.col("parsed").isNull() | F.col("parsed")["_corrupt"].isNotNull(), WRONG_FIELDS)
    )
    frame = _records(lines).where(_text() != header_line).withColumn("parsed", parsed)
    record = F.when(problem.isNull(), F.col("parsed"))
    wanted = [record[fields[header.index(name)]].alias(name) for name in names]
    return frame.select(*wanted, _raw(), problem.alias("_problem"))


def _records(lines: DataFrame) -> DataFrame:
    return lines.where(F.length(F.trim(_text())) > 0)


def _text() -> Column:
    """The line without the carriage return of a Windows line end."""
    return F.rtrim(F.col("line"), F.lit("\r"))


def _is_text() -> Column:
    return F.is_valid_utf8("line")


def _raw() -> Column:
    encoded = F.concat(F.lit(_ENCODED), F.base64(F.col("line").cast("binary")))
    return F.when(_is_text(), F.col("line")).otherwise(encoded).alias("_raw")


def restore_line(raw: Column) -> Column:
    """The line that a `_raw` was made of."""
    encoded = F.unbase64(F.substr(raw, F.lit(len(_ENCODED) + 1))).cast("string")
    return F.when(raw.startswith(_ENCODED), encoded).otherwise(raw)


def _count(character: str) -> Column:
    return F.length("line") - F.length(F.replace(F.col("line"), F.lit(character), F.lit("")))
