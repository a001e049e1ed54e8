"""A group of data-parallel workers for one training run: start, checkpoints, resume, progress, errors.

The run's folder is named after its fingerprint, so a run that was cut off goes on from its newest
checkpoint when it is started again, with whatever number of workers, and a finished one returns what it had.

Checkpoints are ours, not Ray Train's: Ray registers one some time after the workers have written it, so
that a kill can cost it, and rewrites its list of them in place, so that a kill can cost the run.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from uuid import uuid4

import ray.train
import torch
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import TorchTrainer, get_device, prepare_model
from torch import nn

from clicksmith.config import RayConfig
from clicksmith.errors import TrainingError
from clicksmith.errors.explain import doing
from clicksmith.generators.recipe import Shard
from clicksmith.lakehouse import storage
from clicksmith.training.checkpoint import DIGEST_BYTES, RunCheckpoint, State
from clicksmith.training.cluster import connect, run_trainer, start_error
from clicksmith.training.progress import describe, watch

logger = logging.getLogger(__name__)

MAX_FAILURES = 2


class Worker(Protocol):
    """One worker of a group, as its training function sees it.

    Attributes:
        shard: which part of each global batch is its own.
        device: where its networks live.
    """

    shard: Shard
    device: torch.device

    def prepare(self, module: nn.Module) -> nn.Module:
        """Move a module to the device and make it data-parallel."""

    def restore(self) -> State | None:
        """The newest checkpoint, or None in a new run."""

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        """Checkpoint; every worker calls it, the first one's state is kept.

        Args:
            state: makes tensors and plain values.
            num_steps: of the whole run.
            figures: of the last step, with its "step".
        """


def run_workers(
    work: Callable[[Worker, Any], None],
    argument: Any,
    name: str,
    folder: str,
    config: RayConfig,
    use_gpu: bool = False,
) -> State:
    """Run a training function on every worker, to its end.

    Args:
        work: the function; it saves at its end at the latest. Without workers (`config.num_workers`
            is 0) it runs in this process.
        argument: of the function; travels to the workers.
        name: for people.
        folder: the run's, under any root.
        config: workers and cluster.
        use_gpu: give each worker a GPU.

    Returns:
        The last state saved, its "step", and the "starts" of the run: see `RunCheckpoint`.

    Raises:
        ClicksmithError: as raised in a worker.
        TrainingError: a worker failed otherwise, none started, or the run's checkpoint is damaged.
    """
    checkpoint = RunCheckpoint(folder, config.num_workers)
    checkpoint.load(checkpoint.read())  # a damaged one is an error before any worker is started
    remedy = f"Run it again to go on from its last checkpoint in {folder}."
    with doing(f"Training {name}", raises=TrainingError, remedy=remedy):
        if config.num_workers == 0:
            _run_here(work, argument, _Here(name, checkpoint))
        else:
            _run_on_ray(work, argument, name, folder, config, use_gpu)
    state = checkpoint.load(checkpoint.read())
    if state is None:
        raise TrainingError(f"{name} has ended without a checkpoint.", f"Delete {folder}.")
    return state


def _run_here(work: Callable[[Worker, Any], None], argument: Any, here: Worker) -> None:
    """Without Ray, as the only worker."""
    threads = torch.get_num_threads()
    try:
        _work_deterministically(work, here, argument)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)


def _run_on_ray(
    work: Callable[[Worker, Any], None],
    argument: Any,
    name: str,
    folder: str,
    config: RayConfig,
    use_gpu: bool,
) -> None:
    """The same on Ray workers."""
    connect(config)
    attempt = uuid4().hex
    root, run_name = folder.rsplit("/", 1)
    trainer = TorchTrainer(
        _enter,
        train_loop_config={"work": work, "argument": argument, "folder": folder, "attempt": attempt},
        scaling_config=ray.train.ScalingConfig(num_workers=config.num_workers, use_gpu=use_gpu),
        run_config=ray.train.RunConfig(
            name=run_name,
            storage_path=root.replace("s3a://", "s3://", 1),
            failure_config=ray.train.FailureConfig(
                max_failures=MAX_FAILURES,
                controller_failure_limit=MAX_FAILURES,  # type: ignore[call-arg]  # of Ray Train V2
            ),
        ),
    )
    try:
        with watch(name, _progress_uri(folder), attempt) as started:
            run_trainer(trainer.fit, started, config, use_gpu)
    except Exception as error:
        failure = _start_failure(error, config, use_gpu)
        if failure is None:
            raise
        raise failure from error


def _work_deterministically(work: Callable[[Worker, Any], None], worker: Worker, argument: Any) -> None:
    # One thread: the order of floating-point sums must not depend on the machine's load.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=worker.device.type != "cpu")
    # Every result would be filled with NaN before it is computed, a tenth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    work(worker, argument)


def _enter(values: dict[str, Any]) -> None:
    """What Ray runs in each worker."""
    _work_deterministically(values["work"], _OnRay(values["folder"], values["attempt"]), values["argument"])


class _Here:
    """The only worker, in this process."""

    def __init__(self, name: str, checkpoint: RunCheckpoint) -> None:
        self.shard = Shard()
        self.device = torch.device("cpu")
        self._name = name
        self._checkpoint = checkpoint

    def prepare(self, module: nn.Module) -> nn.Module:
        return module

    def restore(self) -> State | None:
        return self._checkpoint.load(self._checkpoint.read())

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        self._checkpoint.write(state(), int(figures["step"]))
        logger.info("%s", describe(self._name, num_steps, figures))


class _OnRay:
    """A worker of a Ray Train group."""

    def __init__(self, folder: str, attempt: str) -> None:
        context = ray.train.get_context()
        self.shard = Shard(context.get_world_rank(), context.get_world_size())
        self.device = get_device()
        self._checkpoint = RunCheckpoint(folder, self.shard.world_size)
        self._progress_uri = _progress_uri(folder)
        self._attempt = attempt
        self._tell()

    def prepare(self, module: nn.Module) -> nn.Module:
        # No network here has buffers that training changes, so none are broadcast.
        return prepare_model(
            module, parallel_strategy_kwargs={"broadcast_buffers": False, "gradient_as_bucket_view": True}
        )

    def restore(self) -> State | None:
        content = self._checkpoint.read()
        # A worker that was given up, on a node cut off from the others, may still be writing.
        if broadcast_from_rank_zero(content[:DIGEST_BYTES]) != content[:DIGEST_BYTES]:
            raise TrainingError("The checkpoint changed while the workers read it.", "Run it again.")
        return self._checkpoint.load(content)

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        if self.shard.rank == 0:
            self._checkpoint.write(state(), int(figures["step"]))
            self._tell({"num_steps": num_steps, "figures": dict(figures)})

    def _tell(self, progress: Mapping[str, Any] | None = None) -> None:
        if self.shard.rank == 0:
            storage.write_json(self._progress_uri, {"attempt": self._attempt, **(progress or {})})


def _progress_uri(folder: str) -> str:
    """Where the first worker tells the driver how far it is."""
    return f"{folder}.progress.json"


def _start_failure(error: Exception, config: RayConfig, use_gpu: bool) -> TrainingError | None:
    """What to say if a group that lost a worker found no other in time."""
    failure = getattr(error, "controller_failure", None)
    is_start = type(failure).__name__ == "WorkerGroupStartupTimeoutError"
    return start_error(config, use_gpu) if is_start else None
