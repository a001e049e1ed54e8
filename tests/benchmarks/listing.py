"""Many small source files: found, matched with a batch's names, cut into tasks and hashed, in JSON lines.

The peers find the same files and do nothing with them: DuckDB's glob, and the discovery of Arrow's datasets.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.dataset as ds

from benchmarks.lines import peak_mb, print_line
from clicksmith.config import FilesConfig
from clicksmith.lakehouse import listing
from clicksmith.sources import files, scan

LINE = '{"id": "e%d", "type": "click", "ts": "2024-03-01T00:00:00Z", "user": "u", "item": "i"}\n'
FILES_OF_A_FOLDER = 1_000


def main() -> None:
    """Write the files, or find them in `--folder` from an earlier run, and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where the files are kept for another run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        write(folder, arguments.files)
        measure(folder, arguments.files)


def write(folder: Path, num_files: int) -> None:
    """One event a file, as a tracker that flushes often leaves them."""
    for number in range(num_files):
        day = folder / f"day={number // FILES_OF_A_FOLDER:04d}"
        if number % FILES_OF_A_FOLDER == 0:
            day.mkdir(parents=True, exist_ok=True)
        path = day / f"part-{number:06d}.jsonl"
        if not path.exists():
            path.write_text(LINE % number)


def measure(folder: Path, num_files: int) -> None:
    """Print the figures; each counts what it found."""
    glob = str(folder / "**" / "*.jsonl")
    connection = duckdb.connect()

    def by_duckdb() -> int:
        return int(connection.execute("SELECT count(*) FROM glob(?)", [glob]).fetchall()[0][0])

    def by_arrow() -> int:
        return len(ds.dataset(folder, format="json").files)

    found, seconds = timed(lambda: listing.list_files(str(folder), "source.events.path"))
    assert len(found) == num_files
    for peer, find in (("duckdb", by_duckdb), ("pyarrow.dataset", by_arrow)):
        count, peers = timed(find)
        assert count == num_files, (peer, count)
        print_line("listing", "list.seconds", seconds, "s", peer, peers)
    columns = {"event_id": "id", "event_type": "type", "event_ts": "ts", "user_id": "user", "item_id": "item"}
    table = {"path": str(folder), "format": "jsonl", "columns": columns}
    settings = FilesConfig.model_validate({"events": table})
    names = tuple(file.name for file in found)
    matched, seconds = timed(lambda: files._named(found, names, "source.events"))
    assert len(matched) == num_files
    print_line("listing", "match.seconds", seconds, "s")
    units, seconds = timed(lambda: scan.cut(found, sum(file.size for file in found) // 2))
    assert units.num_rows == num_files
    print_line("listing", "cut.seconds", seconds, "s")
    _, seconds = timed(lambda: files.fingerprint(settings))
    print_line("listing", "fingerprint.seconds", seconds, "s")
    print_line("listing", "peak", peak_mb(), "MB")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it gives, and the seconds that it took."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


if __name__ == "__main__":
    main()
