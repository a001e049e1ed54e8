"""Training generators: the driver, and what runs in each data-parallel worker.

The workers get the snapshot's address and read the pinned version themselves.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clicksmith.config import Config, PresetOptions, generator_config
from clicksmith.encoding.table import Encoded
from clicksmith.generators.artefact import (
    generator_folder,
    generator_id,
    load_codec,
    save_codec,
    save_generator,
)
from clicksmith.generators.presets import build_recipe, build_sampler, build_streamed, check_config
from clicksmith.generators.recipe import Recipe
from clicksmith.generators.tabular.example_codec import INPUT_COLUMNS, USER_COLUMN, ExampleCodec
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot, models_root
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.reading.row_index import RowIndex, scan_trained
from clicksmith.reading.snapshot import load_shown
from clicksmith.reading.stream import StreamedRows
from clicksmith.seeds import Holdout, derive_seed
from clicksmith.tables import TRAINING_EXAMPLES
from clicksmith.training.card import Subject, make_card
from clicksmith.training.engine.checkpoint import State
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, dump, restore, run_loop
from clicksmith.training.engine.workers import Training, Worker, run_workers

logger = logging.getLogger(__name__)

HELD_OUT_AMONG = 100_000
"""Of so many rows, those that are held out are looked at in training: some tenth of them."""
TRAIN = {"split": "train"}


@dataclass(frozen=True)
class Task:
    """Everything that a worker needs; travels as plain values.

    Attributes:
        seed: of the training.
        config: the preset's options as a dictionary.
        uri: of the training examples.
        version: their pinned Delta version.
        folder: the generator's, which already holds the codec.
        index_uri: of the rows' index where they are streamed, or None: they are held in memory.
        holdout: which rows it must not see.
    """

    seed: int
    config: dict[str, Any]
    uri: str
    version: int
    folder: str
    index_uri: str | None
    holdout: Holdout

    @property
    def snapshot(self) -> Snapshot:
        """The pinned table."""
        return Snapshot(TRAINING_EXAMPLES, self.uri, self.version, "", None, {})


def train_generators(config: Config, lineages: Mapping[str, Lineage], examples: Snapshot) -> None:
    """Train generators on one group of workers, and write their folders.

    Args:
        config: its generators, and the size of the cluster.
        lineages: from `steps.trace_generator`, by the fit's name, see `Config.fits`.
        examples: the pinned gold.training_examples.

    Raises:
        TrainingError: the settings do not fit, there are no rows, or training failed. Generators trained
            before the one that failed are complete.
    """
    for name in lineages:
        check_config(name, config.fits[name], config.ray.num_workers)
    prepared = [_prepare(config, name, lineage, examples) for name, lineage in lineages.items()]
    states = run_workers([one.training for one in prepared], config.ray)
    for one, state in zip(prepared, states, strict=True):
        _publish(one, state, examples)


@dataclass(frozen=True)
class _Prepared:
    """A generator whose codec is fitted.

    Attributes:
        preset: of the network.
        lineage: of the run.
        folder: the generator's.
        num_rows: that it trains on.
        seconds: that this took.
        training: what the workers do.
    """

    preset: str
    lineage: Lineage
    folder: str
    num_rows: int
    seconds: float
    training: Training


def _prepare(config: Config, name: str, lineage: Lineage, examples: Snapshot) -> _Prepared:
    started = time.monotonic()
    settings = config.fits[name]
    folder = generator_folder(config, name, lineage)
    run_folder = storage.join(models_root(config), "runs", generator_id(name, lineage))
    index_uri = f"{run_folder}.rows.safetensors" if settings.streams else None
    num_rows = _fit_codec(folder, examples, settings, index_uri, config.holdout)
    seed = derive_seed(config.seed, "train_generator", name)
    task = Task(
        seed, settings.model_dump(), examples.uri, examples.version, folder, index_uri, config.holdout
    )
    logger.info(
        "%s: %s on %s rows, %d workers", name, settings.preset, f"{num_rows:,}", config.ray.num_workers
    )
    training = Training(_work, task, name, run_folder)
    return _Prepared(settings.preset, lineage, folder, num_rows, time.monotonic() - started, training)


def _publish(one: _Prepared, state: State, examples: Snapshot) -> None:
    """Write a trained generator's folder."""
    name, progress = one.training.name, Progress(**state["progress"])
    codec = load_codec(one.folder).table
    sampler = build_sampler(one.preset, codec)
    sampler.load_state_dict(progress.best_weights or state["recipe"]["sampler"])
    seconds = one.seconds + state["took"]
    subject = Subject("generator", name, one.preset, one.lineage, examples)
    card = make_card(subject, one.num_rows, state["starts"], seconds, progress.history, _metrics(progress))
    card["holdout"] = list(one.training.argument.holdout.key)
    save_generator(one.folder, sampler, codec, card)
    logger.info(
        "%s: %s steps on %s rows in %.0f s, %s", name, progress.step, f"{one.num_rows:,}", seconds, one.folder
    )


