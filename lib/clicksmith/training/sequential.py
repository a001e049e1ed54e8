"""The next-item model's run: users' sequences to a ranking of all items."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from clicksmith.config import Config, SequentialConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import trace
from clicksmith.recommenders.losses import SequentialObjective
from clicksmith.recommenders.sasrec import SASRec
from clicksmith.seeds import derive_seed
from clicksmith.training.inputs import Items, items_to_json, require_rows
from clicksmith.training.next_items import NextItems, popularity_scores, recent_counts, same_for_all
from clicksmith.training.runs import Run
from clicksmith.training.snapshot import load_table
from clicksmith.training.supervised import Batch, Schedule, rows_of_step
from clicksmith.training.windows import Windows

NAME = "sequential"
MAX_USERS = 500_000
"""Users trained on, and as many tested with, by hash of their id: bounds the memory."""

RECENT_DAYS = 30
Sequences = dict[str, NDArray[np.int32]]


@dataclass(frozen=True)
class SequentialTask:
    """See `runs.Task`.

    Attributes:
        windows: of the training sequences.
        horizon: see `Windows.draw`.
        rates: probability of each item as a negative, shape (V,).
        evaluation: prefixes and what followed them, on validation and on test rows.
        baselines: scores of all items, by name, shape (V,) each; of the train split.
    """

    network: SASRec
    objective: SequentialObjective
    schedule: Schedule
    codec: Any
    num_negatives: int
    max_length: int
    horizon: int
    windows: Windows
    rates: NDArray[np.float64]
    evaluation: Mapping[str, NextItems]
    baselines: Mapping[str, NDArray[np.float64]]

    @property
    def num_rows(self) -> int:
        """Training sequences."""
        return len(self.windows)

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        """A window of each of this worker's users, and the negatives that all of the batch share."""
        size, seed = self.schedule.batch_size, self.schedule.seed
        users = rows_of_step(self.num_rows, size, step, seed)
        random = np.random.default_rng(derive_seed(seed, "windows", step))
        # Drawn for the whole batch: the same rows with any number of workers.
        items, targets = self.windows.draw(users, self.max_length, self.horizon, random)
        negatives = random.choice(len(self.rates), self.num_negatives, p=self.rates)
        mine = slice(rank, None, world_size)
        return torch.from_numpy(items[mine]), torch.from_numpy(targets[mine]), torch.from_numpy(negatives)

    def validate(self) -> dict[str, float]:
        """Full-ranking figures on the validation split."""
        rows = self.evaluation["validation"]
        if not len(rows):
            return {}
        recall, ndcg = rows.measure(self._model_scores)
        return {"validation_recall@10": recall, "validation_ndcg@10": ndcg}

    def test(self) -> dict[str, float]:
        """Full-ranking figures on test users, beside popularity, recent and personal popularity."""
        rows = self.evaluation["test"]
        figures: dict[str, float] = {"num_test_users": len(rows)}
        if not len(rows):
            return figures
        figures["test_recall@10"], figures["test_ndcg@10"] = rows.measure(self._model_scores)
        for name, scores in self.baselines.items():
            figures[f"{name}_recall@10"], figures[f"{name}_ndcg@10"] = rows.measure(same_for_all(scores))
        recall, ndcg = rows.measure(self._personal_scores)
        figures["personal_popularity_recall@10"], figures["personal_popularity_ndcg@10"] = recall, ndcg
        return figures

    @torch.inference_mode()
    def _model_scores(self, prefixes: list[NDArray[np.int32]]) -> NDArray[np.float32]:
        self.network.eval()
        device = self.network.bias.device
        items = np.zeros((len(prefixes), self.max_length), np.int64)
        for row, prefix in enumerate(prefixes):
            recent = prefix[-self.max_length :]
            items[row, : len(recent)] = recent
        last = torch.tensor([min(len(prefix), self.max_length) - 1 for prefix in prefixes], device=device)
        sequences = torch.from_numpy(items).to(device)
        states = self.network(sequences)[torch.arange(len(prefixes), device=device), last]
        return np.asarray(self.network.scores(states, sequences).cpu().numpy())

    def _personal_scores(self, prefixes: list[NDArray[np.int32]]) -> NDArray[np.float64]:
        """What the user took most often, then the most popular: hard to beat where people buy again."""
        popularity = self.baselines["popularity"]
        scores = np.tile(popularity / (popularity.max() + 1), (len(prefixes), 1))
        for row, prefix in enumerate(prefixes):
            np.add.at(scores[row], prefix, 1.0)
        return scores


