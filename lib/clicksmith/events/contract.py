"""The contract's checks on raw records: DataFrame to DataFrame, built-in functions only.

`check` marks every row with the rules that it broke; `accepted` and `rejected` part the rows, so every row
goes to exactly one side. Duplicates are legal here: cleaning takes them out. Reasons name rules, never
values, so that there are few of them; the rejected row itself is kept beside them.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from clicksmith import tables
from clicksmith.config import ContractConfig
from clicksmith.config.data import LEAST_PROPENSITY
from clicksmith.digest import digest

_TYPES = {"double": "number", "int": "whole number", "timestamp": "timestamp"}
_RECEIVED = "_received"


def check(
    raw: DataFrame,
    columns: Sequence[tables.Column],
    contract: ContractConfig,
    ingested: datetime | None = None,
) -> DataFrame:
    """Cast raw records to the contract and find the rules that each broke.

    Args:
        raw: contract columns in any castable type; nullable ones may be absent. A row with a
            ``_problem`` could not be read: that is its only reason. ``_raw``: the row as received.
        columns: the contract's columns, e.g. ``EVENT_COLUMNS``.
        contract: dates and event types that are allowed.
        ingested: when the ingest began, with a zone: an event cannot come from after it. None: it may.

    Returns:
        One row a raw row: the columns with their types, ``_raw`` and ``reasons`` (empty: none broken).
    """
    received = F.struct(*[_received(raw.schema, column.name).alias(column.name) for column in columns])
    text = F.lit(None).cast("string")
    frame = raw.select(
        received.alias(_RECEIVED),
        (F.col("_raw") if "_raw" in raw.columns else text).alias("_raw"),
        (F.col("_problem") if "_problem" in raw.columns else text).alias("_problem"),
    )
    typed = [_cast(F.col(_RECEIVED)[c.name], raw.schema, c).alias(c.name) for c in columns]
    frame = frame.select("*", *typed)
    rules = _rules(columns, contract, ingested)
    # Most rows break nothing: one chain of comparisons passes them, without building arrays.
    any_broken = reduce(Column.__or__, [F.coalesce(condition, F.lit(False)) for _, condition in rules])
    broken = F.array_compact(F.array(*[F.when(condition, reason) for reason, condition in rules]))
    none = F.array().cast("array<string>")
    reasons = (
        F.when(F.col("_problem").isNotNull(), F.array("_problem")).when(any_broken, broken).otherwise(none)
    )
    return frame.select(
        *[column.name for column in columns],
        F.coalesce("_raw", F.when(F.size(reasons) > 0, F.to_json(_RECEIVED))).alias("_raw"),
        reasons.alias("reasons"),
    )


def ruleset_version(columns: Sequence[tables.Column], contract: ContractConfig) -> str:
    """A hash of the rules: it changes when a rule, a bound or a type does."""
    rules = [f"{column.name} is {column.type}" for column in columns]
    return digest([*rules, *_reasons(columns, contract)])[:16]


def accepted(checked: DataFrame, table: tables.Table, source: str, ingest_id: str) -> DataFrame:
    """The rows that broke no rule, as the table's rows."""
    frame = checked.where(F.size("reasons") == 0)
    frame = frame.withColumns({"source": F.lit(source), "ingest_id": F.lit(ingest_id)})
    if "event_date" in table.column_names:
        frame = frame.withColumn("event_date", F.to_date("event_ts"))
    return frame.select(*table.column_names)


def rejected(checked: DataFrame, source: str, ingest_id: str, version: str) -> DataFrame:
    """The rows that broke a rule, as received, with every reason."""
    return checked.where(F.size("reasons") > 0).select(
        F.col("_raw").alias("raw"),
        "reasons",
        F.lit(version).alias("ruleset_version"),
        F.lit(source).alias("source"),
        F.lit(ingest_id).alias("ingest_id"),
    )


def _received(schema: StructType, name: str) -> Column:
    """The raw value; blank text is no value."""
    if name not in schema.names:
        return F.lit(None).cast("string")
    if isinstance(schema[name].dataType, StringType):
        return F.when(F.length(F.trim(F.col(name))) > 0, F.col(name))
    return F.col(name)


