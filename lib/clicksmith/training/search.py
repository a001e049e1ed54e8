"""The search model's run: graded pairs of queries and products to how well a text answers a query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import nn

from clicksmith.config import Config, SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.evaluation import relevance
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lakehouse.lineage import trace
from clicksmith.reading.snapshot import load_table
from clicksmith.recommenders.search.lexical import BM25
from clicksmith.recommenders.search.losses import PairsObjective, TowersObjective
from clicksmith.recommenders.search.text import SearchNetwork, WordPieces, build_search
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import Batch, Schedule, rows_of_step
from clicksmith.training.runs import Run

NAME = "search"
K = 10
MAX_ASKED_PAIRS = 50_000
TEXT_COLUMNS = ("title", "category", "subcategory", "brand")


@dataclass(frozen=True)
class Pairs:
    """Rows of gold.search_pairs with the products' texts.

    Attributes:
        queries, texts: shape (N,) each.
        query, item: numbers of the distinct queries and texts, shape (N,).
        grades: from 0, shape (N,).
    """

    queries: list[str]
    texts: list[str]
    query: NDArray[np.int64]
    item: NDArray[np.int64]
    grades: NDArray[np.int64]

    @classmethod
    def of(cls, queries: Sequence[str], texts: Sequence[str], grades: Sequence[int]) -> "Pairs":
        """Number them."""
        return cls(
            list(queries), list(texts), _numbers(queries), _numbers(texts), np.asarray(grades, np.int64)
        )

    def __len__(self) -> int:
        return len(self.queries)

    def take(self, rows: NDArray[np.integer]) -> "Pairs":
        """Some rows, with their numbers."""
        queries, texts = ([values[row] for row in rows] for values in (self.queries, self.texts))
        return Pairs(queries, texts, self.query[rows], self.item[rows], self.grades[rows])

    def figures(self, scores: NDArray[np.floating]) -> dict[str, float]:
        """Means over queries with a relevant product: NDCG of grades, recall and MRR of those above 0."""
        relevant = self.grades > 0
        values = {
            f"ndcg@{K}": relevance.ndcg(scores, self.grades, self.query, K),
            f"recall@{K}": relevance.recall(scores, relevant, self.query, K),
            "mrr": relevance.reciprocal_rank(scores, relevant, self.query),
        }
        return {name: float(np.nanmean(value)) for name, value in values.items() if not np.isnan(value).all()}

    def bm25(self) -> NDArray[np.float32]:
        """Scores of BM25 over the distinct texts, shape (N,)."""
        first = np.unique(self.item, return_index=True)[1]
        index = BM25.fit([self.texts[row] for row in first])
        scores = np.empty(len(self), np.float32)
        for query in np.unique(self.query):
            rows = self.query == query
            scores[rows] = index.score(self.queries[int(np.argmax(rows))])[self.item[rows]]
        return scores


def _numbers(texts: Sequence[str]) -> NDArray[np.int64]:
    """Each text's rank among the distinct ones."""
    return np.unique(np.array(texts, object).astype(str), return_inverse=True)[1].astype(np.int64)


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
        """Figures of test queries, beside those of BM25."""
        pairs = self.asked["test"]
        found: dict[str, float] = {"num_test_pairs": len(pairs)}
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


def make_task(config: SearchConfig, train: Pairs, asked: Mapping[str, Pairs], seed: int) -> SearchTask:
    """The task of some pairs; word pieces are fitted on training texts alone.

    Raises:
        TrainingError: no training pair has a grade above 0.
    """
    texts = list(dict.fromkeys([*train.queries, *train.texts]))
    if not (train.grades > 0).any():
        raise TrainingError(
            f"None of the {len(train):,} training pairs of queries and products has a grade above 0.",
            "Ingest searches with impressions and clicks that share their request_id.",
        )
    if config.model == "two_tower":  # the others of a batch are the negatives
        train = train.take(np.flatnonzero(train.grades > 0))
    network, pieces = build_search(config, texts, derive_seed(seed, "weights"))
    schedule = Schedule.of(config, seed)
    codec = {"search": config.model_dump(mode="json"), "pieces": pieces.definition}
    objective = PairsObjective(network) if network.is_cross else TowersObjective(network)
    return SearchTask(network, objective, schedule, codec, config, pieces, train, asked)


@dataclass(frozen=True)
class BuildSearch:
    """Reads the pinned snapshots in a worker and makes its task."""

    config: SearchConfig
    seed: int
    pairs: Snapshot
    items: Snapshot

    def __call__(self) -> SearchTask:
        """The task, the same on every worker."""
        rows = load_table(self.items, ["item_id", *TEXT_COLUMNS])
        columns = [pc.fill_null(rows.column(name), "") for name in TEXT_COLUMNS]
        texts = pc.binary_join_element_wise(*columns, " ").to_pylist()
        text_of = dict(zip(rows.column("item_id").to_pylist(), texts, strict=True))
        train = self._pairs("train", self.config.max_pairs, text_of)
        asked = {split: self._pairs(split, MAX_ASKED_PAIRS, text_of) for split in ("validation", "test")}
        return make_task(self.config, train, asked, self.seed)

    def _pairs(self, split: str, max_rows: int, text_of: Mapping[str, str]) -> Pairs:
        rows: pa.Table = load_table(self.pairs, ["query", "item_id", "grade"], {"split": split}, max_rows)
        texts = [text_of.get(item, "") for item in rows.column("item_id").to_pylist()]
        return Pairs.of(rows.column("query").to_pylist(), texts, rows.column("grade").to_pylist())


def search_run(config: Config, search: SearchConfig, pairs: Snapshot, items: Snapshot) -> Run:
    """The run that `config.search` describes, on pinned snapshots."""
    inputs = {"search_pairs": pairs, "items": items}
    lineage = trace(f"train_recommender/{NAME}", config, {"search": search}, inputs)
    seed = derive_seed(config.seed, "train_recommender", NAME)
    return Run(NAME, search.model, lineage, pairs, BuildSearch(search, seed, pairs, items))
