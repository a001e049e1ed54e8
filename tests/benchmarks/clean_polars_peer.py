"""Run as a process of its own: the same cleaning without Spark, Polars over parts of the users.

Arguments: the files of bronze.events as JSON, a folder to write to, and `cleaning` as JSON. It runs
this project's own kernel: what Spark adds on one machine is the difference.
"""

import json
import sys
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
from lines import peak_mb

from clicksmith.config import CleaningConfig
from clicksmith.events import kernel
from clicksmith.events.clean import COLUMNS

ROWS_PER_PART = 1_000_000


def main() -> None:
    """Time all of it, reading and writing included."""
    source, target = json.loads(sys.argv[1]), Path(sys.argv[2])
    settings = CleaningConfig.model_validate_json(sys.argv[3])
    started = time.perf_counter()
    bronze = pl.scan_parquet(source).select(COLUMNS)
    num_parts = -(-bronze.select(pl.len()).collect().item() // ROWS_PER_PART)
    # Parted once, on disk: to filter all rows for each part would read them as often.
    for name in (*kernel.SCHEMAS, "parts"):
        (target / name).mkdir()
    parted = bronze.with_columns(part=pl.col("user_id").hash(seed=7) % num_parts)
    parted.sink_parquet(pl.PartitionBy(target / "parts", key="part", include_key=False), mkdir=True)
    for part in range(num_parts):
        rows = pl.read_parquet(target / "parts" / f"part={part}" / "*.parquet")
        cleaned = kernel.clean_partition(rows.to_arrow(compat_level=pl.CompatLevel.oldest()), settings)
        for name in kernel.SCHEMAS:
            pq.write_table(getattr(cleaned, name), target / name / f"{part}.parquet", compression="zstd")
    seconds = time.perf_counter() - started
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "peak_mb": peak_mb()}) + "\n")


if __name__ == "__main__":
    main()
