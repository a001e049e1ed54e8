"""A group of data-parallel workers for a job's training runs: start, checkpoints, resume, progress, errors.

To start a group takes longer than many a training: one runs all of a job's, one after the other. A run's
folder is named after its fingerprint, so a run that was cut off goes on from its newest checkpoint when it is
started again, with whatever number of workers, and a finished one returns what it had.

Checkpoints are ours, not Ray Train's: Ray registers one some time after the workers have written it, so
that a kill can cost it, and rewrites its list of them in place, so that a kill can cost the run.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import ray.train
import torch
from ray.train.collective import broadcast_from_rank_zero
from ray.train.torch import TorchConfig, TorchTrainer, get_device, prepare_model
from torch import nn

from clicksmith.config import RayConfig
from clicksmith.errors import ClicksmithError, TrainingError
from clicksmith.errors.explain import doing
from clicksmith.generators.recipe import Shard
from clicksmith.training.engine.checkpoint import DIGEST_BYTES, RunCheckpoint, State
from clicksmith.training.engine.cluster import connect, run_trainer, start_error
from clicksmith.training.engine.progress import Told, describe, watch

logger = logging.getLogger(__name__)

MAX_FAILURES = 2
"""Of workers, for each training of a group: they share its life. And as many starts that find no place."""

COLLECTIVE_TIMEOUT_S = 86_400
"""Workers wait while the first one validates and tests alone, however long. A worker that is lost is noticed
not by this but by Ray, which starts the group anew; one that never comes, by `RayConfig.start_timeout`."""


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

    def say(self, what: str) -> None:
        """Tell people what is done now, e.g. ``reading its rows``; what the first worker says is shown."""

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        """Checkpoint; every worker calls it, the first one's state is kept.

        Args:
            state: makes tensors and plain values.
            num_steps: of the whole run.
            figures: of the last step, with its "step".
        """


@dataclass(frozen=True)
class Training:
    """One run of a group.

    Attributes:
        work: what every worker runs; it saves at its end at the latest.
        argument: of the function; travels to the workers.
        name: for people.
        folder: the run's, under any root.
    """

    work: Callable[[Worker, Any], None]
    argument: Any
    name: str
    folder: str


def run_workers(trainings: Sequence[Training], config: RayConfig, use_gpu: bool = False) -> Iterator[State]:
    """Run trainings on every worker, one after the other, each to its end.

    Args:
        trainings: what to run; in this process without workers (`config.num_workers` is 0).
        config: workers and cluster.
        use_gpu: give each worker a GPU.

    Yields:
        For each training, in their order: the last state saved, its "step", the "starts" of the run (see
        `RunCheckpoint`), and the seconds that it "took" now. Where one fails, first those before it.

    Raises:
        ClicksmithError: as raised in a worker; it names the training.
        TrainingError: a worker failed otherwise, none started, or a run's checkpoint is damaged.
    """
    for training in trainings:  # a damaged one is an error before any worker is started
        _state_of(training, config)
    if config.num_workers == 0:
        for training in trainings:
            started = time.monotonic()
            with _naming(training):
                _work_here(training, config)
            yield _final_state(training, config, time.monotonic() - started)
        return
    if not trainings:
        return
    seconds, error = _run_on_ray(trainings, config, use_gpu)
    if error is None:  # the last look at how far they are can miss: all have ended, see `_final_state`
        seconds += [0.0] * (len(trainings) - len(seconds))
    for training, took in zip(trainings, seconds, strict=False):
        yield _final_state(training, config, took)
    if error is not None:
        with _naming(trainings[min(len(seconds), len(trainings) - 1)]):
            raise error


def _state_of(training: Training, config: RayConfig) -> State | None:
    checkpoint = RunCheckpoint(training.folder, config.num_workers)
    return checkpoint.load(checkpoint.read())


def _final_state(training: Training, config: RayConfig, took: float) -> State:
    state = _state_of(training, config)
    if state is None:
        raise TrainingError(f"{training.name} has ended without a checkpoint.", f"Delete {training.folder}.")
    return {**state, "took": took}


@contextmanager
def _naming(training: Training) -> Iterator[None]:
    """Errors say which training it was, and those of engines that it can go on."""
    remedy = f"Run it again to go on from its last checkpoint in {training.folder}."
    try:
        with doing(f"Training {training.name}", raises=TrainingError, remedy=remedy):
            yield
    except ClicksmithError as error:
        if training.name in error.problem:
            raise
        raise type(error)(f"{training.name}: {error.problem}", error.remedy) from error


def _work_here(training: Training, config: RayConfig) -> None:
    """Run a training in this process."""
    here = _Here(training.name, RunCheckpoint(training.folder, config.num_workers))
    threads = torch.get_num_threads()
    try:
        _work_deterministically(training.work, here, training.argument)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)


def _run_on_ray(
    trainings: Sequence[Training], config: RayConfig, use_gpu: bool
) -> tuple[list[float], Exception | None]:
    """The same on Ray workers.

    Returns:
        The seconds of each training that has ended, and the error of the next one.
    """
    connect(config)
    attempt = uuid4().hex
    trainer = _trainer(trainings, config, use_gpu, attempt)
    told = Told(trainings[0].folder, attempt)
    failure: Exception | None = None
    try:
        with watch(told) as started:
            run_trainer(trainer.fit, started, config, use_gpu)
    except Exception as error:
        failure = _start_failure(error, config, use_gpu) or error
    return told.seconds, failure


def _trainer(trainings: Sequence[Training], config: RayConfig, use_gpu: bool, attempt: str) -> TorchTrainer:
    folder = trainings[0].folder
    root, run_name = folder.rsplit("/", 1)
    return TorchTrainer(
        _enter,
        train_loop_config={"trainings": trainings, "folder": folder, "attempt": attempt},
        torch_config=TorchConfig(timeout_s=COLLECTIVE_TIMEOUT_S),
        scaling_config=ray.train.ScalingConfig(num_workers=config.num_workers, use_gpu=use_gpu),
        run_config=ray.train.RunConfig(
            name=run_name,
            storage_path=root.replace("s3a://", "s3://", 1),
            failure_config=ray.train.FailureConfig(
                max_failures=MAX_FAILURES * len(trainings),
                controller_failure_limit=MAX_FAILURES,  # type: ignore[call-arg]  # of Ray Train V2
            ),
        ),
    )


def _work_deterministically(work: Callable[[Worker, Any], None], worker: Worker, argument: Any) -> None:
    # One thread: the order of floating-point sums must not depend on the machine's load.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=worker.device.type != "cpu")
    # Every result would be filled with NaN before it is computed, a tenth of the time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    work(worker, argument)


def _enter(values: dict[str, Any]) -> None:
    """What Ray runs in each worker; in a group that starts anew, from the training that failed on."""
    trainings: Sequence[Training] = values["trainings"]
    told = Told(values["folder"], values["attempt"])
    told.read()
    for training in trainings[broadcast_from_rank_zero(len(told.seconds)) :]:
        started = time.monotonic()
        worker = _OnRay(training, told)
        _work_deterministically(training.work, worker, training.argument)
        worker.tell_end(time.monotonic() - started)


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

    def say(self, what: str) -> None:
        logger.info("%s: %s", self._name, what)

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        self._checkpoint.write(state(), int(figures["step"]))
        logger.info("%s", describe(self._name, num_steps, figures))


class _OnRay:
    """A worker of a Ray Train group."""

    def __init__(self, training: Training, told: Told) -> None:
        context = ray.train.get_context()
        self.shard = Shard(context.get_world_rank(), context.get_world_size())
        self.device = get_device()
        self._checkpoint = RunCheckpoint(training.folder, self.shard.world_size)
        self._name, self._told = training.name, told
        if self.shard.rank == 0:
            told.write()  # the workers have started

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

    def say(self, what: str) -> None:
        self._tell(f"{self._name}: {what}")

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        if self.shard.rank == 0:
            self._checkpoint.write(state(), int(figures["step"]))
        self._tell(describe(self._name, num_steps, figures))

    def _tell(self, line: str) -> None:
        if self.shard.rank == 0:
            self._told.lines.append(line)
            self._told.write()

    def tell_end(self, seconds: float) -> None:
        """Tell the driver that this training of the group has ended."""
        if self.shard.rank == 0:
            self._told.seconds.append(seconds)
            self._told.write()


def _start_failure(error: Exception, config: RayConfig, use_gpu: bool) -> TrainingError | None:
    """What to say if a group that lost a worker found no other in time."""
    failure = getattr(error, "controller_failure", None)
    is_start = type(failure).__name__ == "WorkerGroupStartupTimeoutError"
    return start_error(config, use_gpu) if is_start else None
