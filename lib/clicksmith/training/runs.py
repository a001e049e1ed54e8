"""Runs of supervised models: data-parallel steps, checkpoints, resume, the finished folders."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from safetensors.torch import save
from torch import nn

from clicksmith.config import RayConfig
from clicksmith.errors import TrainingError
from clicksmith.generators.recipe import Shard
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.ranks import alone, num_ranks, sum_over_ranks
from clicksmith.recommenders.artefact import CARD, CODEC, WEIGHTS, recommender_folder
from clicksmith.training.card import Subject, make_card
from clicksmith.training.engine.checkpoint import State, damaged
from clicksmith.training.engine.sharding import (
    load_optimizer,
    load_weights,
    optimizer_state,
    shard_tables,
    whole_tables,
)
from clicksmith.training.engine.supervised import Batch, Schedule, make_optimizer, run_steps
from clicksmith.training.engine.workers import Training, Worker, run_workers

logger = logging.getLogger(__name__)

LOSSES = 50
"""Points of the loss curve."""


_PROGRESS = ("step", "seconds", "history", "metrics", "best", "is_finished")


class Task(Protocol):
    """A model with its data, in a worker's memory.

    Attributes:
        network: what is kept.
        objective: a module that holds the network and maps a batch to a loss.
        schedule: how to train.
        num_rows: rows that it trains on.
        codec: JSON value of how to code its inputs.
        selection: the figure of `validate` whose highest value marks the weights to keep; None: the last.
        sharded: names of the network's tables whose rows are spread over the workers; see `sharding`.
    """

    @property
    def network(self) -> nn.Module: ...  # noqa: D102

    @property
    def objective(self) -> nn.Module: ...  # noqa: D102

    @property
    def schedule(self) -> Schedule: ...  # noqa: D102

    @property
    def num_rows(self) -> int: ...  # noqa: D102

    @property
    def codec(self) -> Any: ...  # noqa: D102

    @property
    def selection(self) -> str | None: ...  # noqa: D102

    @property
    def sharded(self) -> Sequence[str]: ...  # noqa: D102

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        """A worker's part of a step's batch, a function of the arguments alone."""

    def validate(self) -> dict[str, float]:
        """Figures on validation rows, for the curve; called on rank 0."""

    def test(self) -> dict[str, float]:
        """Figures on test rows, for the card; called on rank 0 once training has ended."""


@dataclass(frozen=True)
class Run:
    """What to train.

    Attributes:
        name: of the model in the configuration.
        preset: of the network.
        lineage: of the run.
        training: the table trained on.
        build: makes the task in each worker; it and what it holds travel to the workers.
        follows: why it is trained on these rows, for the card: no part of what names the run, since rows that
            are the same make the same model, whoever asked for them.
    """

    name: str
    preset: str
    lineage: Lineage
    training: Snapshot
    build: Callable[[], Task]
    follows: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The model's folder: name and fingerprint."""
        return f"{self.name}-{self.lineage.run_id}"


def train_all(runs: Sequence[Run], config: RayConfig, root: str) -> list[str]:
    """Train models on one group of workers, but those whose folder is complete.

    Args:
        runs: what to train.
        config: workers and cluster.
        root: see `lakehouse.catalog.models_root`.

    Returns:
        The models' folders: weights.safetensors, codec.json, and card.json, which is written last.

    Raises:
        ClicksmithError: as raised in a worker. Models trained before the one that failed are complete.
        TrainingError: a worker failed otherwise.
    """
    folders = [recommender_folder(root, run.name, run.lineage) for run in runs]
    missing = []
    for run, folder in zip(runs, folders, strict=True):
        if storage.exists(storage.join(folder, CARD)):
            logger.info("%s is already trained, in %s", run.key, folder)
            _follow(run, folder)
        else:
            run_folder = storage.join(root, "runs", f"train_recommender-{run.key}")
            missing.append((run, folder, _training(run.build, run.name, run_folder, config)))
    states = run_workers([training for _, _, training in missing], config, config.use_gpu)
    for (run, folder, _), state in zip(missing, states, strict=True):
        _publish(run, folder, state)
    return folders


def train(build: Callable[[], Task], name: str, folder: str, config: RayConfig) -> State:
    """Train a task to its end, or go on where an earlier run in the folder was cut off.

    Returns:
        The finished model's "network", "codec", "metrics", "history" and "seconds"; see `run_workers`.
    """
    (state,) = run_workers([_training(build, name, folder, config)], config, config.use_gpu)
    return state


def _training(build: Callable[[], Task], name: str, folder: str, config: RayConfig) -> Training:
    return Training(_work, (build, config.mixed_precision), name, folder)


def _publish(run: Run, folder: str, state: State) -> None:
    """Write a finished model's folder."""
    subject = Subject("recommender", run.name, run.preset, run.lineage, run.training)
    card = make_card(
        subject, state["num_rows"], state["starts"], state["seconds"], state["history"], state["metrics"]
    )
    storage.write_bytes(storage.join(folder, WEIGHTS), save(state["network"]))
    storage.write_json(storage.join(folder, CODEC), state["codec"])
    storage.write_json(storage.join(folder, CARD), {**card, "follows": dict(run.follows)})
    logger.info("%s: trained and saved in %s", run.key, folder)


