"""What a task reads of files, in this process: no Spark."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clicksmith.config import FilesTableConfig
from clicksmith.lakehouse import listing
from clicksmith.sources import scan
from clicksmith.sources.separated import Header


def table_of(path: Path | str, format: str, columns: dict[str, str], **more: Any) -> FilesTableConfig:
    return FilesTableConfig.model_validate({"path": str(path), "format": format, "columns": columns, **more})


def read_here(
    settings: FilesTableConfig, share: int = 1 << 30, header: tuple[Header, str] | None = None
) -> list[dict[str, Any]]:
    """Rows by the files' column names, with ``_raw`` and ``_problem``, or ``line``."""
    files = [file for file in listing.list_files(settings.path, "source.events.path") if file.size]
    units = scan.cut(files, share)
    tasks = pa.RecordBatch.from_pydict({"id": sorted(set(units["task"].to_pylist()))})
    table = scan.Scan(settings, "source.events", header)
    batches = list(scan._read_tasks(iter([tasks]), units, table))
    names = {f"_{number}": name for number, name in enumerate(settings.file_columns)}
    return [
        {names.get(key, key): value for key, value in row.items()}
        for batch in batches
        for row in batch.to_pylist()
    ]
