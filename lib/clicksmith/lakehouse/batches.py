"""Batches of new source files, each ingested exactly once.

Which files are a batch is written down before any of their rows are. A run that was killed finds the batch
that it began and does the same one again, whatever has arrived since.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from pyspark.sql import Row, SparkSession

from clicksmith.errors import SourceError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read, spark_schema
from clicksmith.lakehouse.lineage import Lineage, digest
from clicksmith.tables import BRONZE_EVENTS, EVENT_FILES

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batch:
    """Files that are ingested together.

    Attributes:
        number: from 0.
        ingest_id: of its rows; a hash over the batches before it and its own files.
        files: their names.
    """

    number: int
    ingest_id: str
    files: tuple[str, ...]

    @property
    def part(self) -> str:
        """Its rows, as `commit` names a part of a table."""
        return f"ingest_id={self.ingest_id}"


def next_batch(spark: SparkSession, lake: Lake, sizes: Mapping[str, int], max_files: int) -> Batch | None:
    """The batch that a killed run left, else one of the files that no batch has; None if there are none.

    Args:
        spark: the session.
        lake: the lake.
        sizes: bytes of each file that the source has now, by name.
        max_files: of a batch; the first by name are taken.

    Raises:
        SourceError: a file of an earlier batch has another size now, or the lake's events came otherwise.
    """
    known = known_files(spark, lake)
    if not known and lake.find(BRONZE_EVENTS) is not None:
        raise SourceError(
            f"{BRONZE_EVENTS.name} in {lake.root} was ingested as a whole, not in batches of new files.",
            "Set lake.root to a new lake, or source.incremental to false.",
        )
    _check_unchanged(known, sizes)
    last = _last_batch(known)
    if last is not None and lake.find(BRONZE_EVENTS, last.part) is None:
        logger.info("batch %d was begun and is done again: %d files", last.number, len(last.files))
        return last
    names = sorted(sizes.keys() - known.keys())[:max_files]
    if not names:
        return None
    number, before = (0, "") if last is None else (last.number + 1, last.ingest_id)
    ingest_id = digest([before, [(name, sizes[name]) for name in names]])[:16]
    batch = Batch(number, ingest_id, tuple(names))
    _write_down(spark, lake, batch, sizes)
    return batch


def begun_batch(spark: SparkSession, lake: Lake) -> Batch | None:
    """The batch whose files are written down and whose events are not, if there is one."""
    last = _last_batch(known_files(spark, lake))
    return last if last is not None and lake.find(BRONZE_EVENTS, last.part) is None else None


def known_files(spark: SparkSession, lake: Lake) -> dict[str, Row]:
    """Rows of bronze.event_files by file name."""
    snapshot = lake.find(EVENT_FILES)
    if snapshot is None:
        return {}
    return {row.file: row for row in read(spark, snapshot).toLocalIterator()}


def _last_batch(known: Mapping[str, Row]) -> Batch | None:
    if not known:
        return None
    number = max(row.batch for row in known.values())
    names = sorted(name for name, row in known.items() if row.batch == number)
    return Batch(number, known[names[0]].ingest_id, tuple(names))


def _check_unchanged(known: Mapping[str, Row], sizes: Mapping[str, int]) -> None:
    for name, row in known.items():
        if name in sizes and sizes[name] != row.num_bytes:
            raise SourceError(
                f"The file {name} has {sizes[name]:,} bytes; batch {row.batch} found {row.num_bytes:,}.",
                "Files must not change once they have arrived: write what is new to a new file.",
            )


def _write_down(spark: SparkSession, lake: Lake, batch: Batch, sizes: Mapping[str, int]) -> None:
    rows = [(batch.number, name, sizes[name], batch.ingest_id) for name in batch.files]
    frame = spark.createDataFrame(rows, spark_schema(EVENT_FILES))
    # Two runs that race claim the same part: the later one's files are refused, not ingested twice.
    commit(frame, EVENT_FILES, lake, Lineage("ingest_events", batch.ingest_id, ""), f"batch={batch.number}")
