"""One Ray Train run of a supervised model: data-parallel steps, checkpoints, resume, the finished folder.

A run's name derives from its lineage. A killed run started again goes on from its newest
checkpoint; a finished one trains nothing.
"""

import json
import logging
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ray.train
import torch
import torch.distributed
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device, prepare_model
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from clicksmith.config import RayConfig
from clicksmith.errors import ClicksmithError, TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.training.cluster import connect
from clicksmith.training.supervised import Batch, Schedule, make_optimizer, run_steps

logger = logging.getLogger(__name__)

CHECKPOINTS = 4
"""Checkpoints of a run, evenly spaced; the last one is the finished model."""

LOSSES = 50
"""Points of the loss curve."""

WEIGHTS, OPTIMIZER, STATE, CODEC, CARD = (
    "weights.safetensors", "optimizer.safetensors", "state.json", "codec.json", "card.json",
)  # fmt: skip


class Task(Protocol):
    """A model with its data, in a worker's memory.

    Attributes:
        network: what is kept.
        objective: a module that holds the network and maps a batch to a loss.
        schedule: how to train.
        num_rows: rows that it trains on.
        codec: JSON value of how to code its inputs.
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
    """

    name: str
    preset: str
    lineage: Lineage
    training: Snapshot
    build: Callable[[], Task]

    @property
    def key(self) -> str:
        """The model's folder: name and fingerprint."""
        return f"{self.name}-{self.lineage.run_id}"


def train_once(run: Run, config: RayConfig, root: str) -> str:
    """Train a model unless its folder is complete.

    Args:
        run: what to train.
        config: workers and cluster.
        root: see `lakehouse.catalog.models_root`.

    Returns:
        The model's folder: weights.safetensors, codec.json, and card.json, which is written last.

    Raises:
        ClicksmithError: as raised in a worker.
        TrainingError: a worker failed otherwise.
    """
    folder = storage.join(root, "recommenders", run.key)
    if storage.exists(storage.join(folder, CARD)):
        logger.info("%s is already trained", run.key)
        return folder
    if config.num_workers > 0:
        connect(config)
    trainer = TorchTrainer(
        _work,
        train_loop_config={"run": run, "num_workers": max(1, config.num_workers)},
        scaling_config=ScalingConfig(num_workers=config.num_workers, use_gpu=config.use_gpu),
        run_config=RunConfig(
            name=f"train_recommender-{run.key}",
            storage_path=storage.join(root, "runs").replace("s3a://", "s3://", 1),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
            failure_config=FailureConfig(max_failures=2),
        ),
    )
    try:
        result = trainer.fit()
    except ray.train.TrainingFailedError as error:
        raise _explain(error, run) from error
    if result.checkpoint is None:
        raise TrainingError(f"{run.key} has ended without a checkpoint.", f"Delete its run in {root}/runs.")
    with result.checkpoint.as_directory() as source:
        for name in (WEIGHTS, CODEC, CARD):
            storage.write_bytes(storage.join(folder, name), Path(source, name).read_bytes())
    logger.info("%s: trained and saved", run.key)
    return folder


def _explain(error: ray.train.TrainingFailedError, run: Run) -> ClicksmithError:
    failures: Mapping[int, BaseException] = getattr(error, "worker_failures", {})
    for failure in failures.values():
        if isinstance(failure, ClicksmithError):
            return failure
    return TrainingError(
        f"Training {run.key} failed: {error}.",
        "Run the job again: it goes on from its newest checkpoint.",
    )


def _work(config: dict[str, Any]) -> None:
    """The loop of one worker."""
    run: Run = config["run"]
    context = ray.train.get_context()
    rank, world_size = context.get_world_rank(), context.get_world_size()
    task = run.build()
    device = get_device()
    objective = prepare_model(task.objective, parallel_strategy_kwargs={"broadcast_buffers": False})
    optimizer = make_optimizer(objective, task.schedule)
    state = _restore(task, optimizer)
    started = time.monotonic() - state["seconds"]
    num_steps = task.schedule.num_steps
    every, log_every = max(1, num_steps // CHECKPOINTS), max(1, num_steps // LOSSES)

    def batch_of(step: int) -> Batch:
        return tuple(part.to(device) for part in task.batch(step, rank, world_size))

    for step, loss in run_steps(objective, optimizer, task.schedule, batch_of, state["step"], rank):
        last = step == num_steps
        save = last or (step % every == 0 and step + every <= num_steps)
        if step % log_every == 0 or save:
            state["history"].append({"step": step, "loss": _mean(loss, world_size)})
        if save:
            if rank == 0:
                state["history"][-1].update(task.validate())
            objective.train()
            state.update(step=step, seconds=time.monotonic() - started)
            _checkpoint(run, task, optimizer, state, config["num_workers"], rank, last)


def _mean(loss: Tensor, world_size: int) -> float:
    if world_size > 1:
        torch.distributed.all_reduce(loss)
    return float(loss) / world_size


def _checkpoint(
    run: Run,
    task: Task,
    optimizer: torch.optim.Optimizer,
    state: dict[str, Any],
    num_workers: int,
    rank: int,
    last: bool,
) -> None:
    """Report progress; every rank calls it, rank 0 brings the files."""
    metrics = {"step": state["step"], "loss": state["history"][-1]["loss"]}
    if rank != 0:
        ray.train.report(metrics)
        return
    folder = Path(tempfile.mkdtemp(prefix="clicksmith-checkpoint-"))
    save_file(_on_cpu(task.network.state_dict()), folder / WEIGHTS)
    save_file(_on_cpu(_flatten(optimizer)), folder / OPTIMIZER)
    (folder / STATE).write_text(json.dumps(state))
    if last:
        (folder / CODEC).write_text(json.dumps(task.codec, sort_keys=True))
        (folder / CARD).write_text(json.dumps(_card(run, task, state, num_workers), indent=1, sort_keys=True))
    ray.train.report(metrics, checkpoint=Checkpoint.from_directory(str(folder)))


def _card(run: Run, task: Task, state: dict[str, Any], num_workers: int) -> dict[str, Any]:
    return {
        "name": run.name,
        "kind": "recommender",
        "preset": run.preset,
        "run_id": run.lineage.run_id,
        "fingerprint": run.lineage.fingerprint,
        "seed": run.lineage.settings["seed"],
        "settings": run.lineage.settings,
        "training_table": {
            "name": run.training.table.name,
            "uri": run.training.uri,
            "version": run.training.version,
            "fingerprint": run.training.fingerprint,
        },
        "num_rows": task.num_rows,
        "num_workers": num_workers,
        "seconds": round(state["seconds"], 1),
        "history": state["history"],
        "metrics": task.test(),
    }


def _restore(task: Task, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Load the run's newest checkpoint into network and optimizer; the state of a new run without one."""
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return {"step": 0, "seconds": 0.0, "history": []}
    with checkpoint.as_directory() as folder:
        task.network.load_state_dict(load_file(Path(folder, WEIGHTS)))
        _unflatten(optimizer, load_file(Path(folder, OPTIMIZER)))
        state: dict[str, Any] = json.loads(Path(folder, STATE).read_text())
    return state


def _flatten(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimizer's tensors by ``parameter.name``; safetensors holds no nested values."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor for index, entry in state.items() for name, tensor in entry.items()}


def _unflatten(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = tensor
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _on_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
