"""A gold.sequences table with a known order of items, for tests without Spark."""

import datetime

import numpy as np
import pyarrow as pa

from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.tables import SEQUENCES
from training.toy_lake import write_rows

NUM_ITEMS = 30
FOLLOWS = 0.8
"""Probability that an item is followed by the one with the next number; else by any."""
START = datetime.datetime(2017, 1, 2, tzinfo=datetime.UTC)


def toy_sequences(num_users: int, seed: int = 0, split: str = "train") -> pa.Table:
    """Users with 3 to 9 events: a walk over the items, hours apart, every fourth a purchase."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(num_users):
        length = int(rng.integers(3, 10))
        item, items = int(rng.integers(NUM_ITEMS)), []
        for _ in range(length):
            items.append(f"i{item}")
            item = (item + 1) % NUM_ITEMS if rng.random() < FOLLOWS else int(rng.integers(NUM_ITEMS))
        hours = np.cumsum(rng.integers(1, 30, length)) + int(rng.integers(2000))
        rows.append(
            {
                "user_id": f"u{user}",
                "item_ids": items,
                "event_types": ["purchase" if p < 0.25 else "click" for p in rng.random(length)],
                "event_ts": [START + datetime.timedelta(hours=int(hour)) for hour in hours],
                "split": split,
            }
        )
    return pa.Table.from_pylist(rows, schema=SEQUENCES.arrow_schema)


def write_sequences(lake: Lake, rows: pa.Table, fingerprint: str = "f" * 32) -> Snapshot:
    """Replace gold.sequences."""
    return write_rows(lake, SEQUENCES, rows, fingerprint, mode="overwrite")
