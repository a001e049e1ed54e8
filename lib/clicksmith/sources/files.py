"""Any JSON lines, CSV or Parquet files, mapped to the contract by the configuration alone.

No line is lost: one that cannot be read arrives with ``_raw`` and ``_problem``. Where no ``event_id`` is
mapped, it is a hash of the mapped values, so events of identical content share their id and cleaning
takes them for one.
"""

import csv
import json
import logging
from collections.abc import Collection, Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    DataType,
    DateType,
    LongType,
    MapType,
    StructType,
    TimestampNTZType,
    TimestampType,
)

from clicksmith import tables
from clicksmith.config import FilesConfig, FilesTableConfig
from clicksmith.errors import SourceError
from clicksmith.sources import listing
from clicksmith.sources.lines import parse_csv, parse_json, restore_line
from clicksmith.sources.mapping import check_columns, check_mapping, lacking_columns, map_columns, quoted
from clicksmith.sources.raw import RawTables
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS

logger = logging.getLogger(__name__)

_SAMPLE_LINES = 1_000
_NANOS_UTC = pa.timestamp("ns", tz="UTC")


def read(spark: SparkSession, settings: FilesConfig, event_files: Collection[str] | None = None) -> RawTables:
    """Map files to raw tables.

    Args:
        spark: the session.
        settings: the files and their mapping.
        event_files: the only files of events to read, by name; None reads all.

    Raises:
        ConfigError: the mapping names no column of the contract, or lacks one that every row needs.
        SourceError: no file, an empty or unreadable one, or a mapped column that the files lack.
    """
    items, users = settings.items, settings.users
    return RawTables(
        events=_read_table(spark, settings.events, "source.events", EVENT_COLUMNS, event_files),
        items=None if items is None else _read_table(spark, items, "source.items", ITEM_COLUMNS),
        users=None if users is None else _read_table(spark, users, "source.users", USER_COLUMNS),
    )


def fingerprint(settings: FilesConfig) -> str:
    """A hash over each table's files: relative names, sizes and contents. Needs no Spark."""
    parts = {"events": settings.events, "items": settings.items, "users": settings.users}
    found = {
        name: listing.fingerprint(listing.list_files(table.path, f"source.{name}.path"))
        for name, table in parts.items()
        if table is not None
    }
    return json.dumps(found, sort_keys=True)


def _read_table(
    spark: SparkSession,
    settings: FilesTableConfig,
    purpose: str,
    columns: Sequence[tables.Column],
    names: Collection[str] | None = None,
) -> DataFrame:
    check_mapping(settings, purpose, columns)
    files = listing.list_files(settings.path, f"{purpose}.path")
    if names is not None:
        files = _named(files, names, purpose)
    required = {settings.columns[c.name] for c in columns if not c.nullable and c.name in settings.columns}
    reader = {"jsonl": _read_json, "csv": _read_csv, "parquet": _read_parquet}[settings.format]
    return map_columns(reader(spark, files, settings, purpose, required), settings, purpose, columns)


def reread(settings: FilesTableConfig, rejected: DataFrame) -> DataFrame:
    """Rows of bronze.events_rejected mapped once more: lines as lines, Parquet's rows from their JSON."""
    purpose = "source.events"
    check_mapping(settings, purpose, EVENT_COLUMNS)
    lines = rejected.select(restore_line(F.col("raw")).alias("line"))
    if settings.format == "csv":
        first = next(file for file in listing.list_files(settings.path, f"{purpose}.path") if file.size)
        parsed = _parse_csv(lines, _first_line(first), settings, purpose, first.name)
    else:
        parsed = parse_json(lines, settings.file_columns)
    return map_columns(parsed, settings, purpose, EVENT_COLUMNS)


def event_files(settings: FilesConfig) -> dict[str, listing.SourceFile]:
    """The files of events that there are now, by name. Needs no Spark."""
    files = listing.list_files(settings.events.path, "source.events.path")
    return {file.name: file for file in files}


def _named(files: list[listing.SourceFile], names: Collection[str], purpose: str) -> list[listing.SourceFile]:
    missing = set(names) - {file.name for file in files}
    if missing:
        raise SourceError(
            f"{purpose}.path: {len(missing)} files of a batch that was begun are gone: {min(missing)} ...",
            "Put them back, so that the batch can be ended.",
        )
    return [file for file in files if file.name in names]


def _read_lines(spark: SparkSession, files: list[listing.SourceFile]) -> DataFrame:
    # Line feeds alone end a line, so that the bytes between two of them survive unchanged.
    return spark.read.option("lineSep", "\n").text([file.uri for file in files]).toDF("line")


