"""The search model's run: graded pairs of queries and products to how well a text answers a query."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clicksmith.config import Config, SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import trace
from clicksmith.reading.pairs import K, Pairs, SearchRows, read_pairs
from clicksmith.recommenders.search.losses import PairsObjective, TowersObjective
from clicksmith.recommenders.search.text import SearchNetwork, WordPieces, build_search
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import Batch, Schedule, rows_of_step
from clicksmith.training.runs import Run

NAME = "search"


@dataclass(frozen=True)
class SearchTask:
    """See `runs.Task`."""

    network: SearchNetwork
    objective: nn.Module
    schedule: Schedule
    codec: Any
    config: SearchConfig
    pieces: WordPieces
    pairs: Pairs
    asked: Mapping[str, Pairs]
    selection: ClassVar[str] = f"validation_ndcg@{K}"
    sharded: ClassVar[tuple[str, ...]] = ()

    @property
    def num_rows(self) -> int:
        """Training pairs."""
        return len(self.pairs)

    def batch(self, step: int, rank: int, world_size: int) -> Batch:
        """Every world_size-th pair of the global batch."""
        rows = rows_of_step(self.num_rows, self.schedule.batch_size, step, self.schedule.seed)
        pairs, config = self.pairs.take(rows[rank::world_size]), self.config
        grades = torch.from_numpy(pairs.grades)
        if self.network.is_cross:
            length = config.max_query_tokens + config.max_text_tokens
            tokens = self.pieces.encode(pairs.queries, length, pairs.texts)
            return tokens.ids, tokens.types, grades
        queries = self.pieces.encode(pairs.queries, config.max_query_tokens)
        texts = self.pieces.encode(pairs.texts, config.max_text_tokens)
        return queries.ids, texts.ids, torch.from_numpy(pairs.query), torch.from_numpy(pairs.item), grades

    def validate(self) -> dict[str, float]:
        """Figures of validation queries."""
        return self._figures("validation")

    def test(self) -> dict[str, float]:
        """Figures of test queries, beside those of BM25, and how many of their pairs it was trained on."""
        pairs = self.asked["test"]
        found: dict[str, float] = {"num_test_pairs": len(pairs)}
        found["num_trained_pairs"] = pairs.num_in(self.pairs)
        if len(pairs):
            found |= self._figures("test")
            found |= {f"bm25_{name}": value for name, value in pairs.figures(pairs.bm25()).items()}
        return found

    def _figures(self, split: str) -> dict[str, float]:
        pairs = self.asked[split]
        if not len(pairs):
            return {}
        scores = self.network.score(self.pieces, pairs.queries, pairs.texts, self.config)
        return {f"{split}_{name}": value for name, value in pairs.figures(scores).items()}


def learnt_from(model: str, pairs: Pairs) -> NDArray[np.int64]:
    """Numbers of the pairs that a network learns from, rising.

    Two towers take the others of a batch as negatives, and so pairs of a grade above 0 alone.
    """
    return np.flatnonzero(pairs.grades > 0) if model == "two_tower" else np.arange(len(pairs))


def make_task(
    config: SearchConfig,
    train: Pairs,
    asked: Mapping[str, Pairs],
    seed: int,
    weights_seed: int | None = None,
) -> SearchTask:
    """The task of some pairs; word pieces are fitted on training texts alone.

    Args:
        config: the network and its schedule.
        train: what it learns from.
        asked: on validation and on test.
        seed: of rows and draws.
        weights_seed: of the first weights, else derived from `seed`.

    Raises:
        TrainingError: no training pair has a grade above 0.
    """
    texts = list(dict.fromkeys([*train.queries, *train.texts]))
    if not (train.grades > 0).any():
        raise TrainingError(
            f"None of the {len(train):,} training pairs of queries and products has a grade above 0.",
            "Where gold.search_pairs has more, raise search.max_pairs; else ingest searches with impressions "
            "and clicks that share their request_id.",
        )
    train = train.take(learnt_from(config.model, train))
    first = derive_seed(seed, "weights") if weights_seed is None else weights_seed
    network, pieces = build_search(config, texts, first)
    schedule = Schedule.of(config, seed)
    codec = {"search": config.model_dump(mode="json"), "pieces": pieces.definition}
    objective = PairsObjective(network) if network.is_cross else TowersObjective(network)
    return SearchTask(network, objective, schedule, codec, config, pieces, train, asked)


class Augment(Protocol):
    """What a model learns from instead of real pairs alone, and by whose word; see `lift.shipping`."""

    @property
    def told(self) -> Mapping[str, Any]:
        """For the lineage and the card."""

    def __call__(self, rows: SearchRows) -> Pairs:
        """The training pairs, the same on every worker."""


@dataclass(frozen=True)
class BuildSearch:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: SearchConfig
    seed: int
    pairs: Snapshot
    items: Snapshot
    vocabulary: Snapshot
    augment: Augment | None = None

    def __call__(self) -> SearchTask:
        """The task, the same on every worker."""
        rows = read_pairs(self.pairs, self.items, self.vocabulary, self.config.max_pairs)
        train = rows.train if self.augment is None else self.augment(rows)
        return make_task(self.config, train, rows.asked, self.seed)


def search_run(
    config: Config,
    search: SearchConfig,
    pairs: Snapshot,
    items: Snapshot,
    vocabulary: Snapshot,
    augment: Augment | None = None,
) -> Run:
    """The run of a search model.

    Args:
        config: its seed.
        search: the model.
        pairs: gold.search_pairs.
        items: bronze.items.
        vocabulary: of the pairs' run, see `read_pairs`, so that their fingerprint tells of it as well.
        augment: what it learns from instead.
    """
    inputs, sections = {"search_pairs": pairs, "items": items}, {"search": search.model_dump(mode="json")}
    if augment is not None:
        sections["augmented"] = dict(augment.told)
    lineage = trace(f"train_recommender/{NAME}", config, sections, inputs)
    seed = derive_seed(config.seed, "train_recommender", NAME)
    build = BuildSearch(search, seed, pairs, items, vocabulary, augment)
    return Run(NAME, search.model, lineage, pairs, build)
