"""Reading pinned snapshots, and writing a table exactly once."""

import json
import logging
from collections.abc import Collection, Mapping

from deltalake import DeltaTable
from pyspark.sql import Column, DataFrame, DataFrameWriter, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema
from pyspark.sql.types import StructType

from clicksmith.errors import ContractError, LakeError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse.catalog import Lake, Snapshot, sound_version
from clicksmith.lakehouse.lineage import Lineage, schema_hash
from clicksmith.lakehouse.progress import telling
from clicksmith.lakehouse.runs import note_commit
from clicksmith.tables import Table

logger = logging.getLogger(__name__)

_GUARD = f"{ContractError.__module__}.{ContractError.__name__}:"  # by which it is known again here


def spark_schema(table: Table) -> StructType:
    """The table's Spark schema."""
    return from_arrow_schema(table.arrow_schema, prefer_timestamp_ntz=False)


def read(spark: SparkSession, snapshot: Snapshot) -> DataFrame:
    """The snapshot's table at its pinned version (the whole table, all parts).

    Columns that the table was declared to have only later are null.
    """
    frame = spark.read.format("delta").option("versionAsOf", snapshot.version).load(snapshot.uri)
    fields = {field.name: field for field in spark_schema(snapshot.table)}
    lacking = [c.name for c in snapshot.table.columns if c.nullable and c.name not in frame.columns]
    return frame.withColumns({name: F.lit(None).cast(fields[name].dataType) for name in lacking})


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
    expected_rows: int | None = None,
    replaces: Collection[str] = (),
) -> Snapshot:
    """Replace a table, or one part of it, exactly once.

    A run whose rows are already there writes nothing. A killed run leaves the old rows.
    Two runs that race commit once: both claim the same transaction version.

    How many rows there must be is part of the commit. Delta knows how many there are only once it has written
    them, so a commit of another number is void from the first: the lake passes over it, and it is set back.

    Args:
        df: rows with at least the table's columns.
        table: where they go.
        lake: the lake.
        lineage: the run; its fingerprint marks the commit.
        part: ``column=value``: replace only these rows, of which all of `df` must be; files by whose
            statistics they hold none are not touched.
        counts: rows by what became of them, kept in the commit's metadata for the report.
        expected_rows: that `df` must turn out to have; None takes as many as there are.
        replaces: further values of the part's column, whose rows go as well.

    Raises:
        ContractError: a column is missing, a null is where none may be, or there are more or fewer rows than
            expected.
        LakeError: the commit failed, or the table's columns differ from those declared.
    """
    before = lake.find(table, part)
    if before is not None and lineage.made(before):
        logger.info("%s: version %d is already of this run, nothing written", table.name, before.version)
        return before
    spark = df.sparkSession
    set_back(spark, lake, table)
    metadata = {
        **lineage.metadata(part, counts),
        "schema": schema_hash(table),
        "expected_rows": expected_rows,
    }
    existing = lake.open(table)
    # Where all commits are void there are no other parts: what lies there goes as a whole.
    replaced = part if existing is None or sound_version(existing) >= 0 else None
    writer = (
        _writer(conform(df, table), table, existing, replaced, replaces)
        .option("txnAppId", f"clicksmith/{lineage.job}/{part or 'all'}")
        .option("txnVersion", 0 if existing is None else existing.version() + 1)
        .option("userMetadata", json.dumps(metadata, sort_keys=True))
    )
    with doing(f"Writing {table.name}", tables=lake.places), telling(spark, f"writing {table.name}"):
        writer.save(lake.uri(table))
    if set_back(spark, lake, table):
        raise ContractError(
            f"{table.name}: the rows written are not the {expected_rows:,} that were counted, and none "
            "of them stays.",
            "The source changed while it was read; run again once it is still.",
        )
    after = lake.get(table, part)
    if not lineage.made(after):
        raise LakeError(
            f"{table.name}: the commit of {lineage.run_id} was superseded by {after.metadata['run_id']}.",
            "Another run writes to the same lake; run this job again once it has ended.",
        )
    note_commit(after)
    logger.info("%s: version %d, %s rows", table.name, after.version, f"{after.num_rows or 0:,}")
    return after


def _writer(
    df: DataFrame, table: Table, existing: DeltaTable | None, part: str | None, replaces: Collection[str]
) -> DataFrameWriter:
    """Of rows that take the place of a part's, and gain the table its new columns; or of all rows."""
    writer = df.write.format("delta").mode("overwrite")
    writer = writer.option("delta.deletedFileRetentionDuration", "interval 30 days")
    if table.skipping_columns:
        writer = writer.option("delta.dataSkippingStatsColumns", ",".join(table.skipping_columns))
    if table.partition_by:
        writer = writer.partitionBy(*table.partition_by)
    if part is None:
        return writer.option("overwriteSchema", "true")
    column, _, value = part.partition("=")
    values = ", ".join(f"'{one}'" for one in sorted({value, *replaces}))
    writer = writer.option("replaceWhere", f"{column} IN ({values})")
    if existing is not None and _lacking_columns(existing, table):
        writer = writer.option("mergeSchema", "true")
    return writer


def set_back(spark: SparkSession, lake: Lake, table: Table) -> bool:
    """Undo void commits on top of a table, a killed run's included; whether there were any.

    A table that has nothing else stays as it is: to the lake it does not exist, and the next commit replaces
    all of it.
    """
    delta = lake.open(table)
    if delta is None or (version := sound_version(delta)) == delta.version():
        return False
    if version >= 0:
        spark.sql(f"RESTORE TABLE delta.`{lake.uri(table)}` TO VERSION AS OF {version}").collect()
    return True


def _lacking_columns(existing: DeltaTable, table: Table) -> list[str]:
    """Declared columns that a table lacks, of which other parts have rows already.

    Raises:
        LakeError: rows that stay could not have one, or the table has a column that is declared no more or of
            another type.
    """
    found = {
        field.name: field.dataType for field in StructType.fromJson(json.loads(existing.schema().to_json()))
    }
    declared = {field.name: field.dataType for field in spark_schema(table)}
    lacking = [name for name in declared if name not in found]
    problems = [f"lacks {name}, which may not be null" for name in lacking if not table[name].nullable]
    problems += [f"has {name}, which is declared no more" for name in found if name not in declared]
    problems += [
        f"has {name} as {found[name].simpleString()}, declared as {kind.simpleString()}"
        for name, kind in declared.items()
        if name in found and found[name].simpleString() != kind.simpleString()
    ]
    if problems:
        raise LakeError(
            f"{table.name} at {existing.table_uri} has rows of other columns than are declared: it "
            f"{'; it '.join(problems)}.",
            "A table that is written in parts can only gain columns that may be null. Declare it so, or set "
            "lake.root to a new lake and run the jobs there.",
        )
    return lacking
