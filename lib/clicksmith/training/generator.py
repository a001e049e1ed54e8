"""Training generators: the driver, and what runs in each data-parallel worker.

The workers get the snapshot's address and read the pinned version themselves.
"""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from clicksmith.config import Config, PresetOptions, generator_config
from clicksmith.generators.artefact import (
    generator_folder,
    generator_id,
    load_codec,
    save_codec,
    save_generator,
)
from clicksmith.generators.kind import Kind
from clicksmith.generators.kinds import KINDS
from clicksmith.generators.presets import PRESETS, build_recipe, check_config
from clicksmith.generators.recipe import Recipe
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot, models_root
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.reading.row_index import RowIndex, scan_trained
from clicksmith.reading.snapshot import load_shown
from clicksmith.reading.stream import StreamedRows
from clicksmith.seeds import Holdout, derive_seed
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
        uri: of the table that it learns from.
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
    def options(self) -> PresetOptions:
        """Of the preset."""
        return generator_config(self.config)

    @property
    def kind(self) -> Kind:
        """Of the data."""
        return KINDS[self.options.kind]

    @property
    def snapshot(self) -> Snapshot:
        """The pinned table."""
        return Snapshot(self.kind.twin.source, self.uri, self.version, "", None, {})


def train_generators(
    config: Config, lineages: Mapping[str, Lineage], sources: Mapping[str, Snapshot]
) -> None:
    """Train generators on one group of workers, and write their folders.

    Args:
        config: its generators, and the size of the cluster.
        lineages: from `steps.trace_generator`, by the fit's name, see `Config.fits`.
        sources: the pinned tables that they learn from, by the kind of data.

    Raises:
        TrainingError: the settings do not fit, there are no rows, or training failed. Generators trained
            before the one that failed are complete.
    """
    for name in lineages:
        check_config(name, config.fits[name], config.ray.num_workers)
    prepared = [
        _prepare(config, name, lineage, sources[config.fits[name].kind]) for name, lineage in lineages.items()
    ]
    states = run_workers([one.training for one in prepared], config.ray)
    for one, state in zip(prepared, states, strict=True):
        _publish(one, state)


@dataclass(frozen=True)
class _Prepared:
    """A generator whose codec is fitted.

    Attributes:
        source: what it learns from.
        lineage: of the run.
        folder: the generator's.
        num_rows: that it trains on.
        seconds: that this took.
        training: what the workers do.
    """

    source: Snapshot
    lineage: Lineage
    folder: str
    num_rows: int
    seconds: float
    training: Training


def _prepare(config: Config, name: str, lineage: Lineage, source: Snapshot) -> _Prepared:
    started = time.monotonic()
    options = config.fits[name]
    kind = KINDS[options.kind]
    folder = generator_folder(config, name, lineage)
    run_folder = storage.join(models_root(config), "runs", generator_id(name, lineage))
    index_uri = f"{run_folder}.rows.safetensors" if options.streams else None
    holdout = kind.holdout(config.holdout)
    num_rows = _fit_codec(folder, kind, source, options, index_uri, holdout)
    seed = derive_seed(config.seed, "train_generator", name)
    task = Task(seed, options.model_dump(), source.uri, source.version, folder, index_uri, holdout)
    logger.info(
        "%s: %s on %s rows, %d workers", name, options.preset, f"{num_rows:,}", config.ray.num_workers
    )
    training = Training(_work, task, name, run_folder)
    return _Prepared(source, lineage, folder, num_rows, time.monotonic() - started, training)


def _publish(one: _Prepared, state: State) -> None:
    """Write a trained generator's folder."""
    name, progress, task = one.training.name, Progress(**state["progress"]), one.training.argument
    codec = load_codec(one.folder, task.kind)
    sampler = PRESETS[task.options.preset].sampler(codec.core)
    sampler.load_state_dict(progress.best_weights or state["recipe"]["sampler"])
    seconds = one.seconds + state["took"]
    subject = Subject("generator", name, task.options.preset, one.lineage, one.source)
    card = make_card(subject, one.num_rows, state["starts"], seconds, progress.history, _metrics(progress))
    card["holdout"] = list(task.holdout.key)
    save_generator(one.folder, sampler, codec, card)
    logger.info(
        "%s: %s steps on %s rows in %.0f s, %s", name, progress.step, f"{one.num_rows:,}", seconds, one.folder
    )


def _fit_codec(
    folder: str,
    kind: Kind,
    source: Snapshot,
    options: PresetOptions,
    index_uri: str | None,
    holdout: Holdout,
) -> int:
    """Fit and write the codec, and the index of the rows where they are streamed; returns their number."""
    if index_uri is None:
        rows = load_shown(source, kind.columns, options.max_rows, holdout)
        save_codec(folder, kind.fit(rows, options))
        return int(rows.num_rows)
    assert kind.fit_batches is not None, f"{options.preset} streams, but {kind.name} are not streamed"
    index = RowIndex.build(source, TRAIN, options.max_rows, holdout)
    logger.info("%s rows to stream, from %s row groups", f"{index.num_rows:,}", f"{len(index.counts):,}")
    codec, counts = kind.fit_batches(lambda: scan_trained(source, kind.columns, TRAIN, index), options)
    save_codec(folder, codec)
    storage.write_bytes(index_uri, index.to_bytes(counts))
    return index.num_rows


def _metrics(progress: Progress) -> dict[str, float]:
    last = {k: v for k, v in progress.history[-1].items() if k != "step"} if progress.history else {}
    best = {**progress.best_nats, "best_step": progress.best_step} if progress.best_nats else {}
    return {**last, **best, "steps": progress.step, "rollbacks": progress.rollbacks}


def _build(task: Task) -> tuple[Recipe[Any], Plan]:
    """The recipe on this worker's copy of the data."""
    options, schedule = task.options, task.options.schedule
    codec = load_codec(task.folder, task.kind)
    known = list(dict.fromkeys([*codec.columns, *task.holdout.key]))
    held_out = load_shown(task.snapshot, known, HELD_OUT_AMONG, task.holdout, held_out=True)
    in_memory = options.max_rows if task.index_uri is None else 2 * len(held_out)
    shown = load_shown(task.snapshot, known, in_memory, task.holdout)
    rows = data = codec.encode(shown)
    if task.index_uri is not None:
        index, counts = RowIndex.from_bytes(storage.read_bytes(task.index_uri), task.holdout)
        rows = StreamedRows(task.snapshot, TRAIN, codec.core, index, counts, task.seed)
    recipe = build_recipe(options, task.seed, codec.core, rows)
    return recipe, Plan(
        schedule.num_steps,
        schedule.checkpoint_every,
        Watched(codec.encode(held_out), task.holdout.owners(held_out)),
        Watched(data.part(0, len(held_out)), task.holdout.owners(shown.slice(0, len(held_out)))),
        derive_seed(task.seed, "examine"),
        task.kind.signs,
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
