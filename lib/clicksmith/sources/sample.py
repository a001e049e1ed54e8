"""A sample of log files, whatever their format: columns of text. Needs no Spark."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from clicksmith.errors import SourceError
from clicksmith.lakehouse.listing import SourceFile, list_files
from clicksmith.sources.records import RecordReader, lines
from clicksmith.sources.separated import split_fields
from clicksmith.sources.streams import Text, open_text
from clicksmith.sources.texts import is_time, to_text

Format = Literal["jsonl", "csv", "parquet"]
Values = list[str | None]

_FILES = 8
_ROWS = 200_000
"""Of all files together: all their columns are held as text."""
_DELIMITERS = ",\t;|"
_PARQUET = b"PAR1"
_MOST_UNREAD = 0.05
_HEAD = 50
_TAIL_BYTES, _TAIL_ROWS = 2**18, 2_000


@dataclass(frozen=True)
class Sample:
    """The first rows of some files of a log.

    Attributes:
        format: of the files.
        delimiter: of CSV.
        columns: their values as text, by name; an empty field is None.
        times: columns that hold timestamps by their type, not as text or numbers.
        num_files: that the path means.
        num_rows: of the sample.
        share: that the sample is of all files, by bytes; 1 where all of it was read, None where that is
            unknown, since the bytes of packed files do not tell how many rows follow.
        tail: the same columns of the log's last rows, where they can be reached without reading it all.
        nested: columns whose values are lists or objects, which are not read.
        num_unread: lines of the sample that hold no record.
        wrong: what is wrong with rows of a Parquet column, by their number: `NOT_UTF8`, and `NOT_EXACT`,
            which is wrong in a column of ids alone.
    """

    format: Format
    delimiter: str
    columns: dict[str, Values]
    times: frozenset[str]
    num_files: int
    num_rows: int
    share: float | None
    tail: dict[str, Values] = field(default_factory=dict)
    nested: frozenset[str] = frozenset()
    num_unread: int = 0
    wrong: dict[str, dict[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Part:
    """The first rows of one file; as in `Sample`."""

    columns: dict[str, Values]
    share: float | None
    times: frozenset[str] = frozenset()
    nested: frozenset[str] = frozenset()
    num_unread: int = 0
    wrong: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        return max((len(values) for values in self.columns.values()), default=0)


def read_sample(path: str) -> Sample:
    """Read the first rows of up to eight files, evenly spaced by name.

    Args:
        path: a file, folder or glob.

    Raises:
        SourceError: there is no file, or none that is JSON lines, CSV with a header, or Parquet.
    """
    files = [file for file in list_files(path, "LOG") if file.size]
    chosen = [files[i * len(files) // _FILES] for i in range(_FILES)] if len(files) > _FILES else files
    kind, delimiter = _kind(chosen[0])
    num_wanted = _ROWS // len(chosen)
    parts = [_first_rows(file, kind, delimiter, num_wanted) for file in chosen]
    num_rows, num_unread = sum(part.num_rows for part in parts), sum(part.num_unread for part in parts)
    if num_unread > _MOST_UNREAD * (num_rows + num_unread):
        raise SourceError(
            f"LOG: {num_unread:,} of {num_rows + num_unread:,} lines of {path!r} hold no record: no JSON "
            "object that ends on its line, or not as many fields as the header.",
            "Write one event a line, and files of one kind: `jq -c . FILE > LOG` writes JSON objects so.",
        )
    if not num_rows:
        raise SourceError(f"LOG: {path!r} holds no rows.", "Name a log with at least some days of events.")
    names = dict.fromkeys(name for part in parts for name in part.columns)
    columns = {
        name: [value for part in parts for value in part.columns.get(name, [None] * part.num_rows)]
        for name in names
    }
    share = _share([part.share for part in parts], chosen, files)
    tail = _last_rows(files[-1], kind, delimiter, list(names)) if share is not None and share < 1 else {}
    return Sample(
        format=kind,
        delimiter=delimiter,
        columns=columns,
        times=frozenset().union(*(part.times for part in parts)),
        num_files=len(files),
        num_rows=num_rows,
        share=share,
        tail=tail,
        nested=frozenset().union(*(part.nested for part in parts)),
        num_unread=num_unread,
        wrong=_wrong(parts),
    )


def _wrong(parts: Sequence[_Part]) -> dict[str, dict[int, str]]:
    """By the rows' numbers in all parts together."""
    found: dict[str, dict[int, str]] = {}
    start = 0
    for part in parts:
        for name, rows in part.wrong.items():
            found.setdefault(name, {}).update({start + row: what for row, what in rows.items()})
        start += part.num_rows
    return found