def _kind(column: tables.Column) -> str:
    if pa.types.is_timestamp(column.type):
        return "timestamp"
    if pa.types.is_integer(column.type):
        return "int"
    return "double" if pa.types.is_floating(column.type) else "string"


def _cast(value: Column, schema: StructType, column: tables.Column) -> Column:
    kind = _kind(column)
    is_text = column.name not in schema.names or isinstance(schema[column.name].dataType, StringType)
    if kind == "int":  # by way of double: 3.0 is a whole number, 3.5 is none
        number = value.try_cast("double")
        return F.when(number == F.floor(number), number.try_cast("int"))
    if kind == "timestamp" and is_text:
        # Spark completes a time alone, such as 12:30, with today's date.
        return F.when(value.rlike(r"^\s*[+-]?\d{4}"), value.try_cast("timestamp"))
    return value.try_cast(kind)


def _rules(
    columns: Sequence[tables.Column], contract: ContractConfig, ingested: datetime | None = None
) -> list[tuple[str, Column]]:
    """Each rule's reason and the condition under which a row breaks it."""
    rules: list[tuple[str, Column]] = []
    for column in columns:
        value, received = F.col(column.name), F.col(_RECEIVED)[column.name]
        if not column.nullable:
            rules.append((f"{column.name}: missing", received.isNull()))
        kind = _kind(column)
        if kind in _TYPES:
            rules.append((f"{column.name}: not a {_TYPES[kind]}", received.isNotNull() & value.isNull()))
        if kind == "double":
            endless = F.isnan(value) | (F.abs(value) == float("inf"))
            rules.append((f"{column.name}: not finite", endless))
        if column.minimum is not None:
            rules.append((f"{column.name}: below {column.minimum:g}", value < column.minimum))
        if column.maximum is not None:
            # NaN is above every number in Spark, and has its own reason.
            rules.append(
                (f"{column.name}: above {column.maximum:g}", (value > column.maximum) & ~F.isnan(value))
            )
        if column.allowed is not None:
            rules.append(
                (f"{column.name}: not one of {', '.join(column.allowed)}", ~value.isin(*column.allowed))
            )
        if column.name == "price":
            too_high = (value > contract.max_price) & (value < float("inf"))
            rules.append((f"price: above {contract.max_price:g}", too_high))
    return rules + (_event_rules(contract, ingested) if columns[0].name == "event_id" else [])


def _event_rules(contract: ContractConfig, ingested: datetime | None) -> list[tuple[str, Column]]:
    allowed = (*tables.EVENT_TYPES, *contract.extra_event_types)
    event_type, event_ts, propensity = F.col("event_type"), F.col("event_ts"), F.col("propensity")
    earliest, latest = F.lit(contract.earliest_date), F.lit(contract.latest_date)
    tolerance = timedelta(hours=contract.max_future_hours)
    is_future = F.lit(False) if ingested is None else event_ts > F.lit(ingested + tolerance)
    needs_item = (event_type != "search") & F.col(_RECEIVED)["item_id"].isNull()
    return [
        (f"event_type: not one of {', '.join(allowed)}", ~event_type.isin(*allowed)),
        (f"event_ts: before {contract.earliest_date}", event_ts < earliest.cast("timestamp")),
        (f"event_ts: not before {contract.latest_date}", event_ts >= latest.cast("timestamp")),
        (f"event_ts: over {contract.max_future_hours:g} hours later than its ingest", is_future),
        ("item_id: missing, and event_type is not search", needs_item),
        ("propensity: 0, so the row could not have been logged", propensity == 0.0),
        (f"propensity: below {LEAST_PROPENSITY:g}", (propensity > 0.0) & (propensity < LEAST_PROPENSITY)),
    ]


def _reasons(columns: Sequence[tables.Column], contract: ContractConfig) -> list[str]:
    return [reason for reason, _ in _rules(columns, contract)]
