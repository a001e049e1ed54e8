"""The next-item model's run: users' sequences to a ranking of all items."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from clicksmith.config import Config, SequentialConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.guards import require_same_run
from clicksmith.reading.inputs import (
    USER,
    Items,
    distinct,
    items_to_json,
    load_attributes,
    require_rows,
    with_attributes,
)
from clicksmith.reading.next_items import K, NextItems, baselines, popularity_scores
from clicksmith.reading.snapshot import load_table
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

MAX_USERS = 500_000
"""Users trained on, and as many tested with, by hash of their id: bounds the memory."""

MAX_PROFILES = 4 * MAX_USERS
"""Profiles read, by the same hash: users without events have one too. Nothing is known of the others."""

Sequences = dict[str, NDArray[np.int64]]


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
    """
    tempered = popularity**config.negatives_exponent
    tempered[0] = 0.0
    rates = tempered / tempered.sum()
    # An item that nobody took yet starts as if taken half a time: from a rate of 0 it could never rise.
    log_popularity = _log(np.append(0.0, np.maximum(popularity[1:], 0.5)) / popularity.sum())
    network = build_network(config, log_popularity, derive_seed(seed, "weights"), attributes, context)
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


@dataclass(frozen=True)
class BuildSequential:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: SequentialConfig
    seed: int
    inputs: Mapping[str, Snapshot]

    @property
    def sequences(self) -> Snapshot:
        """Of gold.sequences."""
        return self.inputs["sequences"]

    def __call__(self) -> SequentialTask:
        """The task, the same on every worker."""
        require_same_run(self.inputs["vocabulary"], self.sequences)
        items = Items.load(self.inputs["vocabulary"], self.config.max_items)
        train, validation, test = (self._rows(split) for split in ("train", "validation", "test"))
        require_rows(train, "train", self.sequences)
        context = EventContext(self.config.event_features)
        if columns := self.config.user_features:
            profiles = load_table(self.inputs["user_profiles"], [USER, *columns], None, MAX_PROFILES)
            train, validation = (with_attributes(rows, profiles, columns) for rows in (train, validation))
            context = replace(context, user_values={c: distinct(train[c]).to_pylist() for c in columns})
            if empty := [name for name, values in context.user_values.items() if not values]:
                raise TrainingError(
                    f"{self.inputs['user_profiles'].uri} knows no {' or '.join(empty)} of any training user.",
                    "Ingest users with it, or take it out of sequential.user_features.",
                )
        known, later = (_by_user(rows, items.events(rows, context)) for rows in (train, validation))
        before_test = {
            user: np.concatenate([known.get(user, _NONE), later.get(user, _NONE)])
            for user in test.column("user_id").to_pylist()
        }
        windows = Windows.of(train, items, context)
        if not len(windows):
            raise TrainingError(
                f"No training sequence in {self.sequences.uri} has known items of two moments.",
                "Ingest users with clicks, carts or purchases at two times before the cut.",
            )
        config = self.config
        evaluation = {
            "validation": NextItems.of(known, _by_user(validation, items.events(validation))),
            "test": NextItems.of(before_test, _by_user(test, items.events(test))),
        }
        taken = (events[events > 0] % len(items) for events in known.values())
        histories = [history for history in taken if len(history)]
        attributes = None
        if config.item_attributes:
            attributes = load_attributes(items, self.inputs["item_profiles"], config.item_attributes)
        codec = {
            "items": items_to_json(items),
            "sequential": config.model_dump(mode="json"),
            "user_values": context.user_values,
            "cardinalities": [] if attributes is None else list(attributes.cardinalities),
        }
        return make_task(
            config,
            windows,
            popularity_scores(items),
            evaluation,
            baselines(train, items, histories),
            codec,
            self.seed,
            attributes,
            context,
        )

    def _rows(self, split: str) -> pa.Table:
        columns = ["user_id", "item_ids", "event_types", "event_ts"]
        return load_table(self.sequences, columns, {"split": split}, MAX_USERS)


_NONE = np.empty(0, np.int64)


def _by_user(rows: pa.Table, events: NDArray[np.int64]) -> Sequences:
    """The events of each user, oldest first."""
    ends = np.cumsum(pc.list_value_length(rows.column("item_ids")).to_numpy())
    return dict(zip(rows.column("user_id").to_pylist(), np.split(events, ends)[:-1], strict=True))


def sequential_run(config: Config, inputs: Mapping[str, Snapshot]) -> Run:
    """The run that `config.sequential` describes, on the snapshots of `sequential_inputs`."""
    lineage = trace_sequential(config, inputs)
    seed = derive_seed(config.seed, "train_recommender", SEQUENTIAL)
    build = BuildSequential(config.sequential, seed, inputs)
    return Run(SEQUENTIAL, config.sequential.model, lineage, inputs["sequences"], build)
