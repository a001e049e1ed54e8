"""The simulated stream through Spark: the one module here that needs it.

A folder holds, as a shop would land them,

    log/table=events/day=2024-01-31/*.txt    JSON lines, by the day of their arrival
    log/table=dirt/day=2024-01-31/*.txt      the truth about dirty lines, see `simulate_block`
    items/, users/                           Parquet, the shop's records
    truth/items/, truth/users/               Parquet: vectors, life cycles, bots; see `truth`
    log/_simulated.json                      what the folder was made from, written last
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from clicksmith.config import SimulationConfig
from clicksmith.errors import SourceError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse import storage
from clicksmith.simulation.block import (
    BLOCK_USERS,
    DIRT,
    EVENTS,
    OUTPUT_SCHEMA,
    count_users,
    simulate_block,
)
from clicksmith.simulation.catalogue import build_catalogue, item_records
from clicksmith.simulation.truth import item_truth, user_truth
from clicksmith.simulation.users import Users, make_users, user_records

_USERS_PER_SLICE = 50_000


def is_written(settings: SimulationConfig, fingerprint: str) -> bool:
    """Whether the folder is complete and was made by the run of this fingerprint."""
    uri = _uri(settings, "log", "_simulated.json")
    return storage.exists(uri) and storage.read_json(uri)["fingerprint"] == fingerprint


def write_stream(
    spark: SparkSession, seed: int, settings: SimulationConfig, fingerprint: str
) -> dict[str, int]:
    """Write the whole folder, replacing what is there. Killed anywhere and run again: the same lines.

    Args:
        spark: the session.
        seed: of the stream.
        settings: of the stream, with the folder.
        fingerprint: of the run, see `is_written`.

    Returns:
        Users, lines, and dirty lines among them.

    Raises:
        SourceError: the folder cannot be written to.
    """
    num_users = count_users(seed, settings)
    num_tasks = -(-settings.num_events // settings.events_per_task)
    counted = Observation()
    lines = stream_lines(spark, seed, num_users, settings, num_tasks).observe(
        counted,
        F.count_if(F.col("table") == EVENTS).alias("lines"),
        F.count_if(F.col("table") == DIRT).alias("dirty"),
    )
    remedy = "Set simulate.path to a folder that every machine can write to."
    with doing(f"Writing the simulated stream to {settings.path}", raises=SourceError, remedy=remedy):
        # First, for it takes the old mark away: a folder half replaced never counts as written.
        lines.write.mode("overwrite").partitionBy("table", "day").text(_uri(settings, "log"))
        for name, frame in _records(spark, seed, num_users, settings).items():
            frame.write.mode("overwrite").parquet(_uri(settings, name))
    storage.write_json(_uri(settings, "log", "_simulated.json"), {"fingerprint": fingerprint})
    return {"users": num_users, **counted.get}


def stream_lines(
    spark: SparkSession, seed: int, num_users: int, settings: SimulationConfig, num_tasks: int
) -> DataFrame:
    """Lines of the log and of its dirt, see `simulate_block`; the rows do not depend on `num_tasks`."""

    def block(number: int) -> pa.Table:
        return simulate_block(seed, number, num_users, settings)

    num_blocks = -(-num_users // BLOCK_USERS)
    return _frame(spark, block, OUTPUT_SCHEMA, num_blocks, max(1, min(num_tasks, num_blocks)))


def _records(
    spark: SparkSession, seed: int, num_users: int, settings: SimulationConfig
) -> dict[str, DataFrame]:
    """The shop's records and the truth about them, by folder."""

    def users(number: int) -> Users:
        end = min((number + 1) * _USERS_PER_SLICE, num_users)
        numbers = np.arange(number * _USERS_PER_SLICE, end, dtype=np.int64)
        return make_users(seed, numbers, build_catalogue(seed, settings), settings)

    num_slices = -(-num_users // _USERS_PER_SLICE)
    parts: dict[str, tuple[int, Callable[[int], pa.Table]]] = {
        "users": (num_slices, lambda number: user_records(seed, users(number))),
        "truth/users": (num_slices, lambda number: user_truth(users(number))),
        "items": (1, lambda _: item_records(build_catalogue(seed, settings))),
        "truth/items": (1, lambda _: item_truth(build_catalogue(seed, settings))),
    }
    return {name: _frame(spark, make, make(0).schema, count, count) for name, (count, make) in parts.items()}


def _frame(
    spark: SparkSession, make: Callable[[int], pa.Table], schema: pa.Schema, count: int, num_tasks: int
) -> DataFrame:
    """The tables that `make` gives for 0 to count - 1."""

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for number in batch.column(0).to_pylist():
                yield from make(number).to_batches()

    return spark.range(0, count, 1, num_tasks).mapInArrow(run, from_arrow_schema(schema))


def _uri(settings: SimulationConfig, *parts: str) -> str:
    root = settings.path if "://" in settings.path else str(Path(settings.path).absolute())
    return storage.join(root, *parts)
