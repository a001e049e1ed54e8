"""A group of data-parallel workers for one training run: start, checkpoints, resume, progress, errors.

The run's folder is named after its fingerprint, so a run that was cut off goes on from its newest
checkpoint when it is started again, and a finished one returns what it had.
"""

import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import ray.train
import torch
from ray.train.torch import TorchTrainer, get_device, prepare_model
from torch import nn

from clicksmith.config import RayConfig
from clicksmith.errors import ClicksmithError, TrainingError
from clicksmith.generators.recipe import Shard
from clicksmith.lakehouse import storage
from clicksmith.training.checkpoint import State, dump_state, load_state
from clicksmith.training.cluster import connect
from clicksmith.training.progress import describe, watch

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
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
        The last state saved.

    Raises:
        ClicksmithError: as raised in a worker.
        TrainingError: a worker failed otherwise, or none started.
    """
    if config.num_workers == 0:
        here = _Here(name, folder)
        threads = torch.get_num_threads()
        try:
            _work_deterministically(work, here, argument)
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(False)
        state = here.restore()
        if state is None:
            raise TrainingError(f"{name} has ended without a checkpoint.", f"Delete {folder}.")
        return state
    connect(config)
    root, run_name = folder.rsplit("/", 1)
    trainer = TorchTrainer(
        _enter,
        train_loop_config={"work": work, "argument": argument, "folder": folder},
        scaling_config=ray.train.ScalingConfig(num_workers=config.num_workers, use_gpu=use_gpu),
        run_config=ray.train.RunConfig(
            name=run_name,
            storage_path=root.replace("s3a://", "s3://", 1),
            failure_config=ray.train.FailureConfig(
                max_failures=MAX_FAILURES,
                controller_failure_limit=MAX_FAILURES,  # type: ignore[call-arg]  # of Ray Train V2
            ),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        with watch(name, _progress_uri(folder)):
            result = trainer.fit()
    except Exception as error:  # Ray wraps what a worker raised in several layers
        raise _not_started(name, config, use_gpu, error) or _explain(name, folder, error) from error
    if result.error is not None or result.checkpoint is None:
        raise _not_started(name, config, use_gpu, result.error) or _explain(name, folder, result.error)
    with result.checkpoint.as_directory() as kept:
        return load_state(Path(kept, CHECKPOINT).read_bytes())


def _work_deterministically(work: Callable[[Worker, Any], None], worker: Worker, argument: Any) -> None:
    # One thread: the order of floating-point sums must not depend on the machine's load.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True, warn_only=worker.device.type != "cpu")
    work(worker, argument)


def _enter(values: dict[str, Any]) -> None:
    """What Ray runs in each worker."""
    _work_deterministically(values["work"], _OnRay(values["folder"]), values["argument"])


class _Here:
    """The only worker, in this process; its checkpoint is a file in the run's folder."""

    def __init__(self, name: str, folder: str) -> None:
        self.shard = Shard()
        self.device = torch.device("cpu")
        self._name = name
        self._uri = storage.join(folder, CHECKPOINT)

    def prepare(self, module: nn.Module) -> nn.Module:
        return module

    def restore(self) -> State | None:
        return load_state(storage.read_bytes(self._uri)) if storage.exists(self._uri) else None

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        storage.write_bytes(self._uri, dump_state(state()))
        logger.info("%s", describe(self._name, num_steps, figures))


class _OnRay:
    """A worker of a Ray Train group."""

    def __init__(self, folder: str) -> None:
        context = ray.train.get_context()
        self.shard = Shard(context.get_world_rank(), context.get_world_size())
        self.device = get_device()
        self._progress_uri = _progress_uri(folder)

    def prepare(self, module: nn.Module) -> nn.Module:
        # No network here has buffers that training changes, so none are broadcast.
        return prepare_model(module, parallel_strategy_kwargs={"broadcast_buffers": False})

    def restore(self) -> State | None:
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return None
        with checkpoint.as_directory() as folder:
            return load_state(Path(folder, CHECKPOINT).read_bytes())

    def save(self, state: Callable[[], State], num_steps: int, figures: Mapping[str, float]) -> None:
        step = {"step": figures["step"]}
        if self.shard.rank > 0:
            ray.train.report(step)
            return
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, CHECKPOINT).write_bytes(dump_state(state()))
            ray.train.report(step, checkpoint=ray.train.Checkpoint.from_directory(folder))
        storage.write_json(self._progress_uri, {"num_steps": num_steps, "figures": dict(figures)})


def _progress_uri(folder: str) -> str:
    """Where the first worker tells the driver how far it is."""
    return f"{folder}.progress.json"


def _not_started(
    name: str, config: RayConfig, use_gpu: bool, error: BaseException | None
) -> TrainingError | None:
    """What to say where the group's workers could not be placed in time; None where they could."""
    if "worker group startup timed out" not in str(error):
        return None
    wanted = "1 CPU and 1 GPU" if use_gpu else "1 CPU"
    have = ray.cluster_resources()  # type: ignore[no-untyped-call]
    return TrainingError(
        f"Training of {name} has not begun: {config.num_workers} workers of {wanted} each did not start in "
        f"time; the cluster has {have.get('CPU', 0):.0f} CPUs and {have.get('GPU', 0):.0f} GPUs, of which "
        "others may use some.",
        "Lower ray.num_workers, wait for free ones, or add nodes. How long to wait is in "
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S.",
    )


def _explain(name: str, folder: str, error: BaseException | None) -> ClicksmithError:
    """The worker's own error if it is one of ours, otherwise its last line."""
    failures = getattr(error, "worker_failures", None) or {}
    for failure in [*failures.values(), error]:
        cause: BaseException | None = failure
        while cause is not None:
            if isinstance(cause, ClicksmithError):
                return cause
            cause = getattr(cause, "cause", None) or cause.__cause__
    lines = [line for line in str(error).splitlines() if line.strip()]
    return TrainingError(
        f"Training of {name} failed: {lines[-1] if lines else error!r}.",
        f"Run it again to go on from its last checkpoint in {folder}.",
    )
