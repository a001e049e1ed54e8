"""A lake with training examples and candidates of known quality. Imported by tests only."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from clicksmith.config import Config
from clicksmith.generators.artefact import generator_id
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.lineage import trace
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.seeds import Holdout
from clicksmith.tables import SYNTHETIC_CANDIDATES, TRAINING_EXAMPLES, Table
from clicksmith.tables.gold import FEATURE_COLUMNS

NOW = datetime(2020, 1, 1, tzinfo=UTC)


def real_rows(seed: int, num_rows: int, prefix: str = "e") -> pa.Table:
    """Impressions whose category decides price, brand and outcome."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, num_rows, p=[0.4, 0.3, 0.2, 0.1])
    history = rng.poisson(20 + 10 * kind)
    bought = rng.random(num_rows) < 0.1 + 0.2 * kind
    columns = {
        "example_id": [f"{prefix}{i}" for i in range(num_rows)],
        "item_id": [f"i{k}" for k in kind * 10 + rng.integers(10, size=num_rows)],
        "event_ts": [NOW] * num_rows,
        "hour_of_day": rng.integers(24, size=num_rows),
        "day_of_week": 1 + rng.integers(7, size=num_rows),
        "user_age_band": np.array(["18-24", "25-44", "45+"])[rng.integers(3, size=num_rows)],
        "user_num_events": history,
        "user_num_purchases_30d": rng.binomial(history, 0.3),
        "user_mean_price": pa.array(rng.lognormal(1, 0.5, num_rows), mask=rng.random(num_rows) < 0.1),
        "user_days_since_last": rng.exponential(5, num_rows),
        "item_category": np.array(["food", "drink", "home", "toys"])[kind],
        "item_brand": [f"b{k}" for k in kind * 3 + rng.integers(3, size=num_rows)],
        "item_price": np.exp(kind + rng.normal(0, 0.1, num_rows)),
        "item_num_purchases": rng.poisson(100 / (1 + kind)),
        "user_category_share": rng.beta(1 + kind, 5),
        "user_item_num_purchases": rng.poisson(0.3, num_rows),
        "label_click": bought | (rng.random(num_rows) < 0.1),
        "label_cart": bought,
        "label_purchase": bought,
        "is_cold_user": np.zeros(num_rows, bool),
        "is_cold_item": np.zeros(num_rows, bool),
        "sample_weight": np.ones(num_rows),
        "split": ["train"] * num_rows,
    }
    return _complete(columns, num_rows, TRAINING_EXAMPLES)


PROFILE = tuple(column.name for column in FEATURE_COLUMNS if column.name.startswith("user_"))


def rows_of_users(seed: int, num_users: int, rows_each: int, prefix: str = "u") -> pa.Table:
    """`real_rows` of users who each have a profile: what they are is the same in all their rows."""
    rows = real_rows(seed, num_users * rows_each, f"{prefix}e")
    user = np.repeat(np.arange(num_users), rows_each)
    rng = np.random.default_rng(seed + 1)
    for name, size in (("user_income_band", 8), ("user_household", 5)):
        rows = _set(rows, name, pa.array([f"{k}" for k in rng.integers(size, size=rows.num_rows)]))
    rows = _set(rows, "user_id", pa.array([f"{prefix}{number}" for number in user]))
    return with_profiles(rows, rows.slice(0, num_users).take(pa.array(user)))


def with_profiles(rows: pa.Table, users: pa.Table) -> pa.Table:
    """Rows with the profiles of as many others: of a generator that gives away whom it has seen."""
    for name in PROFILE:
        rows = _set(rows, name, users[name])
    return rows


def _set(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    index = rows.column_names.index(name)
    return rows.set_column(index, rows.schema.field(index), values)


def independent_rows(rows: pa.Table, seed: int) -> pa.Table:
    """The same columns, each in an order of its own: right shapes, no relations."""
    rng = np.random.default_rng(seed)
    shuffled = [column.take(pa.array(rng.permutation(rows.num_rows))) for column in rows.columns]
    return pa.table(shuffled, names=rows.column_names)


def shown_rows(rows: pa.Table) -> pa.Table:
    """Without the holdout."""
    return rows.filter(pa.array(~Holdout().mask(rows)))


def current_id(config: Config, generator: str) -> str:
    """The id of the generator that learns from the lake's training examples."""
    return generator_id(generator, trace_generator(config, generator, Lake.of(config).get(TRAINING_EXAMPLES)))


def candidate_rows(rows: pa.Table, generator: str, made_by: str) -> pa.Table:
    """Rows as the candidates of a generator with the id `made_by`."""
    ids = [f"{generator}-{i}" for i in range(rows.num_rows)]
    columns = {name: rows[name] for name in rows.column_names}
    columns |= {
        "sample_id": ids,
        "example_id": ids,
        "row_id": np.arange(rows.num_rows),
        "run_id": ["r"] * rows.num_rows,
        "generator_id": [made_by] * rows.num_rows,
        "generator": [generator] * rows.num_rows,
    }
    return _complete(columns, rows.num_rows, SYNTHETIC_CANDIDATES)


def write(
    spark: SparkSession, config: Config, rows: pa.Table, table: Table, part: str | None = None, tag: str = ""
) -> Snapshot:
    """Commit rows as a job would."""
    lineage = trace(f"test/{table.name}/{part}", config, {}, {}, {"tag": tag})
    return commit(spark.createDataFrame(rows), table, Lake.of(config), lineage, part)


def _complete(columns: dict[str, Sequence[object]], num_rows: int, table: Table) -> pa.Table:
    arrays = [
        pa.array(columns[c.name], type=c.type)
        if c.name in columns and not isinstance(columns[c.name], (pa.Array, pa.ChunkedArray))
        else columns[c.name].cast(c.type)
        if c.name in columns
        else pa.nulls(num_rows, c.type)
        for c in table.columns
    ]
    return pa.table(arrays, schema=table.arrow_schema)
