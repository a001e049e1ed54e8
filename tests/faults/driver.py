"""Run as a process: the data jobs in order, and kill -9 of this process at the n-th commit.

Arguments: n, ``before`` or ``after``, and settings. With n = -1 it runs to the end. Before the commit means
that all data files may be written and the log is not: the moment between the two cannot be met from here, but
what Delta leaves then is what is left by a kill in the middle of the write.
"""

import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "jobs"))

from pyspark.sql import DataFrameWriter

import build_training_set
import clean_events
import ingest_events
from clicksmith.config import load_config


def main() -> None:
    number, moment, settings = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    config = load_config(None, settings)
    save = DataFrameWriter.save
    count = 0

    def save_and_die(writer: DataFrameWriter, path: str) -> None:
        nonlocal count
        mine = count == number
        count += 1
        if mine and moment == "before":
            _half_a_write(path)
            os.kill(os.getpid(), signal.SIGKILL)
        save(writer, path)
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)

    DataFrameWriter.save = save_and_die  # type: ignore[assignment,method-assign]
    for job in (ingest_events, clean_events, build_training_set):
        job.run(config)
    sys.stderr.write(f"{count} commits\n")


def _half_a_write(path: str) -> None:
    """A data file that no log entry names."""
    Path(path).mkdir(parents=True, exist_ok=True)
    (Path(path) / f"part-{os.getpid()}.snappy.parquet").write_bytes(b"PAR1half")


if __name__ == "__main__":
    main()
