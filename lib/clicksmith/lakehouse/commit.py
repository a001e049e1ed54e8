"""Reading pinned snapshots, and writing a table exactly once."""

import json
import logging
from collections.abc import Mapping

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from clicksmith.errors import ContractError, LakeError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.lakehouse.runs import note_commit
from clicksmith.tables import Table

logger = logging.getLogger(__name__)

_GUARD = f"{ContractError.__module__}.{ContractError.__name__}:"  # by which it is known again here


def spark_schema(table: Table) -> StructType:
    """The table's Spark schema."""
    return from_arrow_schema(table.arrow_schema, prefer_timestamp_ntz=False)


def read(spark: SparkSession, snapshot: Snapshot) -> DataFrame:
    """The snapshot's table at its pinned version (the whole table, all parts)."""
    return spark.read.format("delta").option("versionAsOf", snapshot.version).load(snapshot.uri)


def conform(df: DataFrame, table: Table) -> DataFrame:
    """Select a table's columns in order, with its types; a null where none may be stops the job.

    Raises:
        ContractError: a column is missing.
    """
    missing = [name for name in table.column_names if name not in df.columns]
    if missing:
        raise ContractError(f"Rows for {table.name} lack the columns {missing}; they have {df.columns}.")
    fields = {field.name: field for field in spark_schema(table)}
    guarded: list[Column] = []
    for column in table.columns:
        value = F.col(column.name).cast(fields[column.name].dataType)
        if not column.nullable:
            message = F.lit(
                f"{_GUARD} {table.name}.{column.name} is null in a row, which its contract forbids."
            )
            value = F.when(value.isNull(), F.raise_error(message)).otherwise(value)
        guarded.append(value.alias(column.name))
    return df.select(*guarded)


def commit(
    df: DataFrame,
    table: Table,
    lake: Lake,
    lineage: Lineage,
    part: str | None = None,
    counts: Mapping[str, int] | None = None,
) -> Snapshot:
    """Replace a table, or one part of it, exactly once.

    A run whose rows are already there writes nothing. A killed run leaves the old rows.
    Two runs that race commit once: both claim the same transaction version.

    Args:
        df: rows with at least the table's columns.
        table: where they go.
        lake: the lake.
        lineage: the run; its fingerprint marks the commit.
        part: ``column=value``: replace only these rows, of which all of `df` must be; files by whose
            statistics they hold none are not touched.
        counts: rows by what became of them, kept in the commit's metadata for the report.

    Raises:
        ContractError: a column is missing, or a null is where none may be.
        LakeError: the commit failed.
    """
    before = lake.find(table, part)
    if before is not None and before.fingerprint == lineage.fingerprint:
        logger.info("%s: version %d is already of this run, nothing written", table.name, before.version)
        return before
    existing = lake.open(table)
    writer = (
        conform(df, table)
        .write.format("delta")
        .mode("overwrite")
        .option("txnAppId", f"clicksmith/{lineage.job}/{part or 'all'}")
        .option("txnVersion", 0 if existing is None else existing.version() + 1)
        .option("userMetadata", json.dumps(lineage.metadata(part, counts), sort_keys=True))
        .option("delta.deletedFileRetentionDuration", "interval 30 days")
    )
    if table.skipping_columns:
        writer = writer.option("delta.dataSkippingStatsColumns", ",".join(table.skipping_columns))
    if table.partition_by:
        writer = writer.partitionBy(*table.partition_by)
    if part is not None:
        column, _, value = part.partition("=")
        writer = writer.option("replaceWhere", f"{column} = '{value}'")
    else:
        writer = writer.option("overwriteSchema", "true")
    with doing(f"Writing {table.name}", tables=lake.places):
        writer.save(lake.uri(table))
    after = lake.get(table, part)
    if after.fingerprint != lineage.fingerprint:
        raise LakeError(
            f"{table.name}: the commit of {lineage.run_id} was superseded by {after.metadata['run_id']}.",
            "Another run writes to the same lake; run this job again once it has ended.",
        )
    note_commit(after)
    logger.info("%s: version %d, %s rows", table.name, after.version, f"{after.num_rows or 0:,}")
    return after