@dataclass(frozen=True)
class BuildSequential:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: SequentialConfig
    seed: int
    sequences: Snapshot
    vocabulary: Snapshot

    def __call__(self) -> SequentialTask:
        """The task, the same on every worker."""
        items = Items.load(self.vocabulary)
        train = load_table(self.sequences, ["user_id", "item_ids", "event_ts"], {"split": "train"}, MAX_USERS)
        require_rows(train, "train", self.sequences)
        users = {split: self._of_users(split, items) for split in ("validation", "test")}
        prefix = _sequences(train, items)
        before_test = {
            user: np.concatenate([prefix.get(user, _NONE), users["validation"].get(user, _NONE)])
            for user in users["test"]
        }
        windows = Windows.of(train, items)
        if not len(windows):
            raise TrainingError(
                f"No training sequence in {self.sequences.uri} has known items of two moments.",
                "Ingest users with clicks, carts or purchases at two times before the cut.",
            )
        config = self.config
        rates = popularity_scores(items) / items.num_events.sum()
        log_rate = torch.from_numpy(np.log(np.maximum(rates, 1e-12)).astype(np.float32))
        network = SASRec(
            log_popularity=log_rate,
            max_length=config.max_length,
            dim=config.embedding_dim,
            num_blocks=config.num_blocks,
            num_heads=config.num_heads,
            dropout=config.dropout,
            seed=derive_seed(self.seed, "weights"),
        )
        return SequentialTask(
            network=network,
            objective=SequentialObjective(network, log_rate),
            schedule=Schedule(config.num_steps, config.batch_size, config.learning_rate, self.seed),
            codec={"items": items_to_json(items), "max_length": config.max_length},
            num_negatives=config.num_negatives,
            max_length=config.max_length,
            horizon=config.horizon,
            windows=windows,
            rates=rates,
            evaluation={
                "validation": NextItems.of(prefix, users["validation"]),
                "test": NextItems.of(before_test, users["test"]),
            },
            baselines={
                "popularity": popularity_scores(items),
                "recent_popularity": recent_counts(train, items, RECENT_DAYS),
            },
        )

    def _of_users(self, split: str, items: Items) -> Sequences:
        rows = load_table(self.sequences, ["user_id", "item_ids"], {"split": split}, MAX_USERS)
        return _sequences(rows, items)


_NONE = np.empty(0, np.int32)


def _sequences(rows: pa.Table, items: Items) -> Sequences:
    """Item indices of each user, oldest first; 0 for an item outside the vocabulary."""
    lists = rows.column("item_ids").combine_chunks()
    if rows.num_rows == 0:
        return {}
    flat = items.index(lists.flatten())
    ends = np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False))
    return dict(zip(rows.column("user_id").to_pylist(), np.split(flat, ends[:-1]), strict=True))


def sequential_run(config: Config, sequences: Snapshot, vocabulary: Snapshot) -> Run:
    """The run that `config.sequential` describes, on pinned snapshots."""
    lineage = trace(
        f"train_recommender/{NAME}",
        config,
        {"sequential": config.sequential},
        {"sequences": sequences, "vocabulary": vocabulary},
    )
    seed = derive_seed(config.seed, "train_recommender", NAME)
    build = BuildSequential(config.sequential, seed, sequences, vocabulary)
    return Run(NAME, "sasrec", lineage, sequences, build)
