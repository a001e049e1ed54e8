"""Search models on planted queries, from the lake to the folder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from safetensors.torch import load_file

from builders import rows_of
from clicksmith.config import Config, SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.recommenders.search.text import WordPieces, network_of
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS, VOCABULARY
from clicksmith.training.runs import train_all
from clicksmith.training.search import Pairs, make_task, search_run
from training.toy_lake import write_rows
from training.toy_lift import vocabulary_of

COLOURS = ["red", "blue", "green", "black"]
THINGS = ["shoe", "hat", "dress", "coat", "bag"]
SYNONYMS = {"shoe": "sneaker", "hat": "cap", "dress": "gown", "coat": "parka", "bag": "tote"}
SMALL = {
    "num_steps": 150,
    "dim": 32,
    "num_blocks": 1,
    "num_pieces": 200,
    "batch_size": 32,
    "learning_rate": 3e-3,
}


def planted(split: str) -> list[dict]:
    """Queries name things by words that no text has: what BM25 cannot find has to be learnt."""
    rows = []
    for colour in COLOURS:
        for thing in THINGS:
            for other in THINGS:
                rows.append(
                    {
                        "query": f"{colour} {SYNONYMS[thing]}",
                        "item_id": f"{colour}-{other}",
                        "grade": 2 if other == thing else 0,
                        "num_impressions": 1,
                        "num_clicks": int(other == thing),
                        "num_carts": 0,
                        "num_purchases": 0,
                        "source": "log",
                        "split": split,
                    }
                )
    return rows


def items() -> pa.Table:
    return rows_of(
        BRONZE_ITEMS,
        [
            {"item_id": f"{c}-{t}", "title": f"{c} {t}", "source": "t", "ingest_id": "t"}
            for c in COLOURS
            for t in THINGS
        ],
    )


@pytest.mark.parametrize(("model", "num_steps"), [("two_tower", 150), ("cross_encoder", 400)])
def test_learns_words_that_bm25_cannot_match(
    model: str, num_steps: int, make_config: Callable[..., Config], lake: Lake
) -> None:
    search = SearchConfig.model_validate({**SMALL, "model": model, "num_steps": num_steps, "dropout": 0.0})
    config = make_config("ray.num_workers=0")
    rows = [row for split in ("train", "validation", "test") for row in planted(split)]
    pairs = write_rows(lake, SEARCH_PAIRS, rows_of(SEARCH_PAIRS, rows), "f" * 32)
    catalogue = write_rows(lake, BRONZE_ITEMS, items(), "i" * 32)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(["a"]), "f" * 32)
    run = search_run(config, search, pairs, catalogue, vocabulary)
    folder = Path(train_all([run], config.ray, models_root(config))[0])
    metrics = json.loads((folder / "card.json").read_text())["metrics"]
    trained = 20 if model == "two_tower" else 100  # two towers are shown what was taken alone
    assert (metrics["num_test_pairs"], metrics["num_trained_pairs"]) == (100, trained)
    assert metrics["test_ndcg@10"] > 0.9 > metrics["bm25_ndcg@10"]
    assert metrics["test_mrr"] > 0.9
    # The folder is all that it takes to score again.
    codec = json.loads((folder / "codec.json").read_text())
    pieces = WordPieces(codec["pieces"])
    network = network_of(SearchConfig.model_validate(codec["search"]), len(pieces))
    network.load_state_dict(load_file(folder / "weights.safetensors"))
    scores = network.score(pieces, ["red sneaker"] * 2, ["red shoe", "red hat"], search)
    assert scores[0] > scores[1]


def test_batches_are_parts_of_the_whole_and_pieces_are_of_training_texts() -> None:
    train = Pairs.of(["red cap", "blue cap", "red tote"], ["red hat", "blue hat", "red bag"], [1, 2, 0])
    asked = {"validation": Pairs.of([], [], []), "test": Pairs.of(["zzz"], ["qqq"], [1])}
    task = make_task(SearchConfig.model_validate({**SMALL, "batch_size": 4}), train, asked, seed=1)
    assert task.num_rows == 2, "a pair without an outcome is no positive of two towers"
    whole, halves = task.batch(0, 0, 1), [task.batch(0, rank, 2) for rank in (0, 1)]
    assert whole[4].tolist() == [
        value for pair in zip(*(h[4].tolist() for h in halves), strict=True) for value in pair
    ]
    assert "z" not in json.loads(task.codec["pieces"])["model"]["vocab"]
    assert task.validate() == {}


def test_figures_and_bm25_by_hand() -> None:
    pairs = Pairs.of(["hat", "hat", "bag"], ["a hat", "a coat", "a coat"], [0, 1, 0])
    found = pairs.figures(pairs.bm25())
    assert found == {"ndcg@10": pytest.approx(1 / np.log2(3)), "recall@10": 1.0, "mrr": 0.5}


def test_pairs_that_were_trained_on_are_counted_by_hand() -> None:
    """The same query with the same text, whatever became of it; as often as it is asked."""
    trained = Pairs.of(["hat", "hat", "bag"], ["a hat", "a coat", "a bag"], [1, 0, 1])
    asked = Pairs.of(["hat", "bag", "bag", "hat"], ["a hat", "a hat", "a bag", "a hat"], [0, 1, 2, 1])
    assert asked.num_in(trained) == 3 and trained.num_in(asked) == 2


def test_pairs_without_an_outcome_are_an_error_that_says_so() -> None:
    train = Pairs.of(["a"], ["b"], [0])
    with pytest.raises(TrainingError, match="None of the 1 training pairs"):
        make_task(SearchConfig(), train, {"validation": train, "test": train}, seed=0)
