"""A sample of log files, whatever their format: columns of text. Needs no Spark."""

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from clicksmith.errors import SourceError
from clicksmith.sources.listing import SourceFile, list_files
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
    """

    format: Format
    delimiter: str
    columns: dict[str, Values]
    times: frozenset[str]
    num_files: int
    num_rows: int
    share: float | None


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
    columns: dict[str, Values] = {}
    times: set[str] = set()
    num_rows, num_wanted = 0, _ROWS // len(chosen)
    share: float | None
    shares: list[float | None] = []
    for file in chosen:
        if kind == "parquet":
            found, own_times, share = _parquet(file, num_wanted)
            times |= own_times
        else:
            read = partial(_csv, delimiter=delimiter) if kind == "csv" else _json
            found, share = read(file, num_wanted)
        size = max((len(values) for values in found.values()), default=0)
        for name in [*columns, *(name for name in found if name not in columns)]:
            columns.setdefault(name, [None] * num_rows).extend(found.get(name, [None] * size))
        num_rows += size
        shares.append(share)
    if not num_rows:
        raise SourceError(f"LOG: {path!r} holds no rows.", "Name a log with at least some days of events.")
    total = _share(shares, chosen, files)
    return Sample(kind, delimiter, columns, frozenset(times), len(files), num_rows, total)


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
    head = list(islice(_lines(open_text(file.filesystem, file.path)), 50))
    if not head:
        raise SourceError(f"LOG: {file.path} holds no line of text.", "Name a log of events.")
    if head[0].lstrip().startswith("{"):
        return "jsonl", ","
    if head[0].lstrip().startswith("["):
        raise SourceError(
            f"LOG: {file.path} is one JSON array.", "Write one JSON object a line: `jq -c '.[]' FILE > LOG`."
        )
    widths = {mark: [len(next(csv.reader([line], delimiter=mark))) for line in head] for mark in _DELIMITERS}
    fitting = {mark: found[0] for mark, found in widths.items() if found[0] > 1 and len(set(found)) == 1}
    if not fitting:
        raise SourceError(
            f"LOG: {file.path} is no log of events that can be read: its lines are no JSON objects, and "
            f"{_DELIMITERS!r} do not cut them into equally many fields. The first is {head[0][:80]!r}.",
            "Write one event a line, as JSON or as CSV with a header: who, what, when.",
        )
    return "csv", max(fitting, key=lambda mark: fitting[mark])


def _lines(text: Text) -> Iterator[str]:
    for line in lines(text, text.start, None):
        decoded = line.decode(errors="replace").rstrip("\r")
        if decoded.strip():
            yield decoded


def _csv(file: SourceFile, num_wanted: int, delimiter: str) -> tuple[dict[str, Values], float | None]:
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
    taken = list(islice(rows, num_wanted))
    fields = [split_fields(line, delimiter) for line in taken]
    whole = [row for row in fields if len(row) == len(names)]
    columns = {name: [row[i] or None for row in whole] for i, name in enumerate(names)}
    return columns, _share_read(taken, num_wanted, text, file)


def _json(file: SourceFile, num_wanted: int) -> tuple[dict[str, Values], float | None]:
    text = open_text(file.filesystem, file.path)
    taken = list(islice(_lines(text), num_wanted))
    records = [record for record in map(_object, taken) if record is not None]
    names = dict.fromkeys(name for record in records for name in record)
    columns = {name: [_text(record.get(name)) for record in records] for name in names}
    return columns, _share_read(taken, num_wanted, text, file)


def _parquet(file: SourceFile, num_wanted: int) -> tuple[dict[str, Values], set[str], float]:
    with file.filesystem.open_input_file(file.path) as source:
        opened = pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
        batch = next(opened.iter_batches(num_wanted), None)
        total = opened.metadata.num_rows
    if batch is None:
        return {}, set(), 1.0
    columns: dict[str, Values] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            columns[name] = to_text(column, False)[0].to_pylist()
        except (TypeError, pa.ArrowException):
            continue  # of a type that has no text: nothing of the contract
    times = {field.name for field in batch.schema if is_time(field.type)}
    return columns, times, batch.num_rows / total


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
        float(text)
    except ValueError:
        return False
    return True


def is_parquet(file: SourceFile) -> bool:
    """Whether a file says that it is Parquet."""
    with file.filesystem.open_input_file(file.path) as stream:
        return bool(stream.read(len(_PARQUET)) == _PARQUET)


def is_numeric(values: Sequence[str | None]) -> bool:
    """Whether all values that are there are numbers, and there is one."""
    known = [value for value in values if value is not None]
    return bool(known) and all(map(_is_number, known))
