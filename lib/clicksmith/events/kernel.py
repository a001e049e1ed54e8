"""Cleaning of whole users' events as a pure function from Arrow to Arrow. Needs no Spark.

One partition holds all events of its users, so that dedup, bot and clock rules and sessions share one
shuffle. Nothing depends on row order or on which users share a partition: every rule looks at one user's
rows, and ties have tie-breakers.

Sorting and grouping text is slow, so text decides only where it has to: rows are compared in full where
their hashes are alike, users are numbers, and the rules look at the few rows that can break them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from clicksmith.config import CleaningConfig
from clicksmith.events.sessions import number_texts, sessionise
from clicksmith.tables import OUTCOMES, SILVER_EVENTS, SILVER_REJECTED, SILVER_SESSIONS

SCHEMAS = {
    "events": SILVER_EVENTS.arrow_schema,
    "sessions": SILVER_SESSIONS.arrow_schema,
    "rejected": SILVER_REJECTED.arrow_schema.remove(SILVER_REJECTED.column_names.index("ruleset_version")),
}
"""Of the tables of `Cleaned`."""

_CONTENT = ("event_type", "item_id", "event_ts", "session_id", "request_id", "query", "price", "quantity")
_NEAR = ("user_id", "event_type", "item_id", "request_id", "query")
_ORDER = ("event_ts", "event_id", *_CONTENT[:2], *_CONTENT[3:], "position", "properties", "ingest_id")
_REQUEST = ("_user", "request_id", "item_id")
_MINUTE_US = 60_000_000


@dataclass(frozen=True)
class Cleaned:
    """What became of a partition's rows; those in none of the tables are duplicates.

    Attributes:
        events: for silver.events, by user, time and id.
        sessions: for silver.sessions.
        rejected: for silver.events_rejected, but for the version of the rules.
        num_duplicates: rows left out.
    """

    events: pa.Table
    sessions: pa.Table
    rejected: pa.Table
    num_duplicates: int


def clean_partition(events: pa.Table, settings: CleaningConfig) -> Cleaned:
    """Dedup, apply bot and clock rules, and sessionise the events of whole users.

    Args:
        events: rows of bronze.events; all rows of a user that is present. An event_date is not needed.
        settings: the rules' bounds.
    """
    frame = pl.from_arrow(events)
    assert isinstance(frame, pl.DataFrame)
    # A row with a repeated id must not shadow another row's content, hence two steps.
    unique = _keep_first(_keep_first(frame, ("user_id", "event_id")), ("user_id", *_CONTENT))
    if settings.near_duplicate_seconds > 0:
        unique = _drop_near(unique, settings.near_duplicate_seconds)
    unique = unique.with_columns(_user=number_texts(unique["user_id"]))
    bots = _bot_reasons(unique, settings)
    unique, clocks = _correct_clocks(unique, settings)
    broken = pl.concat([bots, clocks]).group_by("_row", maintain_order=True).agg("reason")
    rejected = unique[broken["_row"]].with_columns(reasons=broken["reason"])
    kept = _in_order(_without(unique, broken["_row"]))
    kept, sessions = sessionise(kept, settings.session_gap_minutes)
    return Cleaned(
        events=_to_arrow(kept, "events"),
        sessions=_to_arrow(sessions, "sessions"),
        rejected=_to_arrow(_in_order(rejected), "rejected"),
        num_duplicates=len(frame) - len(unique),
    )


def _in_order(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("_user", "event_ts", "event_id").with_columns(event_date=pl.col("event_ts").dt.date())


def _to_arrow(frame: pl.DataFrame, kind: str) -> pa.Table:
    schema = SCHEMAS[kind]
    return frame.select(schema.names).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)


def _keep_first(frame: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    """Of the rows that agree in a key, nulls being equal, the first by `_ORDER`."""
    alike = frame.select(key).hash_rows().is_duplicated()
    candidates = frame.with_row_index("_row").filter(alike).sort(_ORDER, nulls_last=True)
    later = candidates.filter(~pl.struct(key).is_first_distinct())["_row"]
    return _without(frame, later)


def _drop_near(frame: pl.DataFrame, seconds: float) -> pl.DataFrame:
    """Without rows that follow one of the same key, kept or not, within so many seconds."""
    ordered = frame.with_row_index("_row").sort(*_NEAR, *_ORDER, nulls_last=True)
    silence = pl.col("event_ts").diff().over(_NEAR)
    near = ordered.filter(silence <= pl.duration(microseconds=round(seconds * 1e6)))["_row"]
    return _without(frame, near)


def _without(frame: pl.DataFrame, rows: pl.Series) -> pl.DataFrame:
    is_kept = np.ones(len(frame), bool)
    is_kept[rows.to_numpy()] = False
    return frame.filter(is_kept)


def _bot_reasons(frame: pl.DataFrame, settings: CleaningConfig) -> pl.DataFrame:
    """Rows of users who break a rule of rate, ratio or speed: one line a row and rule."""
    us, is_outcome = pl.col("event_ts").dt.epoch("us"), pl.col("event_type").is_in(OUTCOMES)
    minutes = frame.group_by("_user", (us // _MINUTE_US).alias("minute")).len()
    users = minutes.group_by("_user").agg(per_user=pl.col("len").sum(), per_minute=pl.col("len").max())
    found = [
        _over(users, "per_user", settings.max_events_per_user, "bot: {} events, at most {} allowed"),
        _over(
            users,
            "per_minute",
            settings.max_events_per_minute,
            "bot: {} events in one minute, at most {} allowed",
        ),
    ]
    if settings.max_outcomes_per_second is not None:
        seconds = frame.filter(is_outcome).group_by("_user", (us // 1_000_000).alias("second")).len()
        fastest = seconds.group_by("_user").agg(per_second=pl.col("len").max())
        text = "bot: {} outcomes in one second, at most {} allowed"
        found.append(_over(fastest, "per_second", settings.max_outcomes_per_second, text))
    if settings.max_outcomes_per_impression is not None:
        shown = (pl.col("event_type") == "impression").sum()
        ratios = frame.group_by("_user").agg(shown=shown, ratio=(is_outcome.sum() / shown).round(3))
        ratios = ratios.filter(pl.col("shown") >= settings.min_impressions)
        text = "bot: {} outcomes an impression, at most {} allowed"
        found.append(_over(ratios, "ratio", settings.max_outcomes_per_impression, text))
    rows = frame.select("_user", _row=pl.int_range(pl.len()))
    return pl.concat([rows.join(users, on="_user").select("_row", "reason") for users in found])


def _over(users: pl.DataFrame, figure: str, limit: float, text: str) -> pl.DataFrame:
    over = users.filter(pl.col(figure) > limit)
    return over.select("_user", reason=pl.format(text, figure, pl.lit(limit)))


def _correct_clocks(frame: pl.DataFrame, settings: CleaningConfig) -> tuple[pl.DataFrame, pl.DataFrame]:
    """An outcome cannot precede its own impression: small skews are corrected, large ones are reasons."""
    kind, requested = pl.col("event_type"), pl.col("request_id").is_not_null()
    part = frame.select(
        *_REQUEST, "event_type", _row=pl.int_range(pl.len()), us=pl.col("event_ts").dt.epoch()
    )
    outcomes = part.filter(requested & kind.is_in(OUTCOMES))
    shown = part.filter(requested & (kind == "impression")).join(
        outcomes.select(_REQUEST), on=_REQUEST, how="semi", nulls_equal=True
    )
    shown = shown.group_by(_REQUEST).agg(shown_us=pl.col("us").min())
    skewed = outcomes.join(shown, on=_REQUEST, nulls_equal=True).filter(pl.col("shown_us") > pl.col("us"))
    limit_us = round(settings.max_clock_skew_minutes * 60e6)
    skew = pl.col("shown_us") - pl.col("us")
    small = skewed.filter(skew <= limit_us)
    event_us = frame["event_ts"].dt.epoch("us").to_numpy().copy()
    event_us[small["_row"].to_numpy()] = small["shown_us"].to_numpy()
    corrected = pl.Series("event_ts", event_us).cast(frame.schema["event_ts"])
    reason = pl.format("clock: {} s before its own impression", skew // 1_000_000)
    return frame.with_columns(corrected), skewed.filter(skew > limit_us).select("_row", reason=reason)
