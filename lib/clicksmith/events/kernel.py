"""Cleaning of whole users' events as a pure function from Arrow to Arrow. Needs no Spark.

One partition holds all events of its users, so that dedup, bot and clock rules and
sessions share one shuffle. Nothing depends on row order or on which users share a
partition: every rule looks at one user's rows, sorted with tie-breakers.
"""

import polars as pl
import pyarrow as pa

from clicksmith.config import CleaningConfig
from clicksmith.tables import BRONZE_EVENTS

STATUS = "_status"
REASONS = "reasons"
KEPT, DUPLICATE, REJECTED = "kept", "duplicate", "rejected"
SESSION_COLUMNS = (
    "session_start_ts",
    "session_end_ts",
    "num_events",
    "num_impressions",
    "num_clicks",
    "num_purchases",
    "outcome",
)
"""Filled on the first event of each session, null elsewhere: the sessions table without a second shuffle."""

_CONTENT = ("event_type", "item_id", "event_ts", "session_id", "request_id", "query", "price", "quantity")
_ORDER = (
    "user_id",
    "event_ts",
    "event_id",
    *_CONTENT[:2],
    *_CONTENT[3:],
    "position",
    "properties",
    "ingest_id",
)
_DEPTH = ("purchase", "cart", "click", "impression", "search")


def clean_partition(events: pa.Table, settings: CleaningConfig) -> pa.Table:
    """Dedup, apply bot and clock rules, and sessionise the events of whole users.

    Args:
        events: rows of bronze.events; all rows of a user that is present.
        settings: the rules' bounds.

    Returns:
        Every input row once, with the columns of bronze.events (event_ts clock-corrected,
        session_id filled on kept rows), `STATUS` (kept, duplicate or rejected), `REASONS`, and
        `SESSION_COLUMNS`.
    """
    frame = pl.from_arrow(events)
    assert isinstance(frame, pl.DataFrame)
    # Arrow types in and out must agree for an empty partition as well, so no early return.
    frame = _mark_duplicates(frame.sort(_ORDER, nulls_last=True))
    unique = frame.filter(pl.col(STATUS) == KEPT)
    unique = _apply_clock_rule(_apply_bot_rules(unique, settings), settings)
    rejected = unique.filter(pl.col(REASONS).list.len() > 0).with_columns(pl.lit(REJECTED).alias(STATUS))
    kept = _sessionise(unique.filter(pl.col(REASONS).list.len() == 0), settings)
    duplicates = frame.filter(pl.col(STATUS) == DUPLICATE)
    whole = pl.concat([kept, rejected, duplicates], how="diagonal")
    return whole.select(OUTPUT_SCHEMA.names).to_arrow().cast(OUTPUT_SCHEMA)


def _output_schema() -> pa.Schema:
    schema = pa.schema([pa.field(f.name, f.type) for f in BRONZE_EVENTS.arrow_schema])
    schema = schema.append(pa.field(STATUS, pa.string())).append(pa.field(REASONS, pa.list_(pa.string())))
    for name in SESSION_COLUMNS:
        kind = pa.int64() if name.startswith("num_") else pa.string()
        schema = schema.append(
            pa.field(name, schema.field("event_ts").type if name.endswith("_ts") else kind)
        )
    return schema


OUTPUT_SCHEMA = _output_schema()


def _mark_duplicates(frame: pl.DataFrame) -> pl.DataFrame:
    """The first row by `_ORDER` of each event_id, and of each content, is kept."""
    first_id = pl.struct("user_id", "event_id").is_first_distinct()
    frame = frame.with_columns(first_id.alias("_first_id"))
    # A row with a repeated id must not shadow another row's content, hence two steps.
    by_id = frame.filter("_first_id")
    by_id = by_id.with_columns(
        pl.when(pl.struct("user_id", *_CONTENT).is_first_distinct())
        .then(pl.lit(KEPT))
        .otherwise(pl.lit(DUPLICATE))
        .alias(STATUS)
    )
    repeated = frame.filter(~pl.col("_first_id")).with_columns(pl.lit(DUPLICATE).alias(STATUS))
    no_reasons = pl.lit([], dtype=pl.List(pl.String)).alias(REASONS)
    return pl.concat([by_id, repeated]).drop("_first_id").with_columns(no_reasons)


