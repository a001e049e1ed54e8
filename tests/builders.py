"""Small tables with the contract's types, for tests. Imported by tests only."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa

from clicksmith.tables import Table

START = datetime(2024, 1, 1, tzinfo=UTC)


def at(days: float = 0.0, minutes: float = 0.0) -> datetime:
    """A time after START, to the microsecond."""
    return START + timedelta(days=days, minutes=minutes)


def rows_of(table: Table, rows: list[dict[str, Any]]) -> pa.Table:
    """Rows with the table's types; columns that a row lacks are null."""
    names = table.column_names
    return pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows], _nullable(table))


def event(
    event_id: str, event_type: str, event_ts: datetime, user: str = "u", item: str | None = "a", **more: Any
) -> dict[str, Any]:
    """A row of bronze.events."""
    return {
        "event_id": event_id,
        "event_type": event_type,
        "event_ts": event_ts,
        "user_id": user,
        "item_id": item,
        "source": "test",
        "ingest_id": "test",
        "event_date": event_ts.date(),
        **more,
    }


def _nullable(table: Table) -> pa.Schema:
    return pa.schema([field.with_nullable(True) for field in table.arrow_schema])