def _read_json(
    spark: SparkSession,
    files: list[listing.SourceFile],
    settings: FilesTableConfig,
    purpose: str,
    required: Collection[str],
) -> DataFrame:
    lines = _read_lines(spark, files)
    sample = lines.limit(_SAMPLE_LINES).where(F.is_valid_utf8("line"))
    keys = sample.select(F.explode(F.json_object_keys("line")).alias("key")).distinct().limit(_SAMPLE_LINES)
    found = [row.key for row in keys.collect()]
    names = settings.file_columns
    if found:  # else no line is an object, and each is rejected with its reason
        where = f"{settings.path} (in its first {_SAMPLE_LINES} lines)"
        check_columns(sorted(required), found, purpose, where)
        rare = [name for name in names if name not in found]
        if rare:
            logger.warning("%s.columns: %s are not in %s", purpose, ", ".join(rare), where)
    return parse_json(lines, names)


def _read_csv(
    spark: SparkSession,
    files: list[listing.SourceFile],
    settings: FilesTableConfig,
    purpose: str,
    required: Collection[str],
) -> DataFrame:
    by_header: dict[str, list[listing.SourceFile]] = {}
    for file in files:
        if file.size:
            by_header.setdefault(_first_line(file), []).append(file)
    first, *others = by_header
    if others and not settings.optional:
        raise SourceError(
            f"{purpose}.path: {by_header[others[0]][0].name} has the header {others[0][:80]!r}, "
            f"{by_header[first][0].name} has {first[:80]!r}.",
            "Files of one table need the same columns in the same order: split or correct them, or name in "
            f"{purpose}.optional what some of them lack.",
        )
    frames = [
        _parse_csv(_read_lines(spark, some), line, settings, purpose, some[0].name)
        for line, some in by_header.items()
    ]
    return reduce(DataFrame.unionByName, frames)


def _parse_csv(
    lines: DataFrame, header_line: str, settings: FilesTableConfig, purpose: str, file: str
) -> DataFrame:
    """Lines under one header, that of `file`; what it lacks and need not have is null."""
    header = next(csv.reader([header_line], delimiter=settings.delimiter), [])
    lacking = lacking_columns(settings, header)
    names = [name for name in settings.file_columns if name not in lacking]
    check_columns(names, header, purpose, f"the header of {file}")
    parsed = parse_csv(lines, header, header_line, names, settings.delimiter)
    return parsed.withColumns({name: F.lit(None).cast("string") for name in lacking})


def _first_line(file: listing.SourceFile) -> str:
    """The header, without byte order mark and line end."""
    taken = b""
    try:
        with file.filesystem.open_input_stream(file.path, compression="detect") as stream:
            while b"\n" not in taken and (chunk := stream.read(1 << 16)):
                taken += chunk
                if len(taken) > 1 << 24:
                    break
        return taken.split(b"\n")[0].decode("utf-8-sig").rstrip("\r")
    except UnicodeDecodeError:
        raise SourceError(f"{file.path} is no CSV: its first line is not UTF-8.") from None
    except OSError as error:
        raise SourceError(f"Cannot read {file.path}: {error}.") from error


def _read_parquet(
    spark: SparkSession,
    files: list[listing.SourceFile],
    settings: FilesTableConfig,
    purpose: str,
    required: Collection[str],
) -> DataFrame:
    names = settings.file_columns
    nanos: set[str] = set()
    lacking: set[str] = set()
    for file in files:
        try:
            schema = pq.read_schema(file.path, filesystem=file.filesystem)
        except (pa.ArrowException, OSError) as error:
            raise SourceError(
                f"{purpose}.path: {file.path} is no readable Parquet file: {str(error).splitlines()[0]}",
                f"Remove it, or correct {purpose}.format.",
            ) from error
        here = lacking_columns(settings, schema.names)
        lacking |= here
        check_columns([name for name in names if name not in here], schema.names, purpose, file.name)
        nanos |= {field.name for field in schema if field.type in (pa.timestamp("ns"), _NANOS_UTC)}
    # Spark knows no nanoseconds and refuses such files (pandas writes them) unless it reads them as numbers.
    spark.conf.set("spark.sql.legacy.parquet.nanosAsLong", "true")
    reader = spark.read.option("mergeSchema", "true" if lacking else "false")
    frame = reader.parquet(*[file.uri for file in files])
    frame = frame.withColumns({name: F.lit(None) for name in lacking - set(frame.columns)})  # in no file yet
    texts = [_as_text(name, frame.schema[name].dataType, name in nanos).alias(name) for name in names]
    return frame.select(*texts, F.to_json(F.struct("*")).alias("_raw"))


def _as_text(name: str, kind: DataType, is_nanos: bool) -> Column:
    """Text, or a timestamp where the file has one."""
    value = F.col(quoted(name))
    if is_nanos and isinstance(kind, LongType):
        return F.timestamp_micros(F.expr(f"{quoted(name)} div 1000"))
    if isinstance(kind, TimestampType | TimestampNTZType | DateType):
        return value.cast("timestamp")
    if isinstance(kind, StructType | ArrayType | MapType):
        return F.to_json(value)
    return value.cast("string")
