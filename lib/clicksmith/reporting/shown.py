"""A few real and generated rows for a reader to look at, of each kind of data that can be read."""

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from clicksmith.config import Config
from clicksmith.generators.kind import Shown
from clicksmith.generators.kinds import KINDS
from clicksmith.lakehouse.catalog import Lake
from clicksmith.seeds import hash_buckets
from clicksmith.tables import ITEM_PROFILES, Table

NUM_SHOWN = 3
MAX_EVENTS = 12
"""Of a sequence; the first ones."""
AMONG = 500
"""Rows of which some are taken."""
REAL = "real"
_ITEM_WORDS = ("title", "subcategory", "category")


def rows_to_show(config: Config, lake: Lake) -> dict[str, list[Shown]]:
    """By "real", then by the generator's name: what each event was about, its type, and its gap."""
    found: dict[str, list[Shown]] = {}
    for name, kind in KINDS.items():
        mine = [fit for fit, options in config.generators.items() if options.kind == name]
        if kind.show is None or not mine:
            continue
        real = _some(lake, kind.twin.source, "split", "train")
        sides = {REAL: real} if real is not None else {}
        for fit in mine:
            rows = _some(lake, kind.twin.candidates, "generator", fit)
            if rows is not None:
                sides[fit] = rows
        if len(sides) > 1:
            found |= {side: kind.show(rows) for side, rows in sides.items()}
    return _with_words(lake, found)


def _some(lake: Lake, table: Table, partition: str, value: str) -> pa.Table | None:
    """A few rows of a part, by the hashes of their keys; None where there is none."""
    there = lake.find(table, None if partition == "split" else f"{partition}={value}")
    delta = None if there is None else lake.open(table, there.version)
    if delta is None:
        return None
    rows = delta.to_pyarrow_dataset().head(AMONG, filter=ds.field(partition) == value)
    if not rows.num_rows:
        return None
    order = pa.compute.sort_indices(pa.array(hash_buckets(rows.column(table.key[0]))))
    return rows.take(order[:NUM_SHOWN])


def _with_words(lake: Lake, found: Mapping[str, Sequence[Shown]]) -> dict[str, list[Shown]]:
    """Items by what the catalogue calls them, where it does."""
    wanted = sorted({event.item for shown in found.values() for one in shown for event in one})
    delta = lake.open(ITEM_PROFILES)
    called: dict[str, str] = {}
    if delta is not None and wanted:
        columns = ["item_id", *_ITEM_WORDS]
        rows = delta.to_pyarrow_dataset().to_table(columns=columns, filter=ds.field("item_id").isin(wanted))
        for row in rows.to_pylist():
            words = next((row[name] for name in _ITEM_WORDS if row[name]), None)
            if words is not None:
                called[row["item_id"]] = words
    return {
        side: [
            [event._replace(item=called.get(event.item, event.item)) for event in one[:MAX_EVENTS]]
            for one in shown
        ]
        for side, shown in found.items()
    }


def event_words(shown: Shown) -> list[tuple[str, str, str]]:
    """The gap in words, the type, and the item of each event."""
    return [(_gap_words(event.seconds), event.type, event.item) for event in shown]


def _gap_words(seconds: float | None) -> str:
    if seconds is None:
        return "first"
    if seconds == 0:
        return "with it"
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"+{seconds / size:.0f} {unit}"
    return f"+{seconds:.0f} s"
