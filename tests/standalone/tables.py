"""Small tables of many types, for tests of the face."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa


def mixed_frame(num_rows: int, seed: int = 0) -> pd.DataFrame:
    """A column of each type that pandas' users have; all of few values, so that they come back exactly."""
    rng = np.random.default_rng(seed)
    k = rng.integers(0, 4, num_rows)
    frame = pd.DataFrame(
        {
            "level": pd.Categorical.from_codes(k % 3, ["low", "mid", "high", "never"], ordered=True),
            "count": pd.array(np.where(k == 0, None, k), dtype="Int64"),
            "name": np.where(k == 1, None, np.array(["a", "b", "c", "d"], object)[k]),
            "day": [date(2026, 1, 1 + int(n)) for n in k],
            "flag": k % 2 == 0,
            "when": pd.Timestamp("2026-01-01 08:00") + pd.to_timedelta(k, "h"),
            "tiny": k.astype(np.uint8),
            "half": (k / 2).astype(np.float32),
            "cost": [Decimal(int(n)) / 4 for n in k],
            "span": pd.to_timedelta(k, "min"),
            "text": pd.array([f"t{n}" for n in k], dtype="string"),
            "id": 2**60 + k.astype(np.int64),
        }
    )
    return frame


def mixed_table(num_rows: int) -> pa.Table:
    """What Arrow has beside these."""
    k = np.arange(num_rows) % 3
    return pa.table(
        {
            "dictionary": pa.array([f"d{n}" for n in k]).dictionary_encode(),
            "large": pa.array([f"l{n}" for n in k], pa.large_string()),
            "zoned": pa.array([datetime(2026, 1, 1 + n) for n in k], pa.timestamp("ms", tz="Europe/Rome")),
            "nano": pa.array([1 + n for n in k.tolist()], pa.timestamp("ns")),
            "clock": pa.array([time(int(n), 30) for n in k], pa.time32("s")),
            "wait": pa.array([timedelta(seconds=int(n)) for n in k], pa.duration("us")),
            "wide": pa.array(k, pa.uint64()),
            "money": pa.array([Decimal(int(n)) / 10 for n in k], pa.decimal128(9, 2)),
            "tags": pa.array([["x", "y"][: 1 + n % 2] for n in k], pa.list_(pa.string())),
            "nothing": pa.nulls(num_rows),
            "date64": pa.array([date(2026, 1, 1 + n) for n in k], pa.date64()),
        }
    )


def cycle(num_groups: int, seed: int = 0) -> pd.DataFrame:
    """Pages in the order home, list, item, home, ..., each group of a country, a minute apart."""
    rng = np.random.default_rng(seed)
    rows = []
    for number in range(num_groups):
        start = pd.Timestamp("2026-03-01") + pd.to_timedelta(int(rng.integers(0, 10_000)), "s")
        first = int(rng.integers(3))
        for step in range(int(rng.integers(3, 8))):
            page = ["home", "list", "item"][(first + step) % 3]
            at = start + pd.to_timedelta(60 * step, "s")
            rows.append((f"u{number}", ["it", "no"][number % 2], page, step + 1, at))
    return pd.DataFrame(rows, columns=["who", "country", "page", "step", "at"]).sample(frac=1, random_state=1)
