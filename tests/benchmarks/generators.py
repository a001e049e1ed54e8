"""Tabular generators on the adult data, side by side with a public one in the same run.

The peer runs in an environment of its own (`make bench-generators` makes it), in a process that reads
the same training rows and writes as many of its own. One 80/20 split; all figures are of 26,049 rows,
against the 6,512 that no generator saw.
"""

import argparse
import multiprocessing
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch

from benchmarks.lines import print_line
from clicksmith.config import GeneratorConfig
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.evaluation import fidelity
from clicksmith.evaluation.compare import compare_tables
from clicksmith.evaluation.sample import Coding, columns_of
from clicksmith.evaluation.utility import trained_auc
from clicksmith.generators.artefact import BLOCK_ROWS
from clicksmith.generators.presets import PRESETS, build_recipe
from clicksmith.generators.recipe import Shard

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "adult" / "adult.csv"
MAX_BINS = 256
SEED = 0
NUM_THREADS = 2
STEPS = {"independent": 1, "smote": 1, "dense_gan": 150}
"""Others train for the same number of steps; the dense one's are several times as long."""

FIGURES = {
    "fidelity.triples": "triples",
    "privacy.dcr_share": "dcr_share",
    "privacy.domias_auc": "mia_auc",
    "privacy.domias_tpr": "mia_tpr_at_1pct",
    "privacy.identical_share": "identical_share",
}
UNITS = {"train_s": "s", "sample_rows_per_s": "rows/s", "peak_mb": "MB", "heldout_gap_nats": "nats"}


@dataclass(frozen=True)
class Split:
    """One split of the data: the rows that generators see, and those that they do not."""

    train: pa.Table
    test: pa.Table

    @classmethod
    def of(cls, path: Path) -> "Split":
        rows = pyarrow.csv.read_csv(path)
        order = np.random.default_rng(SEED).permutation(rows.num_rows)
        border = round(0.8 * rows.num_rows)
        return cls(rows.take(order[:border]), rows.take(order[border:]))


def ours(preset: str, split: Split, num_steps: int) -> dict[str, float]:
    """All figures of a preset; in a process of its own, so that the peak of memory is its own."""
    torch.set_num_threads(NUM_THREADS)
    started = time.perf_counter()
    codec = TableCodec.fit(split.train, columns_of(split.train.schema), MAX_BINS)
    data = codec.encode(split.train)
    steps = STEPS.get(preset, num_steps)
    settings = GeneratorConfig.model_validate({"preset": preset, "num_steps": steps, "batch_size": 500})
    recipe = build_recipe(settings, SEED, codec, data)
    recipe.prepare(lambda module: module)
    for step in range(steps):
        recipe.step(step, Shard())
    figures = {"train_s": time.perf_counter() - started}
    started = time.perf_counter()
    num_blocks = -(-len(data) // BLOCK_ROWS)
    blocks = [
        recipe.sampler.sample(SEED + 1, np.arange(block * BLOCK_ROWS, (block + 1) * BLOCK_ROWS))
        for block in range(num_blocks)
    ]
    encoded = Encoded(
        *(np.concatenate([getattr(b, part) for b in blocks]) for part in ("codes", "positions"))
    )
    rows = codec.decode(encoded)
    figures["sample_rows_per_s"] = rows.num_rows / (time.perf_counter() - started)
    figures["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    held_out = codec.encode(split.test)
    nats = [recipe.held_out_loss(part) for part in (held_out, data)]
    if nats[0] is not None and nats[1] is not None:
        figures["heldout_nats"] = float(nats[0]) / len(held_out)
        figures["heldout_gap_nats"] = figures["heldout_nats"] - float(nats[1]) / len(data)
    return {**figures, **judge(split, rows.slice(0, split.train.num_rows))}


def judge(split: Split, rows: pa.Table) -> dict[str, float]:
    """Figures of generated rows: fidelity and utility against the test rows, privacy against both sides."""
    coding = Coding.fit(split.train, columns_of(split.train.schema))
    sample, test = coding.encode(rows), coding.encode(split.test)
    shapes = fidelity.column_shapes(test, sample)
    pairs = fidelity.column_pairs(coding, test, sample)
    found = {
        metric.metric: metric.value
        for metric in compare_tables(split.train, split.test, rows, labels=["income"], seed=SEED)
        if metric.slice == "all"
    }
    return {
        "quality": (mean(shapes.values()) + mean(pairs.values())) / 2,
        "c2st_auc": fidelity.c2st_auc(test, sample.head(test.num_rows), SEED),
        "tstr_auc": trained_auc(coding, sample, test, "income", (), SEED),
        **{name: found[metric] for metric, name in FIGURES.items()},
    }


PEER = """
import sys, time
from pathlib import Path
import pandas as pd
from mostlyai import engine
folder, num_rows = Path(sys.argv[1]), int(sys.argv[2])
rows = pd.read_parquet(folder / "train.parquet")
started = time.perf_counter()
engine.split(workspace_dir=folder / "ws", tgt_data=rows, model_type="TABULAR")
engine.analyze(workspace_dir=folder / "ws")
engine.encode(workspace_dir=folder / "ws")
engine.train(workspace_dir=folder / "ws", device="cpu")
trained = time.perf_counter()
engine.generate(workspace_dir=folder / "ws", sample_size=num_rows)
ended = time.perf_counter()
pd.read_parquet(folder / "ws" / "SyntheticData").to_parquet(folder / "rows.parquet")
print("seconds", trained - started, ended - trained)
"""


def peer(python: str, split: Split) -> dict[str, float]:
    """The peer's figures on the same rows, in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        pq.write_table(split.train, Path(folder, "train.parquet"))
        command = [python, "-c", PEER, folder, str(split.train.num_rows)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        _, train_s, sample_s = done.stdout.strip().splitlines()[-1].split()
        rows = pq.read_table(Path(folder, "rows.parquet")).select(split.train.column_names)
    rows = pa.table({f.name: rows[f.name].cast(f.type) for f in split.train.schema})
    return {
        "train_s": float(train_s),
        "sample_rows_per_s": split.train.num_rows / float(sample_s),
        **judge(split, rows),
    }


def main() -> None:
    """Print the ceiling, the peer where there is one, and every preset."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument(
        "--peer-python", help="interpreter of the peer's environment; without it no peer runs"
    )
    parser.add_argument("--presets", nargs="*", default=list(PRESETS))
    parser.add_argument("--steps", type=int, default=500)
    arguments = parser.parse_args()
    if not arguments.data.is_file():
        sys.exit(f"The adult data is not at {arguments.data}; pass --data FILE.")
    split = Split.of(arguments.data)
    for figure, value in judge(split, split.train).items():
        print_line("generators", f"training_rows.{figure}", value, UNITS.get(figure, "1"))
    theirs = peer(arguments.peer_python, split) if arguments.peer_python else {}
    name = "mostlyai-engine" if theirs else None
    spawn = multiprocessing.get_context("spawn")
    for preset in arguments.presets:
        with spawn.Pool(1) as pool:
            figures = pool.apply(ours, (preset, split, arguments.steps))
        for figure, value in figures.items():
            metric = f"{preset}.{figure}"
            print_line("generators", metric, value, UNITS.get(figure, "1"), name, theirs.get(figure))


if __name__ == "__main__":
    main()
