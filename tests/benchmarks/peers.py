"""Public generators on the same rows, each in a process of the peers' own environment."""

import json
import subprocess
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.quality import judge
from benchmarks.real_data import Dataset

PEERS = {"mostlyai": "mostlyai-engine", "ctgan": "ctgan"}
"""A short name for metrics, and the package's."""

SCRIPT = Path(__file__).with_name("fit_peer.py")


def peer(name: str, python: str, data: Dataset, epochs: int = 0) -> dict[str, float]:
    """All figures of a peer.

    Args:
        name: a key of `PEERS`.
        python: interpreter of the peers' environment.
        data: what to learn.
        epochs: 0 leaves them to the peer.
    """
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(data.train, Path(folder, "train.parquet"))
        command = [python, str(SCRIPT), name, folder, str(data.train.num_rows), str(epochs)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        rows = pq.read_table(Path(folder, "rows.parquet")).select(data.train.column_names)
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    rows = pa.table({field.name: rows[field.name].cast(field.type) for field in data.train.schema})
    return {**figures, **judge(data, rows)}
