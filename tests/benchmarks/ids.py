"""Identifier columns of 100,000 to 10 million values: what a row costs must hardly grow with them."""

import multiprocessing
import time

import numpy as np
import pyarrow as pa
import torch

from benchmarks.lines import peak_mb, print_line
from clicksmith.config import generator_config
from clicksmith.encoding.options import Options
from clicksmith.encoding.table import TableCodec
from clicksmith.generators.presets import build_recipe
from clicksmith.generators.recipe import Shard
from clicksmith.tables import Column

SIZES = {"ids_100k": 100_000, "ids_1m": 1_000_000, "ids_10m": 10_000_000}
TRAINING_ROWS = 1_000_000
BATCH_SIZE = 500
WARM_STEPS, STEPS = 20, 200
COLUMNS = (
    Column("id", pa.string()),
    Column("category", pa.string()),
    Column("price", pa.float64()),
    Column("count", pa.int64()),
    Column("hour", pa.int64()),
    Column("bought", pa.bool_()),
)


def run() -> None:
    """Print the figures of each size, from a process of its own."""
    spawn = multiprocessing.get_context("spawn")
    for name, num_ids in SIZES.items():
        with spawn.Pool(1) as pool:
            figures = pool.apply(measure, (num_ids,))
        for figure, (value, unit) in figures.items():
            print_line("generators", f"tabular_ar.{name}.{figure}", value, unit)


def measure(num_ids: int) -> dict[str, tuple[float, str]]:
    """Fit on rows that hold each id at least once, train on a sample of them.

    Returns:
        figure to value and unit; memory includes the table itself.
    """
    torch.set_num_threads(2)
    rng = np.random.default_rng(0)
    table = _rows(num_ids, rng)
    started = time.perf_counter()
    codec = TableCodec.fit(table, COLUMNS, options=Options(kinds={"id": "identifier"}))
    fitted = time.perf_counter()
    rows = table.take(pa.array(rng.permutation(table.num_rows)[:TRAINING_ROWS]))
    taken = time.perf_counter()
    data = codec.encode(rows)
    encoded = time.perf_counter()
    settings = {
        "preset": "tabular_ar",
        "num_steps": WARM_STEPS + STEPS,
        "batch_size": BATCH_SIZE,
    }
    recipe = build_recipe(generator_config(settings), 0, codec, data)
    recipe.prepare(lambda module: module)
    for step in range(WARM_STEPS):
        recipe.step(step, Shard())
    warm = time.perf_counter()
    for step in range(WARM_STEPS, WARM_STEPS + STEPS):
        recipe.step(step, Shard())
    return {
        "fit_rows_per_s": (table.num_rows / (fitted - started), "rows/s"),
        "encode_rows_per_s": (len(data) / (encoded - taken), "rows/s"),
        "train_rows_per_s": (STEPS * BATCH_SIZE / (time.perf_counter() - warm), "rows/s"),
        "peak_mb": (peak_mb(), "MB"),
    }


def _rows(num_ids: int, rng: np.random.Generator) -> pa.Table:
    """Each id once, then ids by Zipf's law up to the number of training rows; the id's group decides much."""
    num_rows = max(num_ids, TRAINING_ROWS)
    drawn = (num_ids ** rng.random(num_rows - num_ids)).astype(np.int64) - 1  # density ~ 1 / rank
    number = np.concatenate([np.arange(num_ids), drawn])
    group = number % 20
    values = {
        "id": pa.array(np.char.add("item-", number.astype("U8"))),
        "category": pa.array(np.char.add("c", group.astype("U2"))),
        "price": np.round(np.exp(rng.normal(group * 0.1, 0.5)), 2),
        "count": rng.geometric(0.02, num_rows),
        "hour": rng.integers(24, size=num_rows),
        "bought": rng.random(num_rows) < 0.02 * (1 + group),
    }
    return pa.table({column.name: pa.array(values[column.name], column.type) for column in COLUMNS})
