"""The next-item model's run: users' sequences to a ranking of all items."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from clicksmith.config import Config, SequentialConfig
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.next_items import K, NextItems, baselines, popularity_scores
from clicksmith.reading.sequences import SequenceRows, read_sequences
from clicksmith.reading.windows import Windows, masked
from clicksmith.recommenders.artefact import SEQUENTIAL, build_network, trace_sequential
from clicksmith.recommenders.losses import SequentialObjective
from clicksmith.recommenders.next_item.augmentation import OF_SIMILAR_ITEMS, Draw, augment, similar_items
from clicksmith.recommenders.next_item.context import EventContext
from clicksmith.recommenders.next_item.recommend import NextItemModel
from clicksmith.recommenders.next_item.sequence import Attributes, SequenceNetwork
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import Batch, Schedule, rows_of_step
from clicksmith.training.runs import Run


@dataclass(frozen=True)
class SequentialTask:
    """See `runs.Task`.

    Attributes:
        windows: of the training sequences.
        popularity: training events of each item, shape (V,).
        rates: probability of each item as a drawn negative, shape (V,).
        similar: items like each one, for augmentations that ask for them; shape (V, S).
        evaluation: prefixes and what followed them, on validation and on test rows.
        baselines: by name, what fits one on the train split: of all workers the one that tests calls it.
    """

    network: SequenceNetwork
    objective: SequentialObjective
    schedule: Schedule
    codec: Any
    config: SequentialConfig
    windows: Windows
    popularity: NDArray[np.float64]
    rates: NDArray[np.float64]
    similar: NDArray[np.int64]
    evaluation: Mapping[str, NextItems]
    baselines: Mapping[str, Callable[[], NextItemModel]]

    selection: ClassVar[str] = "validation_ndcg@10"

    @property
    def sharded(self) -> tuple[str, ...]:
        """The items' vectors, where the configuration says so."""
        return ("items.ids",) if self.config.shard_items else ()

    @property
    def num_rows(self) -> int:
        """Training sequences."""
        return len(self.windows)

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        """A window of each of this worker's users, and the negatives that all of the batch share."""
        size, seed, config = self.schedule.batch_size, self.schedule.seed, self.config
        users = rows_of_step(self.num_rows, size, step, seed)
        random = np.random.default_rng(derive_seed(seed, "windows", step))
        # Drawn for the whole batch: the same rows with any number of workers.
        items, targets = self.windows.draw(users, config.max_length, config.horizon, random)
        if config.augmentations:
            draw = Draw(random, config.augmentation_rate, self.similar)
            items, targets = augment(config.augmentations, items, targets, draw)
        if config.model == "bert4rec":
            items, targets = masked(items, self.network.mask_index, config.mask_fraction, random)
        targets = targets % len(self.popularity)  # of events
        negatives = np.zeros(0, np.int64)
        if config.loss != "cross_entropy":
            negatives = random.choice(len(self.rates), config.num_negatives, p=self.rates)
            in_batch = targets[targets > 0]
            if config.in_batch_negatives and len(in_batch):
                negatives = np.append(negatives, random.choice(in_batch, config.in_batch_negatives))
        mine = slice(rank, None, world_size)
        return torch.from_numpy(items[mine]), torch.from_numpy(targets[mine]), torch.from_numpy(negatives)

    def validate(self) -> dict[str, float]:
        """Full-ranking figures on the validation split."""
        rows = self.evaluation["validation"]
        if not len(rows):
            return {}
        found = rows.recommend(self.network, K, self.config.filter_viewed)
        recall, ndcg = float(found.recall.mean()), float(found.ndcg.mean())
        return {"validation_recall@10": recall, "validation_ndcg@10": ndcg}

    def test(self) -> dict[str, float]:
        """Full-ranking figures on test users, of all and by segment, beside those of the baselines."""
        rows = self.evaluation["test"]
        figures: dict[str, float] = {"num_test_users": len(rows)}
        if not len(rows):
            return figures
        for segment, users in rows.segments().items():
            figures[f"num_test_users.{segment}"] = int(users.sum())
        models: dict[str, Callable[[], NextItemModel]] = {"test": lambda: self.network, **self.baselines}
        plain = rows.without_context(len(self.popularity))
        for prefix, fit in models.items():
            asked = rows if prefix == "test" else plain
            found = asked.recommend(fit(), K, self.config.filter_viewed)
            of_model = found.figures(self.popularity, plain.prefixes)
            figures |= {f"{prefix}_{name}": value for name, value in of_model.items()}
            for segment, users in rows.segments().items():
                figures[f"{prefix}_ndcg@{K}.{segment}"] = float(found.ndcg[users].mean())
        return figures


