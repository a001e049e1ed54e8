"""Checked records into the lake: rejected rows first, then the circuit breaker, then accepted rows.

They are counted before any is written, and what is written has to come to the same numbers. Killed anywhere
and run again, the tables end up the same: a commit that is there is not repeated, and no accepted row is
written before every rejected one is, so what stopped an ingestion can be looked at.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.errors import ContractError, SourceError
from clicksmith.events import contract
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read, spark_schema
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.tables import Table

logger = logging.getLogger(__name__)

_REASONS_SHOWN = 5


@dataclass(frozen=True)
class Intake:
    """Records on their way into one table.

    Attributes:
        table: where accepted rows go.
        rejected_table: where the others go.
        checked: from `contract.check`, or None where the source has no such records.
        ruleset_version: of the rules that they were checked by.
        part: of both tables, that is replaced; None replaces them whole.
    """

    table: Table
    rejected_table: Table
    checked: DataFrame | None
    ruleset_version: str
    part: str | None = None


@dataclass(frozen=True)
class Counts:
    """What became of the records, counted in one pass.

    Attributes:
        rows_in: rows that the source gave.
        accepted: rows that broke no rule.
        rejected: rows that broke one.
    """

    rows_in: int = 0
    accepted: int = 0
    rejected: int = 0

    def as_dict(self) -> dict[str, int]:
        """The counts by name."""
        return {"rows_in": self.rows_in, "accepted": self.accepted, "rejected": self.rejected}


def ingest(
    spark: SparkSession,
    intakes: Sequence[Intake],
    lake: Lake,
    lineage: Lineage,
    source: str,
    ingest_id: str,
    max_rejected_fraction: float,
) -> dict[str, Counts]:
    """Commit every intake's rejected and accepted rows; the last table is committed last.

    Args:
        spark: the session.
        intakes: one a table; the first commits first. The last one must not be empty, unless it is a part.
        lake: the lake.
        lineage: the run.
        source: the source's name, kept with each row.
        ingest_id: the same, of the run or the batch.
        max_rejected_fraction: above it, of any table, nothing is accepted.

    Returns:
        What became of the records, by table that was written.

    Raises:
        SourceError: the last intake has no rows.
        ContractError: too many rows are rejected, or not as many were written as were counted.
    """
    if intakes[-1].part is not None:  # a batch finds what the source has none of empty, from the batch before
        intakes = [intake for intake in intakes if intake.checked is not None or not _is_empty(intake, lake)]
    # Kept on disk between the passes: computing a source again costs more, and files may change.
    kept = [
        intake.checked.persist(StorageLevel.DISK_ONLY) for intake in intakes if intake.checked is not None
    ]
    try:
        counts = [Counts() if intake.checked is None else count(intake.checked) for intake in intakes]
        if counts[-1].rows_in == 0 and intakes[-1].part is None:
            raise SourceError(
                f"The source {source} holds no rows for {intakes[-1].table.name}.",
                "Check what lies at its path.",
            )
        for intake, found in zip(intakes, counts, strict=True):
            _commit_rejected(spark, intake, lake, lineage, source, ingest_id, found)
        for intake, found in zip(intakes, counts, strict=True):
            if found.rejected > max_rejected_fraction * found.rows_in:
                raise _too_many(spark, intake, lake, found, max_rejected_fraction)
        for intake, found in zip(intakes, counts, strict=True):
            _commit_accepted(spark, intake, lake, lineage, source, ingest_id, found)
    finally:
        for frame in kept:
            frame.unpersist()
    return {intake.table.name: found for intake, found in zip(intakes, counts, strict=True)}


def count(checked: DataFrame) -> Counts:
    """What becomes of checked records."""
    rows_in, num_rejected = checked.agg(F.count(F.lit(1)), F.count_if(F.size("reasons") > 0)).collect()[0]
    return Counts(rows_in, rows_in - num_rejected, num_rejected)


def _is_empty(intake: Intake, lake: Lake) -> bool:
    """Both tables are there, without a row."""
    found = [lake.find(table) for table in (intake.table, intake.rejected_table)]
    return all(snapshot is not None and lake.count_rows(snapshot) == 0 for snapshot in found)


def _commit_rejected(
    spark: SparkSession,
    intake: Intake,
    lake: Lake,
    lineage: Lineage,
    source: str,
    ingest_id: str,
    counts: Counts,
) -> None:
    if intake.checked is None:
        rows = spark.createDataFrame([], spark_schema(intake.rejected_table))
    else:
        rows = contract.rejected(intake.checked, source, ingest_id, intake.ruleset_version)
    commit(rows, intake.rejected_table, lake, lineage, intake.part, expected_rows=counts.rejected)


def _commit_accepted(
    spark: SparkSession,
    intake: Intake,
    lake: Lake,
    lineage: Lineage,
    source: str,
    ingest_id: str,
    counts: Counts,
) -> None:
    if intake.checked is None:
        rows = spark.createDataFrame([], spark_schema(intake.table))
    else:
        rows = contract.accepted(intake.checked, intake.table, source, ingest_id)
    commit(rows, intake.table, lake, lineage, intake.part, counts.as_dict(), counts.accepted)


def _too_many(
    spark: SparkSession, intake: Intake, lake: Lake, counts: Counts, max_rejected_fraction: float
) -> ContractError:
    rows = read(spark, lake.get(intake.rejected_table))
    if intake.part is not None:
        column, _, value = intake.part.partition("=")
        rows = rows.where(F.col(column) == value)
    by_reason = rows.select(F.explode("reasons").alias("reason")).groupBy("reason").count()
    top = by_reason.orderBy(F.desc("count"), "reason").limit(_REASONS_SHOWN).collect()
    reasons = "; ".join(f"{row['reason']} ({row['count']:,})" for row in top)
    return ContractError(
        f"{counts.rejected:,} of {counts.rows_in:,} rows for {intake.table.name} broke the contract, more "
        f"than the fraction {max_rejected_fraction:g} that is allowed: {reasons}.",
        f"Look at {intake.rejected_table.name} in {lake.root}; mend the source or its mapping, or raise "
        "contract.max_rejected_fraction.",
    )
