"""A trained generator's rows as a DataFrame: the one place where Spark and generators meet.

Rows come in blocks of consecutive row ids; a block depends on (seed, block) alone, so the
rows do not depend on how blocks are spread over tasks, and a task that is tried again makes them again.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from clicksmith.generators.artefact import Generator, Wish
from clicksmith.generators.kind import Kind
from clicksmith.lakehouse.commit import spark_schema

_ROW_ID = "row_id"


def synthetic_rows(
    spark: SparkSession,
    kind: Kind,
    folder: str,
    name: str,
    generator_id: str,
    run_id: str,
    num_rows: int,
    seed: int,
    rows_per_task: int,
    wish: Wish | None = None,
) -> DataFrame:
    """Rows for the kind's table of candidates.

    Args:
        spark: the session.
        kind: of the rows.
        folder: URI of the trained generator; executors read it once per Python process.
        name: the generator's in the configuration.
        generator_id: its id.
        run_id: of the run that writes.
        num_rows: exactly so many rows, with row ids from 0.
        seed: of the sampling run.
        rows_per_task: sizes the Spark tasks; the rows do not depend on it.
        wish: which rows to make more often, or None to sample as in the data.
    """
    size = kind.block_rows
    num_blocks = -(-num_rows // size)
    cores = spark.sparkContext.defaultParallelism
    num_tasks = max(num_rows // rows_per_task, min(cores, num_rows // kind.task_rows), 1)
    generated = _generated_schema(kind)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        generator = _load(folder)
        for batch in batches:
            for block in batch.column(0).to_pylist():
                rows = generator.sample_block(seed, block, wish)
                rows = rows.slice(0, num_rows - block * size)
                yield from _typed(rows, block * size, generated).to_batches()

    schema = from_arrow_schema(generated, prefer_timestamp_ntz=False)
    rows = spark.range(0, num_blocks, 1, min(num_tasks, num_blocks)).mapInArrow(run, schema)
    return _with_provenance(rows, kind, name, generator_id, run_id)


@lru_cache(maxsize=1)
def _load(folder: str) -> Generator:
    return Generator.load(folder)


def _generated_schema(kind: Kind) -> pa.Schema:
    """The columns that differ between rows; what Spark can add itself need not travel to it."""
    return pa.schema([f for f in kind.twin.candidates.arrow_schema if f.name in (*kind.makes, _ROW_ID)])


def _typed(rows: pa.Table, first: int, schema: pa.Schema) -> pa.Table:
    """A block's rows with their ids, of which `first` is the first."""
    rows = rows.append_column(_ROW_ID, pa.array(np.arange(rows.num_rows) + first))
    arrays = [rows[field.name].combine_chunks().cast(field.type) for field in schema]
    return pa.table(arrays, schema=schema)


def _with_provenance(rows: DataFrame, kind: Kind, name: str, generator_id: str, run_id: str) -> DataFrame:
    """All columns of the contract."""
    sample_id = F.concat(F.lit(f"{generator_id}-"), F.col(_ROW_ID).cast("string"))
    known: dict[str, Column] = {
        "sample_id": sample_id,
        "run_id": F.lit(run_id),
        "generator_id": F.lit(generator_id),
        "generator": F.lit(name),
        **{column: sample_id for column in kind.own_id},
        **{column: F.lit(value) for column, value in kind.constants.items()},
    }
    columns = []
    for field in spark_schema(kind.twin.candidates):
        found = F.col(field.name) if field.name in rows.columns else known.get(field.name, F.lit(None))
        columns.append(found.cast(field.dataType).alias(field.name))
    return rows.select(*columns)