def _first_rows(file: SourceFile, kind: Format, delimiter: str, num_wanted: int) -> _Part:
    if kind == "parquet":
        return _parquet(file, num_wanted)
    return _csv(file, num_wanted, delimiter) if kind == "csv" else _json(file, num_wanted)


def _last_rows(file: SourceFile, kind: Format, delimiter: str, names: Sequence[str]) -> dict[str, Values]:
    """Of the last file's end: a log is mostly written in the order of time."""
    if kind == "parquet":
        with file.filesystem.open_input_file(file.path) as source:
            opened = pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
            table = opened.read_row_group(opened.num_row_groups - 1)
        return _columns_as_text(table.slice(max(0, table.num_rows - _TAIL_ROWS)))[0]
    text = open_text(file.filesystem, file.path)
    with file.filesystem.open_input_file(file.path) as source:
        source.seek(max(text.start, file.size - _TAIL_BYTES))
        lines = source.read().decode(errors="replace").splitlines()[1:]
    if kind == "jsonl":
        records = [record for record in map(_object, lines) if record is not None]
        return {name: [_text(record.get(name)) for record in records] for name in names}
    header = split_fields(next(_lines(text), ""), delimiter)
    fields = [split_fields(line, delimiter) for line in lines]
    whole = [row for row in fields if len(row) == len(header)]
    return {name: [row[i] or None for row in whole] for i, name in enumerate(header)}


def _share(
    shares: Sequence[float | None], chosen: Sequence[SourceFile], files: Sequence[SourceFile]
) -> float | None:
    known = [share for share in shares if share is not None]
    if len(known) < len(shares):
        return None
    read = sum(share * file.size for share, file in zip(known, chosen, strict=True))
    return min(1.0, read / sum(file.size for file in files))


def _kind(file: SourceFile) -> tuple[Format, str]:
    """The format and delimiter of a file, by its content."""
    if is_parquet(file):
        return "parquet", ","
    head = list(islice(_lines(open_text(file.filesystem, file.path)), _HEAD))
    if not head:
        raise SourceError(f"LOG: {file.path} holds no line of text.", "Name a log of events.")
    if head[0].lstrip().startswith("{"):
        return "jsonl", ","
    if head[0].lstrip().startswith("["):
        raise SourceError(
            f"LOG: {file.path} is one JSON array.", "Write one JSON object a line: `jq -c '.[]' FILE > LOG`."
        )
    fitting = {mark: width for mark in _DELIMITERS if (width := _width(file, mark)) > 1}
    if not fitting:
        raise SourceError(
            f"LOG: {file.path} is no log of events that can be read: its lines are no JSON objects, and "
            f"{_DELIMITERS!r} do not cut them into equally many fields. The first is {head[0][:80]!r}.",
            "Write one event a line, as JSON or as CSV that begins with a header: who, what, when.",
        )
    return "csv", max(fitting, key=lambda mark: fitting[mark])


def _width(file: SourceFile, delimiter: str) -> int:
    """Fields of the first record, if nearly all of the next ones have as many, and else none."""
    text = open_text(file.filesystem, file.path)
    records = (record for record, _ in RecordReader(delimiter).records(text, text.start, None))
    head = (record.decode(errors="replace").strip() for record in islice(records, _HEAD))
    widths = [len(split_fields(record, delimiter)) for record in head if record]
    return widths[0] if widths and widths.count(widths[0]) >= (1 - _MOST_UNREAD) * len(widths) else 0


