"""Any JSON lines, CSV or Parquet files, mapped to the contract by the configuration alone.

No line is lost: one that cannot be read arrives with ``_raw`` and ``_problem``. Where no ``event_id`` is
mapped, it is a hash of the mapped values, so events of identical content share their id and cleaning
takes them for one.
"""

import json
import logging
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, islice

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith import tables
from clicksmith.config import FilesConfig, FilesTableConfig
from clicksmith.errors import SourceError
from clicksmith.lakehouse import listing
from clicksmith.sources.lines import OPEN_QUOTE, column, parse_json, restore_line
from clicksmith.sources.mapping import check_columns, check_mapping, map_columns
from clicksmith.sources.parquet import check_schema
from clicksmith.sources.raw import RawTables
from clicksmith.sources.records import RecordReader, lines
from clicksmith.sources.scan import Scan, parse_lines, scan
from clicksmith.sources.separated import Header, check_header, check_same, read_header
from clicksmith.sources.streams import open_text
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS

logger = logging.getLogger(__name__)

_SAMPLE_LINES = 1_000
_FILES_LOOKED_AT = 100
"""Files that are opened before the first task starts, so that a wrong mapping is told at once."""


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
    if settings.format != "parquet":
        files = [file for file in files if file.size]
    table = _look_at(files, settings, purpose, columns)
    return _map(scan(spark, files, table), settings, purpose, columns)


def reread(settings: FilesTableConfig, rejected: DataFrame) -> DataFrame:
    """Rows of bronze.events_rejected mapped once more: lines as lines, Parquet's rows from their JSON.

    Raises:
        ConfigError: the mapping gives no rows of the contract.
        SourceError: the rows do not hold all that their files said: columns of folders, or of CSV whose
            headers differ. Parquet's rows hold it all, so their files may be gone.
    """
    purpose = "source.events"
    check_mapping(settings, purpose, EVENT_COLUMNS)
    line = restore_line(F.col("raw")).cast("binary").alias("line")
    if settings.format == "parquet":
        parsed = parse_json(rejected.select(line), settings.file_columns)
        return map_columns(parsed, settings, purpose, EVENT_COLUMNS)
    files = listing.list_files(settings.path, f"{purpose}.path")
    folders = listing.folder_values(files[0].name, settings.file_columns)
    if folders:
        raise SourceError(
            f"{purpose}.columns: {min(folders)!r} is a name of folders, which rejected lines do not hold.",
            "Mend the files, and ingest them under other names.",
        )
    if settings.format == "csv":
        # The rest of a broken record may look like a record; only its file could tell that it is none.
        piece = F.array_contains("reasons", OPEN_QUOTE).alias("piece")
        header = _only_header(files, settings, purpose)
        parsed = parse_lines(rejected.select(line, piece), Scan(settings, purpose, header))
    else:
        parsed = parse_json(rejected.select(line), settings.file_columns)
    return map_columns(parsed, settings, purpose, EVENT_COLUMNS)


def _map(
    found: DataFrame, settings: FilesTableConfig, purpose: str, columns: Sequence[tables.Column]
) -> DataFrame:
    names = settings.file_columns
    if settings.format == "jsonl":
        found = parse_json(found, names)
    elif settings.format == "parquet":
        fields = [F.col(column(number)).alias(name) for number, name in enumerate(names)]
        found = found.withColumn("_raw", F.coalesce("_raw", F.to_json(F.struct(*fields))))
    return map_columns(found, settings, purpose, columns)


def event_files(settings: FilesConfig) -> dict[str, listing.SourceFile]:
    """The files of events that there are now, by name. Needs no Spark."""
    files = listing.list_files(settings.events.path, "source.events.path")
    return {file.name: file for file in files}


def _named(files: list[listing.SourceFile], names: Collection[str], purpose: str) -> list[listing.SourceFile]:
    wanted = set(names)
    missing = wanted - {file.name for file in files}
    if missing:
        raise SourceError(
            f"{purpose}.path: {len(missing)} files of a batch that was begun are gone: {min(missing)} ...",
            "Put them back, so that the batch can be ended.",
        )
    return [file for file in files if file.name in wanted]


