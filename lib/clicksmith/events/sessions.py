"""Sessions of users' events, as arithmetic on sorted arrays. Needs no Spark."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

_DEPTH = ("purchase", "cart", "click", "impression", "search")
"""Deepest first: the first of these that a session has is its outcome."""


def sessionise(frame: pl.DataFrame, gap_minutes: float) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The source's own session, or a new one after a silence; ids hold the user, so they are unique.

    Args:
        frame: rows of bronze.events by user and time, users also as numbers in ``_user``.
        gap_minutes: events of a user without a session of the source's own, farther apart than this, are
            of two sessions.

    Returns:
        The rows with their session_id, and one row a session for silver.sessions.
    """
    us = frame["event_ts"].dt.epoch("us").to_numpy()
    session, num_sessions = _number_sessions(frame, us, round(gap_minutes * 60e6))
    first = np.empty(num_sessions, np.int64)
    first[session[::-1]] = np.arange(len(frame))[::-1]
    start_us, end_us = us[first], np.empty(num_sessions, np.int64)
    end_us[session] = us  # the latest comes last
    kinds = {kind: (frame["event_type"] == kind).to_numpy() for kind in _DEPTH}
    counts = {kind: np.bincount(session[is_kind], minlength=num_sessions) for kind, is_kind in kinds.items()}
    outcome = pl.lit("other")
    for kind in reversed(_DEPTH):
        outcome = pl.when(pl.lit(pl.Series(counts[kind] > 0))).then(pl.lit(kind)).otherwise(outcome)
    own_or_start = pl.coalesce("session_id", pl.Series(start_us).cast(pl.String))
    sessions = frame[first].select(
        session_id=pl.format("{}/{}", "user_id", own_or_start),
        user_id="user_id",
        session_start_ts="event_ts",
        session_end_ts=pl.Series(end_us).cast(frame.schema["event_ts"]),
        num_events=pl.Series(np.bincount(session, minlength=num_sessions)),
        num_impressions=pl.Series(counts["impression"]),
        num_clicks=pl.Series(counts["click"]),
        num_purchases=pl.Series(counts["purchase"]),
        outcome=outcome,
    )
    return frame.with_columns(session_id=sessions["session_id"][session]), sessions


def _number_sessions(
    frame: pl.DataFrame, us: NDArray[np.int64], gap_us: int
) -> tuple[NDArray[np.int64], int]:
    """Each row's session, from 0, and how many there are."""
    users = frame["_user"].to_numpy()
    is_own = frame["session_id"].is_not_null().to_numpy()
    session = np.empty(len(frame), np.int64)
    silent = np.flatnonzero(~is_own)
    starts = np.ones(len(silent), bool)
    starts[1:] = (np.diff(users[silent]) != 0) | (np.diff(us[silent]) > gap_us)
    session[silent] = np.cumsum(starts) - 1
    num_silent = int(starts.sum())
    names = number_texts(frame["session_id"].filter(is_own))
    keys, own = np.unique(users[is_own].astype(np.int64) << 32 | names, return_inverse=True)
    session[is_own] = own + num_silent
    return session, num_silent + len(keys)


def number_texts(texts: pl.Series) -> NDArray[np.uint32]:
    """Each text's rank among the distinct ones."""
    return texts.cast(pl.Enum(texts.unique().sort())).to_physical().cast(pl.UInt32).to_numpy()
