"""bronze.events to silver: one shuffle by user, then an Arrow kernel over each partition.

The kernel's three tables leave Python as compressed Arrow streams, a few rows of bytes a partition, and are
kept on disk until all of them are written: the work is done once, and Spark's rows are made only of what is
written.
"""

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
from clicksmith.events.spill import whole_users
from clicksmith.tables import BRONZE_EVENTS

COLUMNS = tuple(name for name in BRONZE_EVENTS.column_names if name != "event_date")
"""What the shuffle carries: the date follows from the time."""

_PACKED = pa.schema([("kind", pa.string()), ("num_rows", pa.int64()), ("stream", pa.binary())])
_DUPLICATES = "duplicates"
_ROWS_PER_STREAM = 100_000
_COMPRESSION = pa.ipc.IpcWriteOptions(compression="lz4")


@dataclass(frozen=True)
class CleanEvents:
    """Every input row in exactly one place.

    Attributes:
        events: rows for silver.events.
        sessions: rows for silver.sessions.
        rejected: rows for silver.events_rejected.
        counts: rows_in, accepted, deduplicated, rejected; they balance.
        packed: the frame behind them, kept on disk; release it when the rows are written.
    """

    events: DataFrame
    sessions: DataFrame
    rejected: DataFrame
    counts: dict[str, int]
    packed: DataFrame


def shuffle_and_clean(
    events: DataFrame, settings: CleaningConfig, num_partitions: int, max_rows: int
) -> DataFrame:
    """Each user's rows to one partition, and the kernel over it; plan: one exchange.

    Args:
        events: rows of bronze.events.
        settings: the rules' bounds.
        num_partitions: of the shuffle; the rows do not depend on it.
        max_rows: that a worker holds at once, but for a user who has more. A partition of more goes by way
            of the disk.

    Returns:
        A row a table and some 100,000 rows of it: its kind, their number, and an Arrow stream.
    """

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in whole_users(batches, max_rows):
            yield from _pack(kernel.clean_partition(table, settings))

    schema = from_arrow_schema(_PACKED)
    return events.select(*COLUMNS).repartition(num_partitions, "user_id").mapInArrow(run, schema)


def clean_events(
    events: DataFrame,
    settings: CleaningConfig,
    num_rows: int,
    ruleset_version: str,
    *,
    num_partitions: int,
    max_rows: int,
) -> CleanEvents:
    """Clean all events.

    Args:
        events: rows of bronze.events.
        settings: the rules' bounds.
        num_rows: the number of rows that `events` must have.
        ruleset_version: recorded with every rejected row.
        num_partitions: of the shuffle by user.
        max_rows: see `shuffle_and_clean`.

    Raises:
        ContractError: rows in differ from accepted + rejected + deduplicated.
    """
    packed = shuffle_and_clean(events, settings, num_partitions, max_rows).persist(StorageLevel.DISK_ONLY)
    found = {
        row["kind"]: row["n"] for row in packed.groupBy("kind").agg(F.sum("num_rows").alias("n")).collect()
    }
    placed = {
        "accepted": found.get("events", 0),
        "deduplicated": found.get(_DUPLICATES, 0),
        "rejected": found.get("rejected", 0),
    }
    counts = {"rows_in": num_rows, **placed}
    if num_rows != sum(placed.values()):
        raise ContractError(
            f"clean_events lost rows: {counts} do not balance.", "This is a bug; please report it."
        )
    version = F.lit(ruleset_version)
    return CleanEvents(
        events=_unpack(packed, "events"),
        sessions=_unpack(packed, "sessions"),
        rejected=_unpack(packed, "rejected").withColumn("ruleset_version", version),
        counts=counts,
        packed=packed,
    )


def _pack(cleaned: kernel.Cleaned) -> Iterator[pa.RecordBatch]:
    tables = {"events": cleaned.events, "sessions": cleaned.sessions, "rejected": cleaned.rejected}
    for kind, table in tables.items():
        for batch in table.combine_chunks().to_batches(max_chunksize=_ROWS_PER_STREAM):
            sink = pa.BufferOutputStream()
            with pa.ipc.new_stream(sink, table.schema, options=_COMPRESSION) as writer:
                writer.write_batch(batch)
            yield _packed_row(kind, batch.num_rows, sink.getvalue().to_pybytes())
    yield _packed_row(_DUPLICATES, cleaned.num_duplicates, b"")


def _packed_row(kind: str, num_rows: int, stream: bytes) -> pa.RecordBatch:
    return pa.RecordBatch.from_pylist([{"kind": kind, "num_rows": num_rows, "stream": stream}], _PACKED)


def _unpack(packed: DataFrame, kind: str) -> DataFrame:
    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for stream in batch["stream"]:
                yield from pa.ipc.open_stream(stream.as_buffer())

    schema = from_arrow_schema(kernel.SCHEMAS[kind], prefer_timestamp_ntz=False)
    return packed.where(F.col("kind") == kind).select("stream").mapInArrow(run, schema)
