"""bronze: records as received, once their contract holds; and those that broke it."""

import pyarrow as pa

from clicksmith.tables.schema import TIMESTAMP, Column, Table, columns

EVENT_TYPES = ("impression", "click", "cart", "purchase", "search")
OUTCOMES = ("click", "cart", "purchase")
"""Event types that may follow an impression."""

PROVENANCE = columns(
    Column("source", pa.string(), doc="name of the source adapter"),
    Column("ingest_id", pa.string(), doc="the ingest run that brought the row"),
)

EVENT_COLUMNS = columns(
    Column("event_id", pa.string(), doc="unique in its source; derived from the content where it has none"),
    Column("event_type", pa.string(), doc=f"one of {', '.join(EVENT_TYPES)}, or declared by the source"),
    Column("event_ts", TIMESTAMP, doc="when it happened"),
    Column("user_id", pa.string()),
    Column("item_id", pa.string(), nullable=True, doc="null only for a search"),
    Column("session_id", pa.string(), nullable=True, doc="the source's own session, e.g. a basket"),
    Column("request_id", pa.string(), nullable=True, doc="impressions shown together share it"),
    Column("position", pa.int32(), nullable=True, minimum=0, doc="rank in the request's list, from 0"),
    Column("placement", pa.string(), nullable=True, doc="where the impression was shown"),
    Column("query", pa.string(), nullable=True),
    Column("price", pa.float64(), nullable=True, minimum=0.0, doc="per unit, in the source's currency"),
    Column("quantity", pa.int32(), nullable=True, minimum=0, maximum=1_000_000),
    Column(
        "propensity",
        pa.float64(),
        nullable=True,
        minimum=0.0,
        maximum=1.0,
        doc="probability with which the row was logged or kept; null means 1",
    ),
    Column("properties", pa.string(), nullable=True, doc="whatever else the source knows, as JSON"),
)

BRONZE_EVENTS = Table(
    name="bronze.events",
    columns=columns(EVENT_COLUMNS, PROVENANCE, Column("event_date", pa.date32(), doc="of event_ts, UTC")),
    key=("event_id",),
    layout="a batch has files of its own, by which a replay finds it; cleaning reads all of them",
    doc="an event as received",
)

ITEM_COLUMNS = columns(
    Column("item_id", pa.string()),
    Column("title", pa.string(), nullable=True),
    Column("category", pa.string(), nullable=True, doc="coarse, tens of values"),
    Column("subcategory", pa.string(), nullable=True, doc="fine, hundreds of values"),
    Column("brand", pa.string(), nullable=True),
    Column("price", pa.float64(), nullable=True, minimum=0.0),
    Column("properties", pa.string(), nullable=True, doc="JSON"),
)

USER_COLUMNS = columns(
    Column("user_id", pa.string()),
    Column("age_band", pa.string(), nullable=True),
    Column("gender", pa.string(), nullable=True),
    Column("income_band", pa.string(), nullable=True),
    Column("household", pa.string(), nullable=True, doc="household composition or occupation"),
    Column("properties", pa.string(), nullable=True, doc="JSON"),
)

_WHOLE = "replaced as a whole, joined as a whole"
BRONZE_ITEMS = Table(
    "bronze.items", columns(ITEM_COLUMNS, PROVENANCE), ("item_id",), layout=_WHOLE, doc="a catalogue record"
)
BRONZE_USERS = Table(
    "bronze.users", columns(USER_COLUMNS, PROVENANCE), ("user_id",), layout=_WHOLE, doc="a user record"
)

EVENT_FILES = Table(
    name="bronze.event_files",
    columns=columns(
        Column("batch", pa.int64(), minimum=0),
        Column("file", pa.string(), doc="its name below the source's folder"),
        Column("num_bytes", pa.int64(), minimum=0),
        Column("ingest_id", pa.string(), doc="of the batch's rows"),
        Column("modified_ns", pa.int64(), nullable=True, doc="when its file system says that it was written"),
        Column("content_hash", pa.string(), nullable=True, doc="of its size and of blocks all over it"),
    ),
    key=("file",),
    layout="a row a file: small",
    doc="a source file and the batch that ingests it, written before its rows are",
)

REJECTED_COLUMNS = columns(
    Column("raw", pa.string(), nullable=True, doc="the row as received: its text, or JSON of its fields"),
    Column("reasons", pa.list_(pa.string()), doc="every rule that it broke"),
    Column("ruleset_version", pa.string()),
    PROVENANCE,
)

REJECTED = tuple(
    Table(
        f"{table.name}_rejected",
        REJECTED_COLUMNS,
        (),
        layout="few rows, read by people and by a replay",
        doc=f"a row that broke the contract of {table.name}",
    )
    for table in (BRONZE_EVENTS, BRONZE_ITEMS, BRONZE_USERS)
)
