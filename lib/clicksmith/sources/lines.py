"""JSON lines to named text columns, losing none: pure DataFrame -> DataFrame.

Input frames have a column ``line``: the bytes between two line ends, whatever they are. Output frames have
the wanted columns as text, ``_raw`` (the line; bytes that are not UTF-8 as ``base64:...``) and ``_problem``
(why the line is no record, or null). Blank lines are no records.
"""

import base64
from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BooleanType, StringType, StructField, StructType

NOT_UTF8 = "line: not UTF-8"
NOT_JSON = "line: not one JSON object"
WRONG_FIELDS = "line: not as many fields as the header"
OPEN_QUOTE = "line: a quote is opened and not closed"

_ENCODED = "base64:"
_END = "_end_of_line"


def column(number: int) -> str:
    """The name in frames of a file's `number`-th wanted column: to Spark, ``sku`` and ``SKU`` are one."""
    return f"_{number}"


def parse_json(lines: DataFrame, names: Sequence[str]) -> DataFrame:
    """JSON lines to columns; a nested value becomes its JSON text, a key that is absent null.

    A column of the input that is named as `column` names a wanted one stands in where a line lacks the key.
    """
    lines = lines.withColumn("line", F.col("line").cast("string"))
    fields = [StructField(name, StringType()) for name in [*names, _END + "_"]]
    schema = ArrayType(StructType([*fields, StructField(_END, BooleanType())]))
    by_number = ", ".join(f"{column(number)}: string" for number in range(len(fields)))
    # Spark's parser stops after the first value and so would lose what follows on the line. In an array
    # that ends with a marker, a line is exactly one object if and only if the array has two elements and
    # the second is the marker.
    array = F.concat(F.lit("["), "line", F.lit(f',{{"{_END}":true}}]'))
    parsed = F.from_json(F.when(_is_text(), array), schema).cast(
        f"array<struct<{by_number}, {_END}: boolean>>"
    )
    is_object = (
        F.ltrim(F.col("line"), F.lit(" \t\r")).startswith("{")
        & (F.size("parsed") == 2)
        & F.get("parsed", F.lit(1))[_END]
    )
    frame = lines.where(F.length(F.trim(F.rtrim(F.col("line"), F.lit("\r")))) > 0).withColumn(
        "parsed", parsed
    )
    problem = F.when(~_is_text(), NOT_UTF8).when(~F.coalesce(is_object, F.lit(False)), NOT_JSON)
    record = F.when(problem.isNull(), F.get("parsed", F.lit(0)))
    values = [record[column(number)] for number in range(len(names))]
    values = [
        F.coalesce(value, column(number)) if column(number) in lines.columns else value
        for number, value in enumerate(values)
    ]
    named = [value.alias(column(number)) for number, value in enumerate(values)]
    return frame.select(*named, _raw(), problem.alias("_problem"))


def encode_line(line: bytes) -> str:
    """What is kept of a line: its text, or where that is none its bytes."""
    try:
        return line.decode()
    except UnicodeDecodeError:
        return _ENCODED + base64.b64encode(line).decode()


def restore_line(raw: Column) -> Column:
    """The line that a `_raw` was made of."""
    encoded = F.unbase64(F.substr(raw, F.lit(len(_ENCODED) + 1))).cast("string")
    return F.when(raw.startswith(_ENCODED), encoded).otherwise(raw)


def _is_text() -> Column:
    return F.is_valid_utf8("line")


def _raw() -> Column:
    encoded = F.concat(F.lit(_ENCODED), F.base64(F.col("line").cast("binary")))
    return F.when(_is_text(), F.col("line")).otherwise(encoded).alias("_raw")
