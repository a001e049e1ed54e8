"""Training one generator: the driver, and what runs in each data-parallel worker.

The workers get the snapshot's address and read the pinned version themselves; checkpoints go to the
run's folder, named after the fingerprint, so that the same run started again resumes by itself.
"""

import io
import logging
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import ray.train
import torch
from ray.train.torch import TorchTrainer, prepare_model

from clicksmith.config import Config, GeneratorConfig
from clicksmith.errors import ClicksmithError, TrainingError
from clicksmith.generators.artefact import (
    generator_folder,
    generator_id,
    load_codec,
    read_card,
    save_codec,
    save_generator,
)
from clicksmith.generators.example_codec import INPUT_COLUMNS, ExampleCodec
from clicksmith.generators.presets import build_recipe, build_sampler, check_config
from clicksmith.generators.recipe import Recipe, Shard
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot, models_root
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.seeds import derive_seed
from clicksmith.tables import TRAINING_EXAMPLES
from clicksmith.training.cluster import connect
from clicksmith.training.loop import Plan, Progress, dump, restore, run_loop
from clicksmith.training.progress import describe, watch
from clicksmith.training.snapshot import load_examples

logger = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
MAX_HELD_OUT = 10_000
MAX_FAILURES = 2


@dataclass(frozen=True)
class Task:
    """Everything that a worker needs; travels as plain values.

    Attributes:
        name: of the generator.
        seed: of its training.
        config: GeneratorConfig as a dictionary.
        uri: of the training examples.
        version: their pinned Delta version.
        folder: the generator's, which already holds the codec.
        run_folder: for the progress file.
    """

    name: str
    seed: int
    config: dict[str, Any]
    uri: str
    version: int
    folder: str
    run_folder: str

    @property
    def snapshot(self) -> Snapshot:
        """The pinned table."""
        return Snapshot(TRAINING_EXAMPLES, self.uri, self.version, "", None, {})

    @property
    def progress_uri(self) -> str:
        """Where rank 0 tells how far it is."""
        return f"{self.run_folder}.progress.json"


def train_generator(config: Config, name: str, examples: Snapshot, lineage: Lineage) -> dict[str, Any]:
    """Train a generator and write its folder, unless it is there already.

    Args:
        config: names the generator and the size of the cluster.
        name: its key under ``generators``.
        examples: the pinned gold.training_examples.
        lineage: from `trace_generator`.

    Returns:
        The generator's card.

    Raises:
        TrainingError: the settings do not fit, there are no rows, or training failed.
    """
    folder = generator_folder(config, name, lineage)
    card = read_card(folder)
    if card is not None:
        return card
    started = time.monotonic()
    settings, num_workers = config.generators[name], config.ray.num_workers
    check_config(name, settings, num_workers)
    num_rows = _fit_codec(folder, examples, settings.max_rows)
    run_folder = storage.join(models_root(config), "runs", generator_id(name, lineage))
    seed = derive_seed(config.seed, "train_generator", name)
    task = Task(name, seed, settings.model_dump(), examples.uri, examples.version, folder, run_folder)
    logger.info("%s: %s on %s rows, %d workers", name, settings.preset, f"{num_rows:,}", num_workers)
    content = _train_here(task) if num_workers == 0 else _train_on_ray(task, config)
    state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True)
    progress = Progress(**state["progress"])
    sampler = build_sampler(settings.preset, load_codec(folder).table)
    sampler.load_state_dict(progress.best_weights or state["recipe"]["sampler"])
    card = {
        "name": name,
        "kind": "generator",
        "preset": settings.preset,
        "run_id": lineage.run_id,
        "fingerprint": lineage.fingerprint,
        "seed": config.seed,
        "settings": dict(lineage.settings),
        "training_table": {
            "name": examples.table.name,
            "uri": examples.uri,
            "version": examples.version,
            "fingerprint": examples.fingerprint,
        },
        "num_rows": num_rows,
        "num_workers": num_workers,
        "seconds": round(time.monotonic() - started, 1),
        "history": progress.history,
        "metrics": _metrics(progress),
    }
    save_generator(folder, sampler, card)
    return card


def _fit_codec(folder: str, examples: Snapshot, max_rows: int) -> int:
    """Fit and write the codec; returns the number of training rows."""
    rows = load_examples(examples, INPUT_COLUMNS, "train", max_rows, holdout=False)
    save_codec(folder, ExampleCodec.fit(rows))
    return int(rows.num_rows)


