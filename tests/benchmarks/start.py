"""What a job on a thousand rows waits for: cold, where all is done, and a training of 20 steps under Ray.

Each figure is of a process of its own, from its start to its end; the least of a few, since all else that
runs adds to it. Beside each stands what its engine alone takes for the same: a bare session that writes the
same rows, a bare trainer of as many steps.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.lines import print_line
from clicksmith.lakehouse.catalog import Lake
from faults import clicks
from training.toy_lake import toy_examples, write_examples

ROOT = Path(__file__).resolve().parents[2]
NUM_EVENTS, NUM_ROWS, NUM_STEPS = 1_000, 4_400, 20
OPTIONS = f"num_steps: {NUM_STEPS}, batch_size: 200, max_rows: {NUM_ROWS}"
GENERATORS = f"generators={{one: {{preset: tabular_ar, {OPTIONS}}}, two: {{preset: ctgan, {OPTIONS}}}}}"


def seconds_of(*command: str) -> float:
    """Of a Python process, which must succeed."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr[-3000:]}")
    return time.monotonic() - started


def job(name: str, settings: Sequence[str]) -> list[str]:
    """The command line of a job."""
    return [str(ROOT / "jobs" / f"{name}.py"), *(f"--set={setting}" for setting in settings)]


def bench_spark(folder: Path, repeats: int) -> None:
    """`ingest_events` and what it consists of."""
    clicks.write_clicks(folder / "in", NUM_EVENTS)
    cold, again, bare, parts = [], [], [], []
    for number in range(repeats):
        settings = clicks.settings(folder / f"lake{number}", folder / "in", "spark.master=local[2]")
        cold.append(seconds_of(*job("ingest_events", settings)))
        again.append(seconds_of(*job("ingest_events", settings)))
        bare.append(
            seconds_of(__file__, "--run", "bare_spark", str(folder / "in"), str(folder / f"bare{number}"))
        )
        out = folder / f"parts{number}.json"
        seconds_of(
            __file__, "--run", "parts", str(out), *clicks.settings(folder / f"parts{number}", folder / "in")
        )
        parts.append(json.loads(out.read_text()))
    peer = "a bare pyspark session that reads the lines and writes one Delta table"
    print_line("start", "ingest.cold_s", min(cold), "s", peer, min(bare))
    print_line("start", "ingest.again_s", min(again), "s", peer, min(bare))
    least = min(parts, key=lambda found: sum(found.values()))
    for name, seconds in least.items():
        print_line("start", f"ingest.share_of_{name}", seconds / sum(least.values()), "1")


def bench_ray(folder: Path, repeats: int) -> None:
    """`train_generator` of two generators on Ray's workers."""
    lake = folder / "lake"
    write_examples(Lake(str(lake)), toy_examples(NUM_ROWS))
    trained, again, bare = [], [], []
    for number in range(repeats):
        settings = [f"lake.root={lake}", f"ray.storage_path={folder / f'models{number}'}", GENERATORS]
        trained.append(seconds_of(*job("train_generator", settings)))
        again.append(seconds_of(*job("train_generator", settings)))
        bare.append(seconds_of(__file__, "--run", "bare_ray", str(folder / f"ray{number}")))
    peer = f"a bare TorchTrainer of two workers and {NUM_STEPS} steps of one layer"
    print_line("start", "train_two_generators.seconds", min(trained), "s", peer, min(bare))
    print_line("start", "train_two_generators.again_s", min(again), "s", peer, min(bare))


def bare_spark(source: str, table: str) -> None:
    """What Spark and Delta alone take for the same rows."""
    from clicksmith.config import load_config
    from clicksmith.lakehouse.session import open_session

    session = open_session(load_config(None, ["spark.master=local[2]", "spark.driver_memory=1g"]))
    session.read.json(source).write.format("delta").save(table)


def parts(out: str, *settings: str) -> None:
    """Seconds of `ingest_events` by what they are spent on."""
    started = time.monotonic()
    sys.path.insert(0, str(ROOT / "jobs"))
    from pyspark.sql import DataFrameWriter

    import ingest_events
    from clicksmith.config import load_config
    from clicksmith.lakehouse.session import open_session

    config = load_config(None, [*settings, "spark.master=local[2]"])
    imported = time.monotonic()
    open_session(config)
    opened = time.monotonic()
    save, writing = DataFrameWriter.save, 0.0

    def timed(writer: DataFrameWriter, path: str) -> None:
        nonlocal writing
        since = time.monotonic()
        save(writer, path)
        writing += time.monotonic() - since

    DataFrameWriter.save = timed  # type: ignore[assignment,method-assign]
    ingest_events.run(config)
    rest = time.monotonic() - opened - writing
    seconds = {
        "python_imports": imported - started,
        "jvm_and_session": opened - imported,
        "delta_writes": writing,
        "spark_and_the_rest": rest,
    }
    Path(out).write_text(json.dumps(seconds))


def bare_ray(folder: str) -> None:
    """What Ray Train alone takes for as many steps."""
    import ray.train
    from ray.train.torch import TorchTrainer

    from clicksmith.config import load_config
    from clicksmith.training.engine.cluster import connect

    connect(load_config(None, []).ray)
    scaling = ray.train.ScalingConfig(num_workers=2)
    run = ray.train.RunConfig(name="bare", storage_path=folder)
    TorchTrainer(_steps, scaling_config=scaling, run_config=run).fit()


def _steps() -> None:
    import torch
    from ray.train.torch import prepare_model

    network = prepare_model(torch.nn.Linear(8, 1))
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        network(torch.randn(200, 8)).square().mean().backward()
        optimizer.step()


def main() -> None:
    """All figures, or in a process of its own one of what they are of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--parts", nargs="+", default=["spark", "ray"], choices=["spark", "ray"])
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        {"bare_spark": bare_spark, "parts": parts, "bare_ray": bare_ray}[given.run[0]](*given.run[1:])
        return
    for name in given.parts:
        with tempfile.TemporaryDirectory() as folder:
            {"spark": bench_spark, "ray": bench_ray}[name](Path(folder), given.repeats)


if __name__ == "__main__":
    main()
