"""A trained generator's rows as a DataFrame: the one place where Spark and generators meet.

Rows come in blocks of `BLOCK_ROWS` consecutive row ids; a block depends on (seed, block) alone, so the
rows do not depend on how blocks are spread over tasks, and a task that is tried again makes them again.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from clicksmith.generators.artefact import Generator
from clicksmith.generators.recipe import BLOCK_ROWS
from clicksmith.generators.tabular.example_codec import INPUT_COLUMNS
from clicksmith.generators.tabular.mix import Mix
from clicksmith.lakehouse.commit import spark_schema
from clicksmith.tables import SYNTHETIC_CANDIDATES

MIN_TASK_ROWS = 20_000
"""To start a task costs as much as this many rows; fewer are no reason to keep another core busy."""

_ROW_ID = "row_id"
_GENERATED_SCHEMA = pa.schema(
    [field for field in SYNTHETIC_CANDIDATES.arrow_schema if field.name in (*INPUT_COLUMNS, _ROW_ID)]
)


def synthetic_rows(
    spark: SparkSession,
    folder: str,
    name: str,
    generator_id: str,
    run_id: str,
    num_rows: int,
    seed: int,
    rows_per_task: int,
    mix: Mix | None = None,
) -> DataFrame:
    """Rows for gold.synthetic_candidates.

    Args:
        spark: the session.
        folder: URI of the trained generator; executors read it once per Python process.
        name: the generator's in the configuration.
        generator_id: its id.
        run_id: of the run that writes.
        num_rows: exactly so many rows, with row ids from 0.
        seed: of the sampling run.
        rows_per_task: sizes the Spark tasks; the rows do not depend on it.
        mix: which rows to make more often, or None to sample as in the data.
    """
    num_blocks = -(-num_rows // BLOCK_ROWS)
    cores = spark.sparkContext.defaultParallelism
    num_tasks = max(num_rows // rows_per_task, min(cores, num_rows // MIN_TASK_ROWS), 1)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        generator = _load(folder)
        for batch in batches:
            for block in batch.column(0).to_pylist():
                rows = generator.sample_block(seed, block, mix)
                rows = rows.slice(0, num_rows - block * BLOCK_ROWS)
                yield from _generated(rows, block).to_batches()

    schema = from_arrow_schema(_GENERATED_SCHEMA, prefer_timestamp_ntz=False)
    rows = spark.range(0, num_blocks, 1, min(num_tasks, num_blocks)).mapInArrow(run, schema)
    return _with_provenance(rows, name, generator_id, run_id)


@lru_cache(maxsize=1)
def _load(folder: str) -> Generator:
    return Generator.load(folder)


def _generated(rows: pa.Table, block: int) -> pa.Table:
    """The columns that differ between rows; what Spark can add itself need not travel to it."""
    row_ids = pa.array(np.arange(rows.num_rows) + block * BLOCK_ROWS)
    rows = rows.append_column(_ROW_ID, row_ids)
    arrays = [rows[field.name].combine_chunks().cast(field.type) for field in _GENERATED_SCHEMA]
    return pa.table(arrays, schema=_GENERATED_SCHEMA)


def _with_provenance(rows: DataFrame, name: str, generator_id: str, run_id: str) -> DataFrame:
    """All columns of the contract; a synthetic row has no user, session, request or propensity."""
    sample_id = F.concat(F.lit(f"{generator_id}-"), F.col(_ROW_ID).cast("string"))
    known: dict[str, Column] = {
        "sample_id": sample_id,
        "example_id": sample_id,
        "run_id": F.lit(run_id),
        "generator_id": F.lit(generator_id),
        "generator": F.lit(name),
        "is_cold_user": F.lit(False),
        "is_cold_item": F.lit(False),
        "sample_weight": F.lit(1.0),
        "split": F.lit("train"),
    }
    columns = []
    for field in spark_schema(SYNTHETIC_CANDIDATES):
        found = F.col(field.name) if field.name in rows.columns else known.get(field.name, F.lit(None))
        columns.append(found.cast(field.dataType).alias(field.name))
    return rows.select(*columns)