def _lines(text: Text) -> Iterator[str]:
    for line in lines(text, text.start, None):
        decoded = line.decode(errors="replace").rstrip("\r")
        if decoded.strip():
            yield decoded


def _csv(file: SourceFile, num_wanted: int, delimiter: str) -> _Part:
    text = open_text(file.filesystem, file.path)
    records = RecordReader(delimiter).records(text, text.start, None)
    decoded = (record.decode(errors="replace").rstrip("\r") for record, _ in records)
    rows = (line for line in decoded if line.strip())
    names = split_fields(next(rows, ""), delimiter)
    if any(_is_number(name) for name in names):
        raise SourceError(
            f"LOG: the first line of {file.path} is no header: it has the fields {names[:5]}.",
            "Add a line with the columns' names before it.",
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(
            f"LOG: the header of {file.path} names {twice!r} twice.", "Give each column a name of its own."
        )
    taken = list(islice(rows, num_wanted))
    fields = [split_fields(line, delimiter) for line in taken]
    whole = [row for row in fields if len(row) == len(names)]
    columns = {name: [row[i] or None for row in whole] for i, name in enumerate(names)}
    share = _share_read(taken, num_wanted, text, file)
    return _Part(columns, share, num_unread=len(fields) - len(whole))


def _json(file: SourceFile, num_wanted: int) -> _Part:
    text = open_text(file.filesystem, file.path)
    taken = list(islice(_lines(text), num_wanted))
    records = [record for record in map(_object, taken) if record is not None]
    nested = {name for record in records for name, value in record.items() if isinstance(value, dict | list)}
    names = dict.fromkeys(name for record in records for name in record if name not in nested)
    columns = {name: [_text(record.get(name)) for record in records] for name in names}
    share = _share_read(taken, num_wanted, text, file)
    return _Part(columns, share, nested=frozenset(nested), num_unread=len(taken) - len(records))


def _parquet(file: SourceFile, num_wanted: int) -> _Part:
    with file.filesystem.open_input_file(file.path) as source:
        opened = pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
        batch = next(opened.iter_batches(num_wanted), None)
        total = opened.metadata.num_rows
    if batch is None:
        return _Part({}, 1.0)
    columns, wrong, nested = _columns_as_text(batch)
    times = frozenset(field.name for field in batch.schema if is_time(field.type))
    return _Part(columns, batch.num_rows / total, times, nested, wrong=wrong)


def _columns_as_text(
    rows: pa.RecordBatch | pa.Table,
) -> tuple[dict[str, Values], dict[str, dict[int, str]], frozenset[str]]:
    columns: dict[str, Values] = {}
    wrong: dict[str, dict[int, str]] = {}
    nested = {item.name for item in rows.schema if pa.types.is_nested(item.type)}
    for name, column in zip(rows.schema.names, rows.columns, strict=True):
        if name in nested:
            continue
        whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        try:
            columns[name] = to_text(whole, False)[0].to_pylist()
            wrong[name] = to_text(whole, True)[1]
        except (TypeError, pa.ArrowException):
            continue  # of a type that has no text: nothing of the contract
    return columns, {name: found for name, found in wrong.items() if found}, frozenset(nested)


def _share_read(lines: Sequence[str], num_wanted: int, text: Text, file: SourceFile) -> float | None:
    """Of a file: its whole where it ended within the sample."""
    if len(lines) < num_wanted:
        return 1.0
    return min(1.0, sum(map(len, lines)) / file.size) if text.can_be_cut else None


def _object(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json.dumps(value)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def is_parquet(file: SourceFile) -> bool:
    """Whether a file says that it is Parquet."""
    with file.filesystem.open_input_file(file.path) as stream:
        return bool(stream.read(len(_PARQUET)) == _PARQUET)


def is_numeric(values: Sequence[str | None]) -> bool:
    """Whether all values that are there are numbers, and there is one."""
    known = [value for value in values if value is not None]
    return bool(known) and all(map(_is_number, known))