def make_task(
    config: SequentialConfig,
    windows: Windows,
    popularity: NDArray[np.float64],
    evaluation: Mapping[str, NextItems],
    baselines: Mapping[str, Callable[[], NextItemModel]],
    codec: Any,
    seed: int,
    attributes: Attributes | None = None,
    context: EventContext | None = None,
    weights_seed: int | None = None,
) -> SequentialTask:
    """The task of some sequences, with weights drawn from the seed.

    Args:
        config: the network, its loss and its schedule.
        windows: of the training sequences.
        popularity: training outcomes of each item, shape (V,), 0 for index 0 and for what was only shown.
        evaluation: see `SequentialTask`.
        baselines: see `SequentialTask`.
        codec: see `runs.Task`.
        seed: of weights, rows and draws.
        attributes: of the items, or None.
        context: of events with features of users; None: what the configuration says of events alone.
        weights_seed: of the first weights, else derived from `seed`.
    """
    tempered = popularity**config.negatives_exponent
    tempered[0] = 0.0
    rates = tempered / tempered.sum()
    # An item that nobody took yet starts as if taken half a time: from a rate of 0 it could never rise.
    log_popularity = _log(np.append(0.0, np.maximum(popularity[1:], 0.5)) / popularity.sum())
    first = derive_seed(seed, "weights") if weights_seed is None else weights_seed
    network = build_network(config, log_popularity, first, attributes, context)
    schedule = Schedule.of(config, seed)
    # A target is an item with the item's share of all events (Yi et al. 2019), so a negative of either kind:
    drawn, in_batch = config.num_negatives, config.in_batch_negatives
    mixed = (drawn * rates + in_batch * popularity / popularity.sum()) / (drawn + in_batch)
    objective = SequentialObjective(network, _log(mixed), config.loss)
    similar = np.arange(len(popularity))[:, None]
    if not set(config.augmentations).isdisjoint(OF_SIMILAR_ITEMS):
        similar = similar_items(
            [history % len(popularity) for history in windows.histories()], len(popularity)
        )
    return SequentialTask(
        network,
        objective,
        schedule,
        codec,
        config,
        windows,
        popularity,
        rates,
        similar,
        evaluation,
        baselines,
    )


def _log(rates: NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(np.log(np.maximum(rates, 1e-12)).astype(np.float32))


class Augment(Protocol):
    """How else than by its configuration a model is trained, and by whose word; see `lift.shipping`."""

    @property
    def told(self) -> Mapping[str, Any]:
        """For the lineage and the card."""

    @property
    def inputs(self) -> Mapping[str, Snapshot]:
        """What is read besides real rows."""

    def __call__(self, rows: SequenceRows, config: SequentialConfig) -> tuple[SequentialConfig, pa.Table]:
        """The settings, and the users to train on; the same on every worker."""


def sequential_task(
    config: SequentialConfig,
    rows: SequenceRows,
    windows: Windows,
    seed: int,
    beside: Mapping[str, Callable[[], NextItemModel]] | None = None,
    weights_seed: int | None = None,
) -> SequentialTask:
    """The task of a network on windows of such rows.

    Args:
        config: the network, its loss and its schedule.
        rows: what is known, and what is asked.
        windows: to train on.
        seed: of weights, rows and draws.
        beside: the baselines that its test is held against.
        weights_seed: of the first weights, else derived from `seed`.
    """
    return make_task(
        config,
        windows,
        popularity_scores(rows.items),
        rows.evaluation,
        beside or {},
        rows.codec,
        seed,
        rows.attributes,
        rows.context,
        weights_seed,
    )


@dataclass(frozen=True)
class BuildSequential:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: SequentialConfig
    seed: int
    inputs: Mapping[str, Snapshot]
    augment: Augment | None = None

    def __call__(self) -> SequentialTask:
        """The task, the same on every worker."""
        rows, config = read_sequences(self.config, self.inputs), self.config
        beside, train = baselines(rows.train, rows.items, rows.histories), rows.train
        if self.augment is not None:
            config, train = self.augment(rows, config)
        return sequential_task(config, rows, rows.windows(train), self.seed, beside)


def sequential_run(config: Config, inputs: Mapping[str, Snapshot], augment: Augment | None = None) -> Run:
    """The run that `config.sequential` describes, on the snapshots of `sequential_inputs`.

    Args:
        config: its section sequential.
        inputs: see `sequential_inputs`.
        augment: how else it is trained.
    """
    read = inputs if augment is None else {**inputs, **augment.inputs}
    lineage = trace_sequential(config, read, None if augment is None else augment.told)
    seed = derive_seed(config.seed, "train_recommender", SEQUENTIAL)
    build = BuildSequential(config.sequential, seed, inputs, augment)
    return Run(SEQUENTIAL, config.sequential.model, lineage, inputs["sequences"], build)
