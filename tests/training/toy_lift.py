"""gold tables with a known truth for recommenders and lift, written without Spark."""

import datetime

import numpy as np
import pyarrow as pa

from clicksmith.config import Config
from clicksmith.generators.artefact import generator_id
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.tables import SEQUENCES, SYNTHETIC_EXAMPLES, VOCABULARY
from training.toy_lake import toy_examples

START = datetime.datetime(2017, 1, 2, tzinfo=datetime.UTC)


def examples_with(num_rows: int, num_users: int, labels: str, seed: int = 0) -> pa.Table:
    """Toy examples whose label is a planted interaction of two features, or noise.

    ``interaction``: positive with 0.9 where (placement is mailer) equals (household is "1"), else with 0.1:
    neither feature tells anything alone. ``noise``: positive with 0.3.
    """
    rows = toy_examples(num_rows, seed)
    random = np.random.default_rng(seed + 1)
    mailer = np.array(rows.column("placement").to_pylist()) == "mailer"
    single = random.random(num_rows) < 0.5
    rate = np.where(mailer == single, 0.9, 0.1) if labels == "interaction" else np.full(num_rows, 0.3)
    rows = _set(rows, "user_household", pa.array(np.where(single, "1", "2")))
    rows = _set(rows, "user_id", pa.array([f"u{u}" for u in random.integers(0, num_users, num_rows)]))
    return _set(rows, "label_purchase", pa.array(random.random(num_rows) < rate))


def synthetic_from(rows: pa.Table, generator: str, config: Config, examples: Snapshot) -> pa.Table:
    """Rows in the shape of gold.synthetic_examples; they lose user, session and request, and are train.

    They name the generator that learns from the examples as their maker.
    """
    made_by = generator_id(generator, trace_generator(config, generator, examples))
    num_rows = rows.num_rows
    rows = _set(rows, "split", pa.array(["train"] * num_rows))
    rows = _set(rows, "user_id", pa.nulls(num_rows, pa.string()))
    provenance = {
        "sample_id": pa.array([f"{generator}-{i}" for i in range(num_rows)]),
        "row_id": pa.array(range(num_rows), pa.int64()),
        "run_id": pa.array(["r"] * num_rows),
        "generator_id": pa.array([made_by] * num_rows),
        "generator": pa.array([generator] * num_rows),
    }
    table = pa.table({**provenance, **{name: rows.column(name) for name in rows.column_names}})
    return table.select(SYNTHETIC_EXAMPLES.column_names).cast(SYNTHETIC_EXAMPLES.arrow_schema)


def vocabulary_of(item_ids: list[str]) -> pa.Table:
    """gold.vocabulary of the items of training rows."""
    names, counts = np.unique(item_ids, return_counts=True)
    ordered = sorted(zip(-counts, names, strict=True))
    return pa.table(
        {
            "field": ["item_id"] * len(ordered),
            "value": [str(name) for _, name in ordered],
            "index": list(range(1, len(ordered) + 1)),
            "num_events": [int(-count) for count, _ in ordered],
            "num_outcomes": [int(-count) for count, _ in ordered],
        },
        schema=VOCABULARY.arrow_schema,
    )


def cycle_sequences(num_users: int, num_items: int, length: int, seed: int = 0) -> pa.Table:
    """Users who walk the cycle i0 -> i1 -> ... -> i0 from a random start, through all splits."""
    random = np.random.default_rng(seed)
    rows = []
    for user in range(num_users):
        start = int(random.integers(num_items))
        spans = {
            "train": range(length),
            "validation": range(length, length + 2),
            "test": range(length + 2, length + 3),
        }
        for split, steps in spans.items():
            rows.append(
                {
                    "user_id": f"u{user:04d}",
                    "item_ids": [f"i{(start + step) % num_items:03d}" for step in steps],
                    "event_types": ["purchase"] * len(steps),
                    "event_ts": [START + datetime.timedelta(days=step) for step in steps],
                    "split": split,
                }
            )
    return pa.Table.from_pylist(rows, schema=SEQUENCES.arrow_schema)


def _set(rows: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return rows.set_column(
        rows.column_names.index(name), rows.schema.field(name), values.cast(rows.schema.field(name).type)
    )
