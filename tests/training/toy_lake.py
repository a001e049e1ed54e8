"""A gold.training_examples table of any size, with known dependencies, for tests without Spark."""

import datetime
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from deltalake import CommitProperties, write_deltalake

from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.tables import TRAINING_EXAMPLES, Table

CATEGORIES = ("DAIRY", "GROCERY", "MEAT", "PRODUCE", "SALON")


def toy_examples(num_rows: int, seed: int = 0) -> pa.Table:
    """Rows of the contract's schema: a purchase is likely for DAIRY and for cheap items."""
    rng = np.random.default_rng(seed)
    category = rng.choice(5, num_rows, p=[0.3, 0.3, 0.2, 0.15, 0.05])
    subcategory = category * 10 + rng.integers(0, 10, num_rows)
    price = np.round(np.exp(rng.normal(category * 0.4, 0.5)), 2)
    purchase = rng.random(num_rows) < np.where(category == 0, 0.4, 0.05) * (price < 2.5) + 0.02
    popularity = rng.geometric(0.02, num_rows) - 1
    history = rng.geometric(0.005, num_rows) - 1
    start = datetime.datetime(2017, 1, 2, tzinfo=datetime.UTC)
    day = rng.integers(0, 200, num_rows)
    hour = np.clip(np.rint(rng.normal(15, 4, num_rows)), 0, 23).astype(int)
    splits = np.where(day < 150, "train", np.where(day < 170, "validation", "test"))
    missing = rng.random(num_rows) < 0.1
    values = {
        "example_id": [f"e{i}" for i in range(num_rows)],
        "user_id": [f"u{i}" for i in rng.integers(0, 500, num_rows)],
        "item_id": [f"i{s}-{k}" for s, k in zip(subcategory, rng.integers(0, 6, num_rows), strict=True)],
        "session_id": [f"s{i}" for i in range(num_rows)],
        "request_id": [None] * num_rows,
        "event_ts": [
            start + datetime.timedelta(days=int(d), hours=int(h)) for d, h in zip(day, hour, strict=True)
        ],
        "placement": rng.choice(["display", "mailer"], num_rows),
        "hour_of_day": hour,
        "day_of_week": day % 7 + 1,
        "user_age_band": [
            None if m else a for m, a in zip(missing, rng.choice(["25-34", "35-44"], num_rows), strict=True)
        ],
        "user_income_band": [
            None if m else a for m, a in zip(missing, rng.choice(["low", "high"], num_rows), strict=True)
        ],
        "user_household": rng.choice(["1", "2", "3+"], num_rows),
        "user_num_events": history,
        "user_num_purchases_30d": rng.binomial(history, 0.2),
        "user_mean_price": pa.array(rng.lognormal(1, 0.3, num_rows), mask=history == 0),
        "user_days_since_last": pa.array(rng.exponential(5, num_rows), mask=history == 0),
        "item_category": [CATEGORIES[c] for c in category],
        "item_subcategory": [f"SUB{s:02d}" for s in subcategory],
        "item_brand": rng.choice(["National", "Private", "other"], num_rows),
        "item_price": price,
        "item_num_purchases": popularity,
        "item_days_since_first": rng.uniform(0, 150, num_rows),
        "user_category_share": np.where(history == 0, 0.0, rng.beta(1, 4, num_rows)),
        "user_item_num_purchases": rng.poisson(0.1, num_rows),
        "user_item_days_since_last": pa.nulls(num_rows, pa.float64()),
        "label_click": [False] * num_rows,
        "label_cart": [False] * num_rows,
        "label_purchase": purchase,
        "is_cold_user": [False] * num_rows,
        "is_cold_item": [False] * num_rows,
        "propensity": rng.choice([0.5, 0.001], num_rows),
        "sample_weight": np.ones(num_rows),
        "split": splits,
    }
    schema = TRAINING_EXAMPLES.arrow_schema
    return pa.table(
        {field.name: pa.array(values[field.name]).cast(field.type) for field in schema}, schema=schema
    )


def write_rows(
    lake: Lake,
    table: Table,
    rows: pa.Table,
    fingerprint: str,
    part: str | None = None,
    mode: Literal["append", "overwrite"] = "append",
    **options: Any,
) -> Snapshot:
    """Write rows with the user metadata of a job; `options` are `write_deltalake`'s."""
    uri = lake.uri(table)
    Path(uri).mkdir(parents=True, exist_ok=True)
    metadata = {"job": "toy", "part": part, "run_id": fingerprint[:16], "fingerprint": fingerprint}
    write_deltalake(
        uri,
        rows,
        mode=mode,
        partition_by=list(table.partition_by) or None,
        commit_properties=CommitProperties(custom_metadata={"userMetadata": json.dumps(metadata)}),
        **options,
    )
    return lake.get(table, part)


def write_examples(lake: Lake, rows: pa.Table, fingerprint: str = "f" * 32, **options: Any) -> Snapshot:
    """Replace gold.training_examples."""
    return write_rows(lake, TRAINING_EXAMPLES, rows, fingerprint, mode="overwrite", **options)
