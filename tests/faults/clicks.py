"""A small click stream as files, and the settings of jobs on it. Imported by tests only."""

import json
import random
from datetime import timedelta
from pathlib import Path

import pyarrow as pa

from builders import at
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVENTS_REJECTED,
    SEQUENCES,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    TRAINING_EXAMPLES,
    VOCABULARY,
    Table,
)

NAMES = ("event_id", "event_type", "event_ts", "user_id", "item_id", "price")
TABLES = (
    BRONZE_EVENTS,
    EVENTS_REJECTED,
    SILVER_EVENTS,
    SILVER_SESSIONS,
    SILVER_REJECTED,
    SEQUENCES,
    VOCABULARY,
    TRAINING_EXAMPLES,
)


def write_clicks(folder: Path, num_events: int, num_files: int = 1) -> None:
    """Impressions, clicks and purchases of ten days, some of them of a bot, and a few lines that are none."""
    draw = random.Random(5)
    folder.mkdir(parents=True)
    for number in range(num_files):
        with (folder / f"{number}.json").open("w") as file:
            for row in range(num_events // num_files):
                user = draw.randrange(num_events // 20)
                minutes = draw.random() * 14_400 if user else draw.random()
                event = {
                    "event_id": f"{number}-{row}",
                    "event_type": draw.choice(["impression"] * 6 + ["click", "click", "purchase"]),
                    "event_ts": (at() + timedelta(minutes=minutes)).isoformat(),
                    "user_id": f"u{user}",
                    "item_id": f"i{draw.randrange(200)}",
                    "price": draw.randrange(1000) / 100,
                }
                file.write(json.dumps(event) + "\n")
            file.write("no record\n")


def settings(lake: Path, clicks: Path, *more: str, incremental: bool = False) -> list[str]:
    events = {"path": str(clicks), "format": "jsonl", "columns": {name: name for name in NAMES}}
    source = {"name": "files", "events": events, "incremental": incremental, "settle_seconds": 0}
    return [
        f"lake.root={lake}",
        f"source={json.dumps(source)}",
        "cleaning.max_events_per_minute=15",
        "spark.shuffle_partitions=2",
        "spark.driver_memory=1g",
        *more,
    ]


def rows(lake: Path, table: Table) -> list[str]:
    """A table's rows, sorted."""
    delta = Lake(str(lake)).open(table)
    assert delta is not None, table.name
    found: pa.Table = delta.to_pyarrow_table().select(table.column_names)
    return sorted(str(row) for row in found.to_pylist())
