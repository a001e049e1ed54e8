"""silver: distinct human events in sessions."""

import pyarrow as pa

from clicksmith.tables.bronze import BRONZE_EVENTS
from clicksmith.tables.schema import TIMESTAMP, Column, Table, columns

SILVER_EVENTS = Table(
    name="silver.events",
    columns=columns(
        *(c if c.name != "session_id" else Column("session_id", pa.string()) for c in BRONZE_EVENTS.columns)
    ),
    key=("event_id",),
    layout="users lie together as cleaning wrote them; features read all of it: no key would save reading",
    doc="a distinct, human event, in a session",
)

SILVER_REJECTED = Table(
    name="silver.events_rejected",
    columns=columns(
        BRONZE_EVENTS.columns,
        Column("reasons", pa.list_(pa.string()), doc="bot or clock rules that it broke"),
        Column("ruleset_version", pa.string()),
    ),
    key=("event_id",),
    layout="few rows, read by people",
    doc="an event that a bot or clock rule took out",
)

SILVER_SESSIONS = Table(
    name="silver.sessions",
    columns=columns(
        Column("session_id", pa.string()),
        Column("user_id", pa.string()),
        Column("session_start_ts", TIMESTAMP),
        Column("session_end_ts", TIMESTAMP),
        Column("num_events", pa.int64(), minimum=1),
        Column("num_impressions", pa.int64(), minimum=0),
        Column("num_clicks", pa.int64(), minimum=0),
        Column("num_purchases", pa.int64(), minimum=0),
        Column(
            "outcome", pa.string(), allowed=("purchase", "cart", "click", "impression", "search", "other")
        ),
    ),
    key=("session_id",),
    layout="users lie together as cleaning wrote them",
    doc="a session: the deepest event type reached is its outcome",
)
