"""bronze.events to silver: one shuffle by user, then an Arrow kernel over each partition."""

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from clicksmith.config import CleaningConfig
from clicksmith.errors import ContractError
from clicksmith.events import kernel
from clicksmith.tables import BRONZE_EVENTS


@dataclass(frozen=True)
class CleanEvents:
    """Every input row in exactly one place.

    Attributes:
        events: rows for silver.events.
        sessions: rows for silver.sessions.
        rejected: rows for silver.events_rejected.
        counts: rows_in, accepted, deduplicated, rejected; they balance.
        whole: the cached frame behind them; release it when the rows are written.
    """

    events: DataFrame
    sessions: DataFrame
    rejected: DataFrame
    counts: dict[str, int]
    whole: DataFrame


def shuffle_and_clean(events: DataFrame, settings: CleaningConfig, num_partitions: int) -> DataFrame:
    """Each user's rows to one partition, and the kernel over it; plan: one exchange.

    Args:
        events: rows of bronze.events.
        settings: the rules' bounds.
        num_partitions: a partition must fit a worker's memory; the rows do not depend on it.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        rows = list(batches)
        table = pa.Table.from_batches(rows) if rows else BRONZE_EVENTS.arrow_schema.empty_table()
        yield from kernel.clean_partition(table, settings).to_batches(max_chunksize=50_000)

    schema = from_arrow_schema(kernel.OUTPUT_SCHEMA, prefer_timestamp_ntz=False)
    columns = events.select(BRONZE_EVENTS.column_names)
    return columns.repartition(num_partitions, "user_id").mapInArrow(run, schema)


def clean_events(
    events: DataFrame, settings: CleaningConfig, num_rows: int, num_partitions: int, ruleset_version: str
) -> CleanEvents:
    """Clean all events.

    Args:
        events: rows of bronze.events.
        settings: the rules' bounds.
        num_rows: the number of rows that `events` must have.
        num_partitions: of the shuffle by user.
        ruleset_version: recorded with every rejected row.

    Raises:
        ContractError: rows in differ from accepted + rejected + deduplicated.
    """
    whole = shuffle_and_clean(events, settings, num_partitions).persist(StorageLevel.MEMORY_AND_DISK)
    found = {row[kernel.STATUS]: row["count"] for row in whole.groupBy(kernel.STATUS).count().collect()}
    counts = {
        "rows_in": num_rows,
        "accepted": found.get(kernel.KEPT, 0),
        "deduplicated": found.get(kernel.DUPLICATE, 0),
        "rejected": found.get(kernel.REJECTED, 0),
    }
    if num_rows != sum(found.values()):
        raise ContractError(
            f"clean_events lost rows: {counts} do not balance.", "This is a bug; please report it."
        )
    kept = whole.filter(F.col(kernel.STATUS) == kernel.KEPT)
    return CleanEvents(
        events=kept,
        sessions=kept.filter(F.col("session_start_ts").isNotNull()),
        rejected=whole.filter(F.col(kernel.STATUS) == kernel.REJECTED).withColumn(
            "ruleset_version", F.lit(ruleset_version)
        ),
        counts=counts,
        whole=whole,
    )
