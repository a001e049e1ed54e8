"""One Parquet file as text columns, by its own schema. Needs no Spark."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from clicksmith.config import FilesTableConfig
from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources.mapping import check_columns, lacking_columns
from clicksmith.sources.texts import is_time, to_json, to_text

_ROWS = 10_000


def check_schema(
    filesystem: fs.FileSystem,
    path: str,
    settings: FilesTableConfig,
    purpose: str,
    folders: Mapping[str, str | None],
) -> None:
    """Refuse a file that lacks a mapped column, or has it in a type that has no text.

    Args:
        filesystem: where it lies.
        path: of the file there.
        settings: its mapping.
        purpose: the setting that named it, for errors.
        folders: columns that its folders' names hold.

    Raises:
        SourceError: it is no Parquet file, or does not fit the mapping.
        ConfigError: a time is mapped as a number.
    """
    with _open(filesystem, path, purpose) as file:
        _check(file.schema_arrow, path, settings, purpose, folders)


def read_parquet(
    filesystem: fs.FileSystem,
    path: str,
    start: int,
    end: int | None,
    settings: FilesTableConfig,
    purpose: str,
    folders: Mapping[str, str | None],
) -> Iterator[tuple[list[pa.Array], pa.Array, pa.Array]]:
    """The rows of the row groups whose middle lies in [start, end).

    Yields:
        The columns of `settings.file_columns` as text, the row's JSON where something is wrong with it,
        and what is.

    Raises:
        SourceError: as `check_schema`, or its content is damaged.
        ConfigError: as `check_schema`.
    """
    names = settings.file_columns
    keys = settings.key_columns
    with _open(filesystem, path, purpose) as file:
        schema = file.schema_arrow
        _check(schema, path, settings, purpose, folders)
        groups = [number for number in range(file.num_row_groups) if start <= _middle(file, number)]
        groups = [number for number in groups if end is None or _middle(file, number) < end]
        present = [name for name in names if name in schema.names]
        for batch in file.iter_batches(_ROWS, groups, columns=present):
            columns: list[pa.Array] = []
            problems: dict[int, str] = {}
            for name in names:
                if name not in present:
                    columns.append(_constant(folders.get(name), batch.num_rows))
                    continue
                text, wrong = to_text(batch.column(name), name in keys)
                columns.append(text)
                for row, what in wrong.items():
                    problems.setdefault(row, f"{name}: {what}")
            yield columns, *_noted(batch, names, columns, problems)


def _constant(value: str | None, num_rows: int) -> pa.Array:
    return pa.array([value] * num_rows, pa.string())


def _noted(
    batch: pa.RecordBatch, names: list[str], columns: list[pa.Array], problems: Mapping[int, str]
) -> tuple[pa.Array, pa.Array]:
    if not problems:
        return pa.nulls(batch.num_rows, pa.string()), pa.nulls(batch.num_rows, pa.string())
    raw: list[str | None] = [None] * batch.num_rows
    for row in problems:
        raw[row] = to_json(
            {name: _value(batch, name, column, row) for name, column in zip(names, columns, strict=True)}
        )
    return pa.array(raw, pa.string()), pa.array(
        [problems.get(row) for row in range(batch.num_rows)], pa.string()
    )


def _value(batch: pa.RecordBatch, name: str, text: pa.Array, row: int) -> Any:
    """A value for the row's JSON: what has no text as it was."""
    found = text[row].as_py()
    if found is not None or name not in batch.schema.names:
        return found
    value = batch.column(name)[row]
    try:
        return value.as_py()
    except UnicodeDecodeError:
        content = value.cast(pa.large_binary()).as_py() if not pa.types.is_nested(value.type) else b"\xff"
        return content.decode("utf-8", "surrogateescape")


def _middle(file: pq.ParquetFile, number: int) -> int:
    group = file.metadata.row_group(number)
    if not group.num_columns:
        return 0
    first = group.column(0)
    offset = first.dictionary_page_offset or first.data_page_offset
    size = sum(group.column(column).total_compressed_size for column in range(group.num_columns))
    return int(offset + size // 2)


@contextmanager
def _open(filesystem: fs.FileSystem, path: str, purpose: str) -> Iterator[pq.ParquetFile]:
    try:
        with filesystem.open_input_file(path) as source:
            file = pq.ParquetFile(source, coerce_int96_timestamp_unit="us")
            yield file
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{purpose}.path: {path} is no readable Parquet file: {str(error).splitlines()[0]}",
            f"Copy it anew, remove it, or correct {purpose}.format.",
        ) from None


def _check(
    schema: pa.Schema,
    path: str,
    settings: FilesTableConfig,
    purpose: str,
    folders: Mapping[str, str | None],
) -> None:
    found = [*schema.names, *folders]
    names = [name for name in settings.file_columns if name not in lacking_columns(settings, found)]
    check_columns(names, found, purpose, path)
    for name in names:
        if name not in schema.names:
            continue
        if schema.names.count(name) > 1:
            raise SourceError(
                f"{purpose}.columns: {path} has {schema.names.count(name)} columns named {name!r}.",
                "Rename all but one of them.",
            )
        type_ = schema.field(name).type
        try:
            to_text(pa.nulls(0, type_), False)
        except (TypeError, pa.ArrowException):
            raise SourceError(
                f"{purpose}.columns: the column {name!r} of {path} has the type {type_}, which has no text.",
                "Write it as a number, text or timestamp, or take it out of the mapping.",
            ) from None
        if name == settings.columns.get("event_ts") and settings.timestamp_unit != "iso" and is_time(type_):
            raise ConfigError(
                f"{purpose}.timestamp_unit is {settings.timestamp_unit!r}, but {name!r} holds timestamps "
                f"({type_}) in {path}.",
                f"Set {purpose}.timestamp_unit to iso.",
            )