def _metrics(progress: Progress) -> dict[str, float]:
    last = {k: v for k, v in progress.history[-1].items() if k != "step"} if progress.history else {}
    best = (
        {}
        if progress.best_loss is None
        else {"held_out_nats": progress.best_loss, "best_step": progress.best_step}
    )
    return {**last, **best, "steps": progress.step}


def _build(task: Task) -> tuple[Recipe, Plan]:
    """The recipe on this process's copy of the data."""
    torch.use_deterministic_algorithms(True)
    settings = GeneratorConfig.model_validate(task.config)
    codec = load_codec(task.folder).table
    columns = list(codec.names)
    data = codec.encode(load_examples(task.snapshot, columns, "train", settings.max_rows, holdout=False))
    held_out = codec.encode(load_examples(task.snapshot, columns, "train", MAX_HELD_OUT, holdout=True))
    recipe = build_recipe(settings, task.seed, codec, data)
    sample_seed = derive_seed(task.seed, "examine")
    return recipe, Plan(settings.num_steps, settings.checkpoint_every, held_out, sample_seed)


def _train_here(task: Task) -> bytes:
    """Train in this process; checkpoints are files in the run's folder."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    recipe, plan = _build(task)
    recipe.prepare(lambda module: module)
    uri = storage.join(task.run_folder, CHECKPOINT)
    progress = restore(recipe, storage.read_bytes(uri)) if storage.exists(uri) else Progress()

    def on_checkpoint(now: Progress) -> None:
        storage.write_bytes(uri, dump(recipe, now))
        logger.info("%s", describe(task.name, plan.num_steps, now.history[-1]))

    try:
        run_loop(recipe, plan, Shard(), progress, on_checkpoint)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(False)
    return storage.read_bytes(uri)


def _train_on_ray(task: Task, config: Config) -> bytes:
    """Train in a group of Ray workers; the same name resumes a run that was cut off."""
    connect(config.ray)
    root, name = task.run_folder.rsplit("/", 1)
    trainer = TorchTrainer(
        _work,
        train_loop_config=asdict(task),
        # Recipes hold their data as CPU tensors: these networks are too small for a GPU to pay.
        scaling_config=ray.train.ScalingConfig(num_workers=config.ray.num_workers, use_gpu=False),
        run_config=ray.train.RunConfig(
            name=name,
            storage_path=root.replace("s3a://", "s3://", 1),
            failure_config=ray.train.FailureConfig(max_failures=MAX_FAILURES),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=2),
        ),
    )
    try:
        with watch(task.name, task.progress_uri):
            result = trainer.fit()
    except Exception as error:  # Ray wraps what a worker raised in several layers
        raise _explain(task, error) from error
    if result.error is not None or result.checkpoint is None:
        raise _explain(task, result.error)
    with result.checkpoint.as_directory() as folder:
        return Path(folder, CHECKPOINT).read_bytes()


def _work(values: dict[str, Any]) -> None:
    """One data-parallel worker."""
    task = Task(**values)
    torch.set_num_threads(1)
    context = ray.train.get_context()
    shard = Shard(context.get_world_rank(), context.get_world_size())
    recipe, plan = _build(task)
    # The networks have no buffers that training changes, so none are broadcast.
    recipe.prepare(
        lambda module: prepare_model(module, parallel_strategy_kwargs={"broadcast_buffers": False})
    )
    progress = Progress()
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            progress = restore(recipe, Path(folder, CHECKPOINT).read_bytes())

    def on_checkpoint(now: Progress) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if shard.rank == 0:
                Path(folder, CHECKPOINT).write_bytes(dump(recipe, now))
                saved = ray.train.Checkpoint.from_directory(folder)
            else:
                saved = None
            ray.train.report({"step": now.step}, checkpoint=saved)
        if shard.rank == 0:
            storage.write_json(task.progress_uri, {"num_steps": plan.num_steps, "figures": now.history[-1]})

    run_loop(recipe, plan, shard, progress, on_checkpoint)


def _explain(task: Task, error: BaseException | None) -> ClicksmithError:
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
        f"Training of {task.name} failed: {lines[-1] if lines else error!r}.",
        f"Run it again to go on from its last checkpoint in {task.run_folder}.",
    )
