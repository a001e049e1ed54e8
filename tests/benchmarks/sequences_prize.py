"""The public prize for sequential data: our sequences beside a public engine's, by the public judge.

Data: ../shared/data/prize_sequential, 20,000 groups to learn from and as many that nobody has seen. Both
generators learn from the same file in this run; the judge, in an environment of its own, compares each with
both.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as csv
import torch

from benchmarks.lines import print_line
from clicksmith.config import generator_config
from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation.samples.sample import columns_of
from clicksmith.generators.presets import build_recipe
from clicksmith.generators.recipe import Shard
from clicksmith.seeds import derive_seed

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT.parent / "shared" / "data" / "prize_sequential"
GROUP = "group_id"
BLOCK = 1024
UNITS = {"train_s": "s", "sample_s": "s"}


def read(name: str) -> Sequences:
    """The groups of a file, in its order."""
    with pa.CompressedInputStream(str(DATA / f"{name}.csv.gz"), "gzip") as file:
        return Sequences.of_rows(csv.read_csv(file), GROUP)


def ours(
    train: Sequences, steps: int, batch_size: int, seed: int, threads: int
) -> tuple[pa.Table, dict[str, float]]:
    """As many generated groups as there are, as the file has them, and seconds."""
    torch.set_num_threads(threads)
    started = time.perf_counter()
    options = Options(max_bins=128)
    codec = SequenceCodec.fit(train, [], columns_of(train.events.schema), options)
    config = generator_config({"preset": "sequence_ar", "num_steps": steps, "batch_size": batch_size})
    recipe = build_recipe(config, seed, codec, codec.encode(train))
    recipe.prepare(lambda module: module)
    for step in range(steps):
        found = recipe.step(step, Shard())
        if step % 50 == 0:
            told = " ".join(f"{name} {float(value):.3f}" for name, value in found.items())
            sys.stderr.write(f"step {step}: {told}, {time.perf_counter() - started:.0f} s\n")
    recipe.finish(Shard())
    trained = time.perf_counter()
    stream, tables = derive_seed(seed, "sample"), []
    for first in range(0, len(train), BLOCK):
        ids = np.arange(first, min(first + BLOCK, len(train)))
        made = codec.decode(recipe.sampler.sample(stream, ids), seed, ids)
        key = pa.table({GROUP: pa.array([f"g{number}" for number in ids])})
        tables.append(Sequences(key, made.events, made.offsets).to_rows())
    done = time.perf_counter()
    return pa.concat_tables(tables), {"train_s": trained - started, "sample_s": done - trained}


def judge(rows: pa.Table, python: Path, folder: Path, name: str) -> dict[str, float]:
    """The public judge's figures of generated rows."""
    path = folder / f"{name}.csv"
    csv.write_csv(rows, str(path))
    script = Path(__file__).with_name("peer_qa.py")
    done = subprocess.run(
        [python, script, path, DATA / "training.csv.gz", DATA / "holdout.csv.gz", GROUP],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"The judge failed:\n{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Print one JSON line a figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--judge", type=Path, required=True, help="python of the judge's environment")
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if not DATA.exists():
        raise SystemExit(f"{DATA} is not there: this benchmark needs the prize's files.")
    rows, seconds = ours(
        read("training"), arguments.steps, arguments.batch_size, arguments.seed, arguments.threads
    )
    for name, value in seconds.items():
        print_line("sequences", f"prize.{name}", value, UNITS[name])
    with tempfile.TemporaryDirectory() as folder:
        for name, value in judge(rows, arguments.judge, Path(folder), "ours").items():
            print_line("sequences", f"prize.{name}", value, "1")


if __name__ == "__main__":
    main()
