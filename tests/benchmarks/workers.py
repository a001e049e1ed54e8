"""Two Ray workers of one thread against one, at the same global batch: what data parallelism gains.

The training path is the real one (`run_workers`, `run_loop`, checkpoints); starting workers, the first
steps, and writing checkpoints are left out of the time.
"""

import itertools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import ray

from benchmarks.lines import print_line
from benchmarks.real_data import Dataset
from clicksmith.config import generator_config, load_config
from clicksmith.encoding.table import TableCodec
from clicksmith.generators.presets import build_recipe
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.training.engine.checkpoint import State
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, run_loop
from clicksmith.training.engine.workers import Training, Worker, run_workers

PRESETS = ("tabular_ar", "tabular_gan")
BATCHES = {500: 400, 4096: 200}
"""Global batch: steps. The larger is for tables of millions of rows, which more workers are meant for."""
CHECKPOINTS = 5


@dataclass(frozen=True)
class Task:
    """What a worker trains; travels to it.

    Attributes:
        preset: the model.
        batch_size: over all workers.
        data: its rows.
    """

    preset: str
    batch_size: int
    data: Dataset


def run(data: Dataset) -> None:
    """Print rows a second with one and with two workers, and their ratio."""
    for preset, batch_size in itertools.product(PRESETS, BATCHES):
        rates = [rows_per_s(Task(preset, batch_size, data), num_workers) for num_workers in (1, 2)]
        name = f"{preset}.batch_{batch_size}"
        for num_workers, rate in zip(("one_worker", "two_workers"), rates, strict=True):
            print_line("generators", f"{name}.{num_workers}_rows_per_s", rate, "rows/s")
        print_line("generators", f"{name}.two_workers_speedup", rates[1] / rates[0], "1")
    ray.shutdown()


def rows_per_s(task: Task, num_workers: int) -> float:
    """Steady rate of a training, of all workers together."""
    config = load_config(None, ["ray.num_cpus=2", f"ray.num_workers={num_workers}"]).ray
    with tempfile.TemporaryDirectory() as root:
        (state,) = run_workers([Training(work, task, task.preset, f"{root}/{task.preset}")], config)
    return float(state["rows_per_s"])


def work(worker: Worker, task: Task) -> None:
    """One worker: the loop as `clicksmith.training.generator` runs it."""
    data = task.data
    codec = TableCodec.fit(data.train, data.columns, data.max_bins)
    rows, held_out = codec.encode(data.train), codec.encode(data.test)
    num_steps = BATCHES[task.batch_size]
    settings = {"preset": task.preset, "num_steps": num_steps, "batch_size": task.batch_size}
    recipe = build_recipe(generator_config(settings), 0, codec, rows)
    recipe.prepare(worker.prepare)
    clock = _Clock(task.batch_size)

    def on_checkpoint(progress: Progress) -> None:
        clock.stop(progress.step)
        worker.save(_state(recipe.state_dict, clock.rows_per_s), num_steps, progress.history[-1])
        clock.start(progress.step)

    watched = Watched(held_out), Watched(rows.head(len(held_out)))
    plan = Plan(num_steps, num_steps // CHECKPOINTS, *watched, 0, EXAMPLES.signs)
    run_loop(recipe, plan, worker.shard, Progress(), on_checkpoint)


def _state(recipe: Callable[[], State], rows_per_s: float) -> Callable[[], State]:
    return lambda: {"recipe": recipe(), "rows_per_s": rows_per_s}


class _Clock:
    """Runs from the end of the first checkpoint on, and stands still in the others."""

    def __init__(self, batch_size: int) -> None:
        self._batch_size = batch_size
        self._seconds, self._steps = 0.0, 0
        self._since: tuple[float, int] | None = None

    def start(self, step: int) -> None:
        self._since = time.perf_counter(), step

    def stop(self, step: int) -> None:
        if self._since is not None:
            self._seconds += time.perf_counter() - self._since[0]
            self._steps += step - self._since[1]

    @property
    def rows_per_s(self) -> float:
        return self._steps * self._batch_size / self._seconds if self._steps else 0.0
