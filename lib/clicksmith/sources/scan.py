"""Files as a DataFrame: Spark's tasks read them with Arrow, each by its own schema, large ones in ranges.

Spark's own readers take the schema of one file for all, know fewer types, and tell columns apart by neither
case nor unit. A range of bytes gives the lines or row groups that begin in it, so rows do not depend on how
files are cut.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa
from pyarrow import fs
from pyspark.sql import DataFrame, SparkSession

from clicksmith.config import FilesTableConfig
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.listing import SourceFile, base_of, folder_values
from clicksmith.sources.lines import column
from clicksmith.sources.parquet import read_parquet
from clicksmith.sources.records import RecordReader, lines
from clicksmith.sources.separated import Header, check_header, check_same, parse, read_header
from clicksmith.sources.streams import open_text

_LARGEST_RANGE = 128 << 20
_SMALLEST_RANGE = 4 << 20
_COST_OF_OPENING = 4 << 20
"""In bytes that could be read meanwhile, as Spark counts it."""
_BATCH_ROWS = 10_000
_BATCH_BYTES = 4 << 20

_T = TypeVar("_T")

_UNITS = pa.schema(
    [
        ("task", pa.int32()),
        ("path", pa.string()),
        ("name", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
    ]
)


@dataclass(frozen=True)
class _Unit:
    """A row of `cut`: what one task reads of one file."""

    task: int
    path: str
    name: str
    start: int
    end: int | None


@dataclass(frozen=True)
class Scan:
    """What every task knows of a table of files.

    Attributes:
        settings: the table and its mapping.
        purpose: the setting that named it, for errors.
        header: of CSV: the one that all files need, and the file that has it; None where files may differ.
    """

    settings: FilesTableConfig
    purpose: str
    header: tuple[Header, str] | None = None


def scan(spark: SparkSession, files: Sequence[SourceFile], table: Scan) -> DataFrame:
    """The rows of files: JSON as lines, others as text columns.

    Returns:
        ``line`` and what folders hold; or the columns of `FilesTableConfig.file_columns`, ``_raw``, which
        is null where it is the JSON of the columns, and ``_problem``. Columns are named by `column`.
    """
    parallelism = spark.sparkContext.defaultParallelism
    units = cut(files, sum(file.size for file in files) // parallelism)
    num_tasks = 1 + max(units["task"].to_pylist(), default=0)
    tasks = spark.range(0, num_tasks, 1, num_tasks)
    return tasks.mapInArrow(partial(_read_tasks, units=units, table=table), _schema(table.settings))


def parse_lines(lines: DataFrame, table: Scan) -> DataFrame:
    """CSV records under the table's header to what `scan` returns.

    Args:
        lines: ``line``, the bytes of a record, and ``piece``, whether it is one of a broken record.
        table: with its header.
    """
    return lines.mapInArrow(partial(_parse, table=table), _schema(table.settings))


def _parse(batches: Iterator[pa.RecordBatch], table: Scan) -> Iterator[pa.RecordBatch]:
    assert table.header is not None
    settings, (header, _) = table.settings, table.header
    for batch in batches:
        records, pieces = (batch[name].to_pylist() for name in ("line", "piece"))
        columns, raw, problem = parse(records, pieces, header, settings.file_columns, settings.delimiter, {})
        yield _batch(["_raw", "_problem"], [raw, problem], columns)


def _schema(settings: FilesTableConfig) -> str:
    first = ["line binary"] if settings.format == "jsonl" else ["_raw string", "_problem string"]
    return ", ".join([*first, *(f"{column(number)} string" for number in range(len(settings.file_columns)))])


def cut(files: Sequence[SourceFile], share: int) -> pa.Table:
    """Files into ranges of bytes, and ranges into tasks.

    Args:
        files: in order.
        share: bytes that would be a core's.

    Returns:
        One row a range, by task; ``end`` is null where it is the file's.
    """
    most = min(_LARGEST_RANGE, max(_SMALLEST_RANGE, share))
    rows: list[tuple[int, str, str, int, int | None]] = []
    task, load = 0, 0
    for file in files:
        for start in range(0, max(file.size, 1), most):
            end = start + most
            cost = _COST_OF_OPENING + min(end, file.size) - start
            if load and load + cost > _COST_OF_OPENING + most:
                task, load = task + 1, 0
            load += cost
            rows.append((task, file.path, file.name, start, end if end < file.size else None))
    if not rows:
        return _UNITS.empty_table()
    return pa.table(list(map(pa.array, zip(*rows, strict=True), _UNITS.types)), schema=_UNITS)


def _read_tasks(tasks: Iterator[pa.RecordBatch], units: pa.Table, table: Scan) -> Iterator[pa.RecordBatch]:
    filesystem, _ = storage.resolve(base_of(table.settings.path))
    read = {"jsonl": _read_json, "csv": _read_csv, "parquet": _read_parquet}[table.settings.format]
    of_task = units["task"].to_numpy()
    for batch in tasks:
        for task in batch.column(0).to_pylist():
            first, last = np.searchsorted(of_task, [task, task + 1])
            for unit in units.slice(first, last - first).to_pylist():
                yield from read(_Unit(**unit), filesystem, table)


def _read_json(unit: _Unit, filesystem: fs.FileSystem, table: Scan) -> Iterator[pa.RecordBatch]:
    text = open_text(filesystem, unit.path)
    if unit.start and not text.can_be_cut:
        return  # all of it is in the first range
    names = table.settings.file_columns
    folders = folder_values(unit.name, names)
    for block in _blocks(lines(text, unit.start, unit.end if text.can_be_cut else None), len):
        constants = [pa.array([folders.get(name)] * len(block), pa.string()) for name in names]
        yield _batch(["line"], [pa.array(block, pa.binary())], constants)


def _read_csv(unit: _Unit, filesystem: fs.FileSystem, table: Scan) -> Iterator[pa.RecordBatch]:
    settings, names = table.settings, table.settings.file_columns
    text = open_text(filesystem, unit.path)
    reader = RecordReader(settings.delimiter)
    header = read_header(text, reader, settings.delimiter)
    if header is None or (unit.start and not text.can_be_cut):
        return
    folders = folder_values(unit.name, names)
    if table.header is not None:
        check_same(header, unit.name, *table.header, table.purpose)
    check_header(header, unit.name, settings, table.purpose, folders)
    found = reader.records(text, unit.start, unit.end if text.can_be_cut else None)
    for block in _blocks(found, lambda record: len(record[0])):
        records, pieces = zip(*block, strict=True)
        columns, raw, problem = parse(records, pieces, header, names, settings.delimiter, folders)
        yield _batch(["_raw", "_problem"], [raw, problem], columns)


def _read_parquet(unit: _Unit, filesystem: fs.FileSystem, table: Scan) -> Iterator[pa.RecordBatch]:
    folders = folder_values(unit.name, table.settings.file_columns)
    for columns, raw, problem in read_parquet(
        filesystem, unit.path, unit.start, unit.end, table.settings, table.purpose, folders
    ):
        yield _batch(["_raw", "_problem"], [raw, problem], columns)


def _batch(names: list[str], first: list[pa.Array], columns: list[pa.Array]) -> pa.RecordBatch:
    numbered = [column(number) for number in range(len(columns))]
    return pa.RecordBatch.from_arrays([*first, *columns], names=[*names, *numbered])


def _blocks(found: Iterable[_T], size_of: Callable[[_T], int]) -> Iterator[list[_T]]:
    """What is found, some thousands at a time and few bytes."""
    block: list[_T] = []
    size = 0
    for one in found:
        block.append(one)
        size += size_of(one)
        if len(block) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield block
            block, size = [], 0
    if block:
        yield block