def _follow(run: Run, folder: str) -> None:
    """Let a finished model's card name what is followed now: a newer verdict may say the same."""
    place = storage.join(folder, CARD)
    card = storage.read_json(place)
    if card.get("follows") != run.follows:
        storage.write_json(place, {**card, "follows": dict(run.follows)})


def fit_here(task: Task) -> None:
    """Train a task in this process to its best weights, without a trace: for the many of a measurement.

    On one thread, so that it repeats exactly, and without other ranks, even within a run of several.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with alone():
            _fit(_Silent(), task, "never", dict)
    finally:
        torch.set_num_threads(threads)


class _Silent:
    """The only worker of a training that nobody follows."""

    shard = Shard()
    device = torch.device("cpu")

    def prepare(self, module: nn.Module) -> nn.Module:
        return module

    def restore(self) -> None:
        return None

    def say(self, what: str) -> None:
        pass

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        pass


def _work(worker: Worker, argument: tuple[Callable[[], Task], str]) -> None:
    """What one worker of a run does."""
    build, precision = argument
    worker.say("reading its rows")
    task = build()
    _fit(worker, task, precision, task.test)


def _fit(worker: Worker, task: Task, precision: str, test: Callable[[], dict[str, float]]) -> None:
    """The loop of one worker; `test` gives the figures of the finished model."""
    shard = worker.shard
    if task.schedule.batch_size < shard.world_size:
        raise TrainingError(
            f"A batch of {task.schedule.batch_size} rows cannot be shared by {shard.world_size} workers.",
            "Raise the model's batch_size, or lower ray.num_workers.",
        )
    shard_tables(task.objective, task.network, task.sharded)
    objective = worker.prepare(task.objective)
    optimizer = make_optimizer(objective, task.schedule)
    state = _restore(task, optimizer, worker.restore())
    if state["is_finished"]:
        return
    schedule, started = task.schedule, time.monotonic() - state["seconds"]
    num_steps = schedule.num_steps
    worker.say(f"training on {task.num_rows:,} rows, {num_steps:,} steps")
    every, log_every = max(1, num_steps // schedule.num_validations), max(1, num_steps // LOSSES)

    def batch_of(step: int) -> Batch:
        return tuple(part.to(worker.device) for part in task.batch(step, shard.rank, shard.world_size))

    is_mixed = precision == "always" or (precision == "gpu" and worker.device.type == "cuda")
    mixed = torch.autocast(worker.device.type, torch.bfloat16, enabled=is_mixed)
    steps = run_steps(objective, optimizer, schedule, batch_of, state["step"], shard.rank, mixed)
    for step, loss in steps:
        last = step == num_steps
        save = last or (step % every == 0 and step + every <= num_steps)
        if step % log_every == 0 or save:
            state["history"].append({"step": step, "loss": float(sum_over_ranks(loss)) / num_ranks()})
        if not save:
            continue
        moments = optimizer_state(optimizer, objective)
        with whole_tables(task.network):
            if shard.rank == 0:
                state["history"][-1].update(task.validate())
                state["best"] = _best(task, state)
            # The first worker alone knows the figures; all of them have to stop at the same step.
            gave_up = sum_over_ranks(loss.new_tensor(shard.rank == 0 and _gave_up(task, state))) > 0
            state["is_finished"] = last or bool(gave_up)
            if state["is_finished"] and shard.rank == 0:
                if state["best"] is not None:
                    task.network.load_state_dict(state["best"]["network"])
                worker.say("measuring it and its baselines on test rows")
                state["metrics"] = test()
            state.update(step=step, seconds=time.monotonic() - started)
            figures = state["history"][-1]
            worker.save(lambda: _dump(task, moments, state), num_steps, figures)  # noqa: B023  # called here
        objective.train()
        if state["is_finished"]:
            return


def _best(task: Task, state: State) -> State | None:
    """The weights of the highest figure so far, where the task has one that counts."""
    best: State | None = state["best"]
    figures = state["history"][-1]
    if task.selection is None or task.selection not in figures:
        return best
    figure = figures[task.selection]
    if best is not None and figure <= best["figure"]:
        return best
    return {"figure": figure, "step": figures["step"], "network": _weights(task)}


def _gave_up(task: Task, state: State) -> bool:
    """Whether the newest validations have all been worse than the best one."""
    patience, best = task.schedule.patience, state["best"]
    if patience is None or best is None:
        return False
    since = [row for row in state["history"] if task.selection in row and row["step"] > best["step"]]
    return len(since) >= patience


def _weights(task: Task) -> State:
    return {name: tensor.cpu().clone().contiguous() for name, tensor in task.network.state_dict().items()}


def _dump(task: Task, moments: State, state: State) -> State:
    """A checkpoint: the model, its optimizer, how it went, and what its card will say."""
    return {
        **state,
        "network": _weights(task),
        "optimizer": moments,
        "codec": task.codec,
        "num_rows": task.num_rows,
    }


def _restore(task: Task, optimizer: torch.optim.Optimizer, saved: State | None) -> State:
    """Load a checkpoint into network and optimizer; returns how it went so far."""
    if saved is None:
        return {"step": 0, "seconds": 0.0, "history": [], "metrics": {}, "best": None, "is_finished": False}
    try:
        load_weights(task.network, saved["network"])
        load_optimizer(optimizer, task.objective, saved["optimizer"])
        return {name: saved[name] for name in _PROGRESS}
    except Exception as error:  # torch raises many kinds for weights that do not fit
        raise damaged(error) from error
