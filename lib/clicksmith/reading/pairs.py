"""Graded pairs of queries and products with their texts, as a search model reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.evaluation.metrics import relevance
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.guards import require_same_run
from clicksmith.reading.inputs import Vocabulary
from clicksmith.reading.snapshot import data_files, load_table, not_after, read_file
from clicksmith.recommenders.search.lexical import BM25

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

    def num_in(self, trained: "Pairs") -> int:
        """How many are among those that a model was trained on, the same query with the same text.

        No leak, for people ask again; but who knows a pair by heart needs to have learnt nothing else.
        """
        known = set(zip(trained.queries, trained.texts, strict=True))
        return sum(pair in known for pair in zip(self.queries, self.texts, strict=True))

    def figures(self, scores: NDArray[np.floating]) -> dict[str, float]:
        """Means over queries with a relevant product: NDCG of grades, recall and MRR of those above 0."""
        values = self.by_query(scores)
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

    def by_query(self, scores: NDArray[np.floating]) -> dict[str, NDArray[np.float64]]:
        """The figures of each query, NaN for one without a relevant product; shape (Q,)."""
        relevant = self.grades > 0
        return {
            f"ndcg@{K}": relevance.ndcg(scores, self.grades, self.query, K),
            f"recall@{K}": relevance.recall(scores, relevant, self.query, K),
            "mrr": relevance.reciprocal_rank(scores, relevant, self.query),
        }


def _numbers(texts: Sequence[str]) -> NDArray[np.int64]:
    """Each text's rank among the distinct ones."""
    return np.unique(np.array(texts, object).astype(str), return_inverse=True)[1].astype(np.int64)


@dataclass(frozen=True)
class SearchRows:
    """What a search model learns from and is asked.

    Attributes:
        train: pairs of the train split, by hash of the query.
        asked: on validation and on test.
        num_beyond: queries of validation and of test with a product that was taken that are not asked, see
            `read_pairs`.
        titles: of the products that were there before the cut, those without one left out; shape (I,).
        texts: of the same products.
    """

    train: Pairs
    asked: Mapping[str, Pairs]
    num_beyond: Mapping[str, int]
    titles: list[str]
    texts: list[str]


def read_pairs(
    pairs: Snapshot, items: Snapshot, vocabulary: Snapshot, max_pairs: int, max_known: int | None = None
) -> SearchRows:
    """Read the pinned snapshots.

    Queries that lie beyond the training pairs by their hash are not asked: those that were asked before the
    cut would seem to be new.

    Args:
        pairs: gold.search_pairs.
        items: bronze.items, which has no time.
        vocabulary: gold.vocabulary, of what was there before the cut that all models have.
        max_pairs: of training.
        max_known: of these, the first ones beyond which nothing is asked; None: all of them.

    Raises:
        TrainingError: the pairs are of another run than the vocabulary, or this holds no items.
    """
    require_same_run(vocabulary, pairs)
    rows = load_table(items, ["item_id", *TEXT_COLUMNS])
    columns = [pc.fill_null(rows.column(name), "") for name in TEXT_COLUMNS]
    texts = pc.binary_join_element_wise(*columns, " ").to_pylist()
    text_of = dict(zip(rows.column("item_id").to_pylist(), texts, strict=True))
    train = _rows(pairs, "train", max_pairs + 1)
    there = {split: _rows(pairs, split, MAX_ASKED_PAIRS) for split in ("validation", "test")}
    num_known = max_pairs if max_known is None else min(max_known, max_pairs)
    asked = there
    if train.num_rows > num_known:
        last = train.column("query")[num_known - 1].as_py()
        asked = {
            split: found.filter(not_after(found.column("query"), last)) for split, found in there.items()
        }
    num_beyond = {split: _num_queries(there[split]) - _num_queries(asked[split]) for split in there}
    was_there = Vocabulary.load(vocabulary).numbers(rows.column("item_id")) > 0
    told = zip(columns[0].to_pylist(), texts, was_there, strict=True)
    titled = [(title, text) for title, text, known in told if title and known]
    return SearchRows(
        _pairs(train.slice(0, max_pairs), text_of),
        {split: _pairs(found, text_of) for split, found in asked.items()},
        num_beyond,
        [title for title, _ in titled],
        [text for _, text in titled],
    )


def _rows(pairs: Snapshot, split: str, max_rows: int) -> pa.Table:
    return load_table(pairs, ["query", "item_id", "grade"], {"split": split}, max_rows)


def _num_queries(rows: pa.Table) -> int:
    """With a product that was taken: others cannot be judged."""
    return int(pc.count_distinct(rows.filter(pc.greater(rows.column("grade"), 0)).column("query")).as_py())


def _pairs(rows: pa.Table, text_of: Mapping[str, str]) -> Pairs:
    texts = [text_of.get(item, "") for item in rows.column("item_id").to_pylist()]
    return Pairs.of(rows.column("query").to_pylist(), texts, rows.column("grade").to_pylist())


def why_no_search(pairs: Snapshot, splits: Sequence[str]) -> str:
    """Why there is no search to learn from, or to judge by, and the remedy; empty: there is.

    Args:
        pairs: gold.search_pairs; empty, where a log has no queries, or no requests.
        splits: each of which needs a product that was taken.
    """
    lacking = [split for split in splits if not _has_taken(pairs, split)]
    if not lacking:
        return ""
    return (
        f"{pairs.table.name} version {pairs.version} has no query with a product that was taken in split "
        f"{' or '.join(lacking)}. Ingest searches (query) with impressions and clicks that share their "
        "request_id, or leave search out."
    )


def _has_taken(pairs: Snapshot, split: str) -> bool:
    """Looks no further than the first such pair."""
    where = {"split": split}
    for file in data_files(pairs, where):
        for _, rows in read_file(pairs, file, ["grade"], where):
            if pc.any(pc.greater(rows.column("grade"), 0)).as_py():
                return True
    return False