def _look_at(
    files: Sequence[listing.SourceFile],
    settings: FilesTableConfig,
    purpose: str,
    columns: Sequence[tables.Column],
) -> Scan:
    """Find in the first files what is wrong with the mapping; the tasks look at the others."""
    first = files[:_FILES_LOOKED_AT]
    names = settings.file_columns
    if settings.format == "jsonl":
        required = {
            settings.columns[c.name] for c in columns if not c.nullable and c.name in settings.columns
        }
        _check_keys(first, settings, purpose, sorted(required))
        return Scan(settings, purpose)
    if settings.format == "parquet":

        def check(file: listing.SourceFile) -> None:
            folders = listing.folder_values(file.name, names)
            check_schema(file.filesystem, file.path, settings, purpose, folders)

        with ThreadPoolExecutor(listing.THREADS) as pool:
            list(pool.map(check, first))
        return Scan(settings, purpose)
    same = None if settings.optional else _first_header(files, settings)
    with ThreadPoolExecutor(listing.THREADS) as pool:
        headers = list(pool.map(lambda file: _header(file, settings), first))
    found = [(header, file.name) for header, file in zip(headers, first, strict=True) if header is not None]
    if same is not None:
        for header, name in found:
            check_same(header, name, *same, purpose)
    for header, name in found:
        check_header(header, name, settings, purpose, listing.folder_values(name, names))
    return Scan(settings, purpose, same)


def _header(file: listing.SourceFile, settings: FilesTableConfig) -> Header | None:
    text = open_text(file.filesystem, file.path)
    return read_header(text, RecordReader(settings.delimiter), settings.delimiter)


def _first_header(
    files: Sequence[listing.SourceFile], settings: FilesTableConfig
) -> tuple[Header, str] | None:
    """The first that is found, and its file: files of nothing have none."""
    headers = ((_header(file, settings), file.name) for file in files)
    return next(((header, name) for header, name in headers if header is not None), None)


def _only_header(
    files: Sequence[listing.SourceFile], settings: FilesTableConfig, purpose: str
) -> tuple[Header, str]:
    """The header of all files, and the first of them: a line does not tell from which file it is."""
    first = _first_header(files, settings)
    if first is None:
        raise SourceError(f"{purpose}.path: none of {len(files)} files in {settings.path} has a header.")
    if settings.optional:  # without, each file was held to the first one's as it was read
        with ThreadPoolExecutor(listing.THREADS) as pool:
            headers = list(pool.map(lambda file: _header(file, settings), files))
        for header, file in zip(headers, files, strict=True):
            if header is not None and header.text != first[0].text:
                raise SourceError(
                    f"{purpose}.path: {file.name} and {first[1]} have other columns, and rejected lines do "
                    "not tell from which file they are.",
                    "Mend the files, and ingest them under other names.",
                )
    return first


def _check_keys(
    files: Sequence[listing.SourceFile], settings: FilesTableConfig, purpose: str, required: Sequence[str]
) -> None:
    """Refuse JSON lines whose first objects lack what every row needs; warn of what else they lack."""
    found: set[str] = set()
    for line in islice(chain.from_iterable(map(_lines, files)), _SAMPLE_LINES):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        found |= record.keys() if isinstance(record, dict) else set()
    if not found:  # no line is an object, and each is rejected with its reason
        return
    found |= listing.folder_values(files[0].name, settings.file_columns).keys()
    where = f"{settings.path} (in its first {_SAMPLE_LINES} lines)"
    check_columns(required, found, purpose, where)
    rare = [name for name in settings.file_columns if name not in found]
    if rare:
        logger.warning("%s.columns: %s are not in %s", purpose, ", ".join(rare), where)


def _lines(file: listing.SourceFile) -> Iterator[bytes]:
    return lines(open_text(file.filesystem, file.path), 0, None)
