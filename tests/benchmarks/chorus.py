"""Product search with human judgments, by five folds over queries: BM25, encoders, and both."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.intervals import print_interval
from benchmarks.lines import print_line
from benchmarks.public_logs import DATA
from clicksmith.config import SearchConfig
from clicksmith.evaluation.metrics import relevance
from clicksmith.recommenders.search.text import build_search
from clicksmith.training.engine.supervised import fit
from clicksmith.training.search import K, Pairs, make_task

FOLDS = 5
MIX = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of BM25 beside an encoder; the best one on the queries of the other folds."""

MINILM = SearchConfig(start="minilm", learning_rate=5e-5, num_steps=60, batch_size=16, max_text_tokens=32)
TRAINED = {
    "towers_scratch": SearchConfig(num_steps=300),
    "towers_minilm": MINILM,
    "cross_minilm": MINILM.model_copy(update={"model": "cross_encoder"}),
}

Scores = NDArray[np.float64]


def read() -> Pairs:
    """Queries, names with descriptions, and the raters' final grade."""
    rows = pd.read_csv(DATA / "chorus_search" / "individual_ratings.csv").fillna("")
    texts = (rows["name"] + " " + rows["description"]).tolist()
    return Pairs.of(rows["query"].tolist(), texts, rows["final_rating"].astype(int).tolist())


def standardised(scores: NDArray[np.floating], query: NDArray[np.int64]) -> Scores:
    """Of mean 0 and deviation 1 within each query."""
    count = np.bincount(query)
    mean = np.bincount(query, scores) / count
    deviation = np.sqrt(np.bincount(query, (scores - mean[query]) ** 2) / count)
    return (scores - mean[query]) / np.maximum(deviation[query], 1e-9)


def trained_scores(pairs: Pairs, config: SearchConfig, fold: NDArray[np.int64]) -> Scores:
    """Each row scored by the model that was trained on the other folds' queries."""
    scores = np.zeros(len(pairs))
    for number in range(FOLDS):
        asked = np.flatnonzero(fold[pairs.query] == number)
        train = pairs.take(np.flatnonzero(fold[pairs.query] != number))
        task = make_task(config, train, {}, seed=number)
        fit(task.objective, task.schedule, partial(task.batch, rank=0, world_size=1))
        rows = pairs.take(asked)
        scores[asked] = task.network.score(task.pieces, rows.queries, rows.texts, config)
    return standardised(scores, pairs.query)


def mixed(pairs: Pairs, bm25: Scores, encoder: Scores, fold: NDArray[np.int64]) -> Scores:
    """Both, weighed by what is best on the other folds' queries."""
    candidates = [weight * bm25 + (1 - weight) * encoder for weight in MIX]
    figures = [relevance.ndcg(one, pairs.grades, pairs.query, K) for one in candidates]
    best = [
        int(np.argmax([np.nanmean(figure[fold != number]) for figure in figures])) for number in range(FOLDS)
    ]
    return np.choose(np.array(best)[fold[pairs.query]], candidates)


def all_scores(pairs: Pairs, fold: NDArray[np.int64]) -> Iterator[tuple[str, Scores]]:
    """Of each model: its name and its scores, BM25 first."""
    bm25 = standardised(pairs.bm25(), pairs.query)
    yield "bm25", bm25
    network, pieces = build_search(MINILM, [], seed=0)
    minilm = standardised(network.score(pieces, pairs.queries, pairs.texts, MINILM), pairs.query)
    yield "minilm", minilm
    yield "bm25+minilm", mixed(pairs, bm25, minilm, fold)
    for name, config in TRAINED.items():
        scores = trained_scores(pairs, config, fold)
        yield name, scores
        yield f"bm25+{name}", mixed(pairs, bm25, scores, fold)


def chorus() -> None:
    """A line for each model, with its interval and its difference to BM25 over the same queries."""
    pairs = read()
    num_queries = int(pairs.query.max()) + 1
    fold = np.random.default_rng(0).permutation(num_queries) % FOLDS
    figures = (
        (name, relevance.ndcg(scores, pairs.grades, pairs.query, K))
        for name, scores in all_scores(pairs, fold)
    )
    _, base = next(figures)
    judged = ~np.isnan(base)
    base = base[judged]

    def line(metric: str, values: Scores, peer: float | None = None) -> None:
        print_line("recommenders", metric, float(values.mean()), "1", peer and "bm25", peer)
        print_interval(metric, figures.mean(values))

    print_line("recommenders", "chorus.queries", int(judged.sum()), "queries")
    line(f"chorus.bm25.ndcg@{K}", base)
    for name, values in figures:
        line(f"chorus.{name}.ndcg@{K}", values[judged], float(base.mean()))
        line(f"chorus.{name}.minus_bm25", values[judged] - base)
