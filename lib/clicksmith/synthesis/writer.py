"""A trained generator's rows as a DataFrame: the one place where Spark and generators meet.

Rows come in blocks of `BLOCK_ROWS` consecutive row ids; a block depends on (seed, block) alone, so the
rows do not depend on how blocks are spread over tasks, and a task that is tried again makes them again.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession

from clicksmith.generators.artefact import BLOCK_ROWS, Generator
from clicksmith.generators.mix import Mix
from clicksmith.lakehouse.commit import spark_schema
from clicksmith.tables import SYNTHETIC_CANDIDATES


def synthetic_rows(
    spark: SparkSession,
    folder: str,
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
        generator_id: its id.
        run_id: of the run that writes.
        num_rows: exactly so many rows, with row ids from 0.
        seed: of the sampling run.
        rows_per_task: sizes the Spark tasks; the rows do not depend on it.
        mix: which rows to make more often, or None to sample as in the data.
    """
    num_blocks = -(-num_rows // BLOCK_ROWS)
    num_tasks = max(1, min(num_blocks, num_rows // rows_per_task))

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        generator = _load(folder)
        for batch in batches:
            for block in batch.column(0).to_pylist():
                rows = generator.sample_block(seed, block, mix)
                rows = rows.slice(0, num_rows - block * BLOCK_ROWS)
                whole = _with_provenance(rows, generator.card["name"], generator_id, run_id, block)
                yield from whole.to_batches()

    return spark.range(0, num_blocks, 1, num_tasks).mapInArrow(run, spark_schema(SYNTHETIC_CANDIDATES))


@lru_cache(maxsize=1)
def _load(folder: str) -> Generator:
    return Generator.load(folder)


def _with_provenance(rows: pa.Table, name: str, generator_id: str, run_id: str, block: int) -> pa.Table:
    """All columns of the contract; a synthetic row has no user, session, request or propensity."""
    num_rows = rows.num_rows
    row_ids = pa.array(np.arange(num_rows) + block * BLOCK_ROWS)
    sample_ids = pc.binary_join_element_wise(generator_id, row_ids.cast(pa.string()), "-")
    columns = {"sample_id": sample_ids, "example_id": sample_ids, "row_id": row_ids}
    constants: dict[str, Any] = {
        "run_id": run_id,
        "generator_id": generator_id,
        "generator": name,
        "sample_weight": 1.0,
        "split": "train",
    }
    schema = SYNTHETIC_CANDIDATES.arrow_schema
    arrays = []
    for field in schema:
        if field.name in rows.column_names:
            arrays.append(rows[field.name].combine_chunks().cast(field.type))
        elif field.name in columns:
            arrays.append(columns[field.name].cast(field.type))
        else:
            arrays.append(pa.repeat(pa.scalar(constants.get(field.name), field.type), num_rows))
    return pa.table(arrays, schema=schema)
