"""The data jobs in order, and their end at the n-th commit. Run as a process, it kills itself: -9.

Arguments: n, ``before`` or ``after``, and settings. With n = -1 it runs to the end. Before the commit means
that all data files may be written and the log is not: the moment between the two cannot be met from here, but
what Delta leaves then is what is left by a kill in the middle of the write.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from pyspark.sql import DataFrameWriter

import build_training_set
import clean_events
import ingest_events
from clicksmith.config import load_config


def run(number: int, moment: str, settings: Sequence[str], end: Callable[[], None]) -> int:
    """Run the jobs; `end` is called at the commit, and does not return. Returns how many there were."""
    config = load_config(None, settings)
    save = DataFrameWriter.save
    count = 0

    def save_or_end(writer: DataFrameWriter, path: str) -> None:
        nonlocal count
        mine = count == number
        count += 1
        if mine and moment == "before":
            _half_a_write(path)
            end()
        save(writer, path)
        if mine:
            end()

    DataFrameWriter.save = save_or_end  # type: ignore[assignment,method-assign]
    try:
        for job in (ingest_events, clean_events, build_training_set):
            job.run(config)
    finally:
        DataFrameWriter.save = save  # type: ignore[method-assign]
    return count


def _half_a_write(path: str) -> None:
    """A data file that no log entry names."""
    Path(path).mkdir(parents=True, exist_ok=True)
    (Path(path) / f"part-{os.getpid()}.snappy.parquet").write_bytes(b"PAR1half")


def main() -> None:
    num_commits = run(
        int(sys.argv[1]), sys.argv[2], sys.argv[3:], lambda: os.kill(os.getpid(), signal.SIGKILL)
    )
    sys.stderr.write(f"{num_commits} commits\n")


if __name__ == "__main__":
    main()
