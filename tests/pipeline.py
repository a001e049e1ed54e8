"""Runs the real pipeline, here or in processes of its own, and compares lakes. Imported by tests only."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import ALL_TABLES, Table

ROOT = Path(__file__).resolve().parents[1]
CONF = ROOT / "conf" / "smoke.yaml"
_GENERATORS = (
    "{autoregressive: {preset: tabular_ar, num_steps: 6, batch_size: 100, max_rows: 2000,"
    " checkpoint_every: 3}, gan: {preset: ctgan, num_steps: 60, batch_size: 100, max_rows: 2000,"
    " checkpoint_every: 20}, walks: {preset: graph_walk, max_rows: 2000}}"
)
TINY = (
    "source.household_fraction=0.01",
    f"generators={_GENERATORS}",
    "ranker.num_steps=4",
    "sequential.num_steps=4",
    "ray.num_workers=1",
)
"""Smaller than a smoke run: what matters here is the rows, not what is learned. One worker, for time's sake:
two are in tests/training and tests/jobs/test_submit.py."""


def command(lake: Path, overrides: Sequence[str] = (), job: str = "run_pipeline") -> list[str]:
    """The command line of a job on a lake."""
    flags = [part for setting in _settings(lake, overrides) for part in ("--set", setting)]
    return [sys.executable, str(ROOT / "jobs" / f"{job}.py"), "--conf", str(CONF), *flags]


def _settings(lake: Path, overrides: Sequence[str]) -> list[str]:
    return [f"lake.root={lake}", *TINY, *overrides]


def run_here(lake: Path, overrides: Sequence[str] = ()) -> None:
    """Run the whole pipeline in this process, with the session and the cluster that it has."""
    import run_pipeline

    run_pipeline.run(config(lake, overrides))


def config(lake: Path, overrides: Sequence[str] = ()) -> Config:
    """What the pipeline is run with."""
    return load_config(str(CONF), _settings(lake, overrides))


def run(lake: Path, overrides: Sequence[str] = (), job: str = "run_pipeline") -> str:
    """Run to the end in a process of its own; returns the log. Fails the test with the log's end."""
    done = subprocess.run(
        command(lake, overrides, job),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stderr


def run_until(
    lake: Path, needle: str, delay: float = 0.0, overrides: Sequence[str] = (), job: str = "run_pipeline"
) -> str:
    """Run until a log line holds `needle`, then kill -9 everything that the run started.

    Returns:
        The log up to the kill. Fails the test if the run ends before.
    """
    process = subprocess.Popen(
        command(lake, overrides, job),
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    lines = []
    for line in process.stderr:
        lines.append(line)
        if needle in line:
            time.sleep(delay)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "".join(lines)
    raise AssertionError(f"the run ended before {needle!r} was logged:\n{''.join(lines)[-6000:]}")


def rows(lake: Path, table: Table) -> pa.Table:
    """A table's rows in a canonical order."""
    delta = Lake(str(lake)).open(table)
    if delta is None:
        return table.arrow_schema.empty_table()
    found = pa.Table.from_batches(delta.to_pyarrow_dataset().to_batches()) if _has_rows(delta) else None
    if found is None:
        return table.arrow_schema.empty_table()
    found = found.select(table.column_names)
    order = pc.sort_indices(pa.array([str(row) for row in found.to_pylist()]))
    return found.take(order)


def _has_rows(delta: DeltaTable) -> bool:
    return delta.to_pyarrow_dataset().count_rows() > 0


def versions(lake: Path) -> dict[str, int]:
    """Each table's newest version."""
    opened = {table.name: Lake(str(lake)).open(table) for table in ALL_TABLES}
    return {name: delta.version() for name, delta in opened.items() if delta is not None}


def differing_tables(one: Path, other: Path) -> list[str]:
    """Tables whose rows differ between two lakes."""
    return [
        table.name for table in ALL_TABLES if rows(one, table).to_pylist() != rows(other, table).to_pylist()
    ]


def model_weights(lake: Path) -> dict[str, str]:
    """A hash of the weights of each model that is complete."""
    models = (lake / "_models").glob("*/*/weights.safetensors")
    return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models}