def _fit_codec(
    folder: str, examples: Snapshot, settings: PresetOptions, index_uri: str | None, holdout: Holdout
) -> int:
    """Fit and write the codec, and the index of the rows where they are streamed; returns their number."""
    names = (USER_COLUMN, *INPUT_COLUMNS)
    if index_uri is None:
        rows = load_shown(examples, names, settings.max_rows, holdout)
        save_codec(folder, ExampleCodec.fit(rows, settings.min_users))
        return int(rows.num_rows)
    index = RowIndex.build(examples, TRAIN, settings.max_rows, holdout)
    logger.info("%s rows to stream, from %s row groups", f"{index.num_rows:,}", f"{len(index.counts):,}")
    codec, counts = ExampleCodec.fit_batches(
        lambda: scan_trained(examples, names, TRAIN, index), settings.min_users
    )
    save_codec(folder, codec)
    storage.write_bytes(index_uri, index.to_bytes(counts))
    return index.num_rows


def _metrics(progress: Progress) -> dict[str, float]:
    last = {k: v for k, v in progress.history[-1].items() if k != "step"} if progress.history else {}
    best = {**progress.best_nats, "best_step": progress.best_step} if progress.best_nats else {}
    return {**last, **best, "steps": progress.step, "rollbacks": progress.rollbacks}


def _build(task: Task) -> tuple[Recipe[Encoded], Plan]:
    """The recipe on this worker's copy of the data."""
    settings = generator_config(task.config)
    schedule = settings.schedule
    codec = load_codec(task.folder).table
    columns = list(codec.names)
    known = list(dict.fromkeys([*columns, *task.holdout.key]))
    held_out = load_shown(task.snapshot, known, HELD_OUT_AMONG, task.holdout, held_out=True)
    in_memory = settings.max_rows if task.index_uri is None else 2 * len(held_out)
    shown = load_shown(task.snapshot, known, in_memory, task.holdout)
    data = codec.encode(shown)
    if task.index_uri is None:
        recipe = build_recipe(settings, task.seed, codec, data)
    else:
        index, counts = RowIndex.from_bytes(storage.read_bytes(task.index_uri), task.holdout)
        streamed = StreamedRows(task.snapshot, TRAIN, codec, index, counts, task.seed)
        recipe = build_streamed(settings, task.seed, codec, streamed)
    return recipe, Plan(
        schedule.num_steps,
        schedule.checkpoint_every,
        Watched(codec.encode(held_out), task.holdout.owners(held_out)),
        Watched(data.head(len(held_out)), task.holdout.owners(shown.slice(0, len(held_out)))),
        derive_seed(task.seed, "examine"),
        schedule.max_rollbacks,
    )


def _work(worker: Worker, task: Task) -> None:
    """One data-parallel worker."""
    worker.say("reading its rows")
    recipe, plan = _build(task)
    recipe.prepare(worker.prepare)
    saved = worker.restore()
    progress = Progress() if saved is None else restore(recipe, saved)
    worker.say(f"training, {plan.num_steps:,} steps")

    def on_checkpoint(now: Progress) -> None:
        worker.save(lambda: dump(recipe, now), plan.num_steps, now.history[-1])

    run_loop(recipe, plan, worker.shard, progress, on_checkpoint)