def _add_reason(frame: pl.DataFrame, broken: pl.Expr, reason: pl.Expr) -> pl.DataFrame:
    added = pl.when(broken).then(pl.concat_list(REASONS, reason)).otherwise(pl.col(REASONS))
    return frame.with_columns(added.alias(REASONS))


def _apply_bot_rules(frame: pl.DataFrame, settings: CleaningConfig) -> pl.DataFrame:
    per_user = pl.len().over("user_id")
    per_minute = pl.len().over("user_id", pl.col("event_ts").dt.truncate("1m")).max().over("user_id")
    limit = settings.max_events_per_user
    frame = _add_reason(
        frame, per_user > limit, pl.format(f"bot: {{}} events, at most {limit} allowed", per_user)
    )
    limit = settings.max_events_per_minute
    reason = pl.format(f"bot: {{}} events in one minute, at most {limit} allowed", per_minute)
    return _add_reason(frame, per_minute > limit, reason)


def _apply_clock_rule(frame: pl.DataFrame, settings: CleaningConfig) -> pl.DataFrame:
    """An outcome cannot precede its own impression: small skews are corrected, large ones rejected."""
    impression_ts = pl.col("event_ts").filter(pl.col("event_type") == "impression").min()
    shown_ts = impression_ts.over("user_id", "request_id", "item_id")
    applies = pl.col("request_id").is_not_null() & pl.col("event_type").is_in(["click", "cart", "purchase"])
    frame = frame.with_columns(pl.when(applies).then(shown_ts - pl.col("event_ts")).alias("_skew"))
    limit = pl.duration(microseconds=round(settings.max_clock_skew_minutes * 60e6))
    seconds = pl.col("_skew").dt.total_seconds()
    frame = _add_reason(
        frame, pl.col("_skew") > limit, pl.format("clock: {} s before its own impression", seconds)
    )
    corrected = pl.when(pl.col("_skew").is_between(pl.duration(microseconds=1), limit))
    return (
        frame.with_columns(
            corrected.then(pl.col("event_ts") + pl.col("_skew"))
            .otherwise(pl.col("event_ts"))
            .alias("event_ts")
        )
        .with_columns(pl.col("event_ts").dt.date().alias("event_date"))
        .drop("_skew")
    )


def _sessionise(frame: pl.DataFrame, settings: CleaningConfig) -> pl.DataFrame:
    """The source's own session, or a new one after a silence; ids hold the user, so they are unique."""
    gap = pl.duration(microseconds=round(settings.session_gap_minutes * 60e6))
    frame = frame.sort(_ORDER, nulls_last=True).with_columns(pl.col("session_id").is_null().alias("_own"))
    silence = pl.col("event_ts").diff().over("user_id", "_own")
    starts = silence.is_null() | (silence > gap)
    start_us = pl.when(starts).then(pl.col("event_ts").dt.epoch("us")).forward_fill().over("user_id", "_own")
    own_id = pl.format("{}/{}", "user_id", start_us)
    source_id = pl.format("{}/{}", "user_id", "session_id")
    frame = frame.with_columns(pl.when("_own").then(own_id).otherwise(source_id).alias("session_id")).drop(
        "_own"
    )

    def count(kind: str) -> pl.Expr:
        return (pl.col("event_type") == kind).sum().over("session_id").cast(pl.Int64)

    outcome = pl.lit("other")
    for kind in reversed(_DEPTH):
        outcome = (
            pl.when((pl.col("event_type") == kind).any().over("session_id"))
            .then(pl.lit(kind))
            .otherwise(outcome)
        )
    first = pl.int_range(pl.len()).over("session_id") == 0
    session = {
        "session_start_ts": pl.col("event_ts").min().over("session_id"),
        "session_end_ts": pl.col("event_ts").max().over("session_id"),
        "num_events": pl.len().over("session_id").cast(pl.Int64),
        "num_impressions": count("impression"),
        "num_clicks": count("click"),
        "num_purchases": count("purchase"),
        "outcome": outcome,
    }
    return frame.with_columns(pl.when(first).then(value).alias(name) for name, value in session.items())
