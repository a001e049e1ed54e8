"""CSV records (RFC 4180) to text columns, losing none. Needs no Spark."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import FilesTableConfig
from clicksmith.errors import SourceError
from clicksmith.sources.lines import NOT_UTF8, OPEN_QUOTE, WRONG_FIELDS, encode_line
from clicksmith.sources.mapping import check_columns, lacking_columns
from clicksmith.sources.records import RecordReader
from clicksmith.sources.streams import Text


@dataclass(frozen=True)
class Header:
    """A file's first record.

    Attributes:
        text: as it stands there, without its line's end.
        names: of the fields.
    """

    text: str
    names: tuple[str, ...]


def read_header(text: Text, reader: RecordReader, delimiter: str) -> Header | None:
    """The header of a file, or None where nothing is in it.

    Raises:
        SourceError: the file cannot be read, or begins with no text.
    """
    record = next((found for found, _ in reader.records(text, text.start, None) if found.strip()), None)
    if record is None:
        return None
    line = _decoded(record)
    if line is None or "\0" in line:
        raise SourceError(
            f"{text.path} is no CSV: its first line is not UTF-8.",
            "Write it as UTF-8, or as UTF-16 with a byte order mark.",
        )
    line = line.rstrip("\r")
    return Header(line, tuple(split_fields(line, delimiter)))


def check_header(
    header: Header, path: str, settings: FilesTableConfig, purpose: str, folders: Mapping[str, str | None]
) -> None:
    """Refuse a header that lacks a mapped column or names it twice. Raises `SourceError`."""
    found = [*header.names, *folders]
    names = [name for name in settings.file_columns if name not in lacking_columns(settings, found)]
    check_columns(names, found, purpose, f"the header of {path}")
    twice = next((name for name in names if header.names.count(name) > 1), None)
    if twice is not None:
        raise SourceError(
            f"{purpose}.columns: the header of {path} names {twice!r} {header.names.count(twice)} times.",
            "Rename all but one of them: which one is meant cannot be told.",
        )


def check_same(header: Header, file: str, first: Header, first_file: str, purpose: str) -> None:
    """Refuse another header than the first file's. Raises `SourceError`."""
    if header.text != first.text:
        raise SourceError(
            f"{purpose}.path: {file} has the header {header.text[:80]!r}, "
            f"{first_file} has {first.text[:80]!r}.",
            "Files of one table need the same columns in the same order: split or correct them, or name in "
            f"{purpose}.optional what some of them lack.",
        )


def parse(
    records: Sequence[bytes],
    pieces: Sequence[bool],
    header: Header,
    names: Sequence[str],
    delimiter: str,
    folders: Mapping[str, str | None],
) -> tuple[list[pa.Array], pa.Array, pa.Array]:
    """Records to the columns `names`, what was received of each, and why it is no record, or null.

    Args:
        records: without their line's end.
        pieces: whether each is a piece of a broken record.
        header: records equal to it are headers: each file begins with one.
        names: the columns that are wanted; one in neither header nor folders is null, as empty fields are.
        delimiter: between fields.
        folders: columns that the folders' names hold, for those that the header lacks.
    """
    content = pa.array(records, pa.binary())
    piece = pa.array(pieces, pa.bool_())
    try:
        texts = content.cast(pa.string())
    except pa.ArrowInvalid:
        texts = pa.array([_decoded(record) for record in records], pa.string())
    lines = pc.utf8_rtrim(texts, characters="\r")
    empty = pc.equal(pc.utf8_trim(lines, characters=" "), "")
    kept = pc.invert(pc.fill_null(pc.or_(empty, pc.equal(lines, header.text)), False))
    content, texts, lines, piece = (part.filter(kept) for part in (content, texts, lines, piece))
    fields, offsets, opened = _split(lines, delimiter)
    num_fields = np.diff(offsets)
    bad = np.asarray(piece, dtype=bool) | opened
    right = (num_fields == len(header.names)) & ~bad & ~np.asarray(lines.is_null())
    columns = []
    for name in names:
        if name in header.names:
            places = np.where(right, offsets[:-1] + header.names.index(name), 0)
            taken = fields.take(pa.array(places, pa.int64(), mask=~right))
            columns.append(pc.if_else(pc.equal(taken, ""), pa.scalar(None, pa.string()), taken))
        else:
            columns.append(pa.array([folders.get(name)] * len(lines), pa.string()))
    raw = texts if not texts.null_count else pa.array(map(encode_line, content.to_pylist()), pa.string())
    problem = pc.if_else(
        pa.array(right),
        pa.scalar(None, pa.string()),
        pc.if_else(lines.is_null(), NOT_UTF8, pc.if_else(pa.array(bad), OPEN_QUOTE, WRONG_FIELDS)),
    )
    return columns, raw, problem


def split_fields(line: str, delimiter: str) -> list[str]:
    """The fields of a record; a quote that is opened and not closed by the rules is text."""
    return _fields(line, delimiter, _field(delimiter))[0]


def _field(delimiter: str) -> re.Pattern[str]:
    """Of a field that is quoted by the rules, what is within; else all that there is."""
    comma = re.escape(delimiter)
    return re.compile(rf'(?:"([^"]*+(?:""[^"]*+)*+)"|([^{comma}]*+)){comma}')


def _fields(line: str, delimiter: str, field: re.Pattern[str]) -> tuple[list[str], bool]:
    """The fields, and whether a quote is opened and not closed."""
    if '"' not in line:
        return line.split(delimiter), False
    found = field.findall(line + delimiter)
    fields = [quoted.replace('""', '"') if quoted else plain for quoted, plain in found]
    return fields, line.count('"') % 2 == 1 and any(plain.startswith('"') for _, plain in found)


def _split(lines: pa.Array, delimiter: str) -> tuple[pa.Array, np.ndarray, np.ndarray]:
    """All fields, where each line's begin, and which lines have an open quote."""
    if not pc.any(pc.match_substring(lines, '"')).as_py():
        lists = pc.split_pattern(pc.fill_null(lines, ""), delimiter)
        offsets = lists.offsets.to_numpy().astype(np.int64)
        return lists.values, offsets, np.zeros(len(lines), dtype=bool)
    field = _field(delimiter)
    split = [_fields(line or "", delimiter, field) for line in lines.to_pylist()]
    offsets = np.concatenate([[0], np.cumsum([len(fields) for fields, _ in split])]).astype(np.int64)
    fields = pa.array([field for fields, _ in split for field in fields], pa.string())
    return fields, offsets, np.array([opened for _, opened in split], dtype=bool)


def _decoded(record: bytes) -> str | None:
    try:
        return record.decode()
    except UnicodeDecodeError:
        return None
