"""A table of 100 columns and 5 million rows: read, encoded and trained on in bounded memory.

It is written to a Delta table first, in another process, so that the peak of memory is that of training.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from deltalake import WriterProperties, write_deltalake

from benchmarks.lines import peak_mb, print_line
from clicksmith.config import generator_config
from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import TableStatistics
from clicksmith.encoding.table import TableCodec
from clicksmith.generators.presets import build_recipe
from clicksmith.generators.recipe import Shard
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.row_index import HASH_END, RowIndex, scan_trained
from clicksmith.reading.stream import StreamedRows
from clicksmith.seeds import Holdout
from clicksmith.tables import Column, Table

NUM_COLUMNS, CHUNK_ROWS = 100, 50_000
BATCH_SIZE, STEPS = 512, 200
TYPES = (pa.string(), pa.float64(), pa.int64(), pa.float64(), pa.bool_())
COLUMNS = tuple(Column(f"c{k:02d}", TYPES[k % len(TYPES)], nullable=k % 7 == 0) for k in range(NUM_COLUMNS))
WIDE = Table(
    name="bench.wide",
    columns=(Column("row_id", pa.string()), Column("split", pa.string()), *COLUMNS),
    key=("row_id",),
    partition_by=("split",),
    doc="rows of a few latent numbers",
)
TRAIN = {"split": "train"}


def run(num_rows: int) -> None:
    """Print seconds and the peak of memory."""
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        with spawn.Pool(1) as pool:
            pool.apply(write, (folder, num_rows))
        size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
        print_line("generators", "wide.table_mb", size / 2**20, "MB")
        with spawn.Pool(1) as pool:
            figures = pool.apply(train, (folder,))
    for figure, (value, unit) in figures.items():
        print_line("generators", f"wide.{figure}", value, unit)


def write(folder: str, num_rows: int) -> None:
    """The table, chunk by chunk."""
    reader = pa.RecordBatchReader.from_batches(WIDE.arrow_schema, _chunks(num_rows))
    properties = WriterProperties(max_row_group_size=200_000)
    write_deltalake(folder, reader, partition_by=["split"], writer_properties=properties)


def train(folder: str) -> dict[str, tuple[float, str]]:
    """Index, codec, 200 steps of tabular_ar."""
    torch.set_num_threads(2)
    snapshot = Snapshot(WIDE, folder, 0, "", None, {})
    times = [time.perf_counter()]
    index = RowIndex.build(snapshot, TRAIN, HASH_END, Holdout())
    times.append(time.perf_counter())
    names = [column.name for column in COLUMNS]

    def scan() -> Iterator[pa.Table]:
        return scan_trained(snapshot, names, TRAIN, index)

    statistics = TableStatistics.of_batches(scan(), COLUMNS, Options())
    codec = TableCodec.from_statistics(statistics, COLUMNS, Options())
    times.append(time.perf_counter())
    counts = [np.zeros(size, dtype=np.int64) for size in codec.cardinalities]
    for rows in scan():
        for column, codes in enumerate(codec.encode(rows).codes.T):
            counts[column] += np.bincount(codes, minlength=len(counts[column]))
    times.append(time.perf_counter())
    streamed = StreamedRows(snapshot, TRAIN, codec, index, counts, 0)
    settings = {"preset": "tabular_ar", "num_steps": STEPS, "batch_size": BATCH_SIZE}
    recipe = build_recipe(generator_config(settings), 0, codec, streamed)
    recipe.prepare(lambda module: module)
    losses = [float(recipe.step(step, Shard())["nats"]) for step in range(STEPS)]
    times.append(time.perf_counter())
    index_s, fit_s, encode_s, train_s = np.diff(times).tolist()
    return {
        "rows": (index.num_rows, "rows"),
        "index_s": (index_s, "s"),
        "fit_s": (fit_s, "s"),
        "encode_rows_per_s": (index.num_rows / encode_s, "rows/s"),
        "train_s": (train_s, "s"),
        "first_nats": (losses[0], "nats"),
        "last_nats": (losses[-1], "nats"),
        "peak_mb": (peak_mb(), "MB"),
    }


def _chunks(num_rows: int) -> Iterator[pa.RecordBatch]:
    for first in range(0, num_rows, CHUNK_ROWS):
        size = min(CHUNK_ROWS, num_rows - first)
        rng = np.random.default_rng(first)
        latent = rng.normal(size=(size, 4))
        arrays: dict[str, pa.Array] = {
            "row_id": pa.array([f"r{number}" for number in range(first, first + size)]),
            "split": pa.array(["train"] * size),
        }
        for number, column in enumerate(COLUMNS):
            value = latent[:, number % 4] + rng.normal(size=size) * 0.5
            arrays[column.name] = _array(column, number, value, rng)
        yield pa.RecordBatch.from_pydict(arrays, schema=WIDE.arrow_schema)


def _array(column: Column, number: int, value: np.ndarray, rng: np.random.Generator) -> pa.Array:
    mask = rng.random(len(value)) < 0.05 if column.nullable else None
    if pa.types.is_string(column.type):
        codes = np.floor(np.exp(1.5 + 0.8 * value)).clip(max=50 + 5 * number).astype(np.int64)
        values = pa.array([f"v{k}" for k in range(codes.max() + 1)])
        return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), values).cast(pa.string())
    if pa.types.is_boolean(column.type):
        return pa.array(value > 1, mask=mask)
    if pa.types.is_integer(column.type):
        return pa.array(np.floor(np.exp(2 + value)).astype(np.int64), mask=mask)
    return pa.array(np.exp(value) if number % 2 else value, mask=mask)
