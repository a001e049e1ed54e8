"""Search from clicks to the shipped model: pairs, arms of two families, a verdict that is followed."""

import json
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

import build_training_set
import measure_lift
import train_recommender
from builders import at, event, rows_of
from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reading.snapshot import load_table
from clicksmith.tables import (
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVALUATION_METRICS,
    SEARCH_PAIRS,
    SILVER_EVENTS,
    VERDICTS,
)
from training.toy_lake import write_rows

pytestmark = [pytest.mark.spark, pytest.mark.slow]

OLD, NEW = (
    [(2 * first, 2 * second) for first, second in product(*letters)]
    for letters in (("abcde", "fghij"), ("klmnopq", "rstuvwx"))
)
"""A product's two words, by whether anybody asked for it before the cut. The new ones have no letter of the
old: a model of real pairs alone cannot tell them from one another, titles can."""

ASKED = {0: (OLD, 25), 30: (NEW[:21], 20), 40: (NEW[21:], 28)}
"""By the first of ten days: the products that are asked for, and how many times."""

QUICK = (
    "ray.num_workers=0", "features={cut_date: 2024-01-31, validation_fraction: 0.55}", "lift.num_seeds=3",
    "lift.min_users=10", "lift.min_positives=2", "ranker.label=label_click", "ranker.num_steps=2",
    "ranker.num_validations=1", "ranker.batch_size=16", "sequential.num_steps=2", "sequential.batch_size=8",
    "sequential.num_validations=1", "lift.search.models=[cross_encoder]",
    "lift.search.arms={none: {kind: none}, again: {kind: same}, duplicate: {kind: duplicate, ratio: 2.0}, "
    "titles: {kind: titles, ratio: 2.0}}",
    "search={model: two_tower, num_steps: 20, batch_size: 16, dim: 16, num_blocks: 1, num_pieces: 100, "
    "num_validations: 1, learning_rate: 0.003, max_query_tokens: 6, max_text_tokens: 8}",
)  # fmt: skip


def searches() -> Iterator[dict[str, Any]]:
    """Ten users ask for a product by its words, are shown it beside another one, and click it.

    The new products are shown before the cut as well, to who asks for nothing: their titles are known then.
    """
    for row, words in enumerate(NEW):
        user, name = f"u{row % 10}", f"seen{row}"
        yield event(name, "impression", at(row % 10, row), user, "-".join(words), session_id=f"{user}/{name}")
    for first, (products, number) in ASKED.items():
        for row in range(number):
            words, other = products[row % len(products)], products[(row + 1) % len(products)]
            name, user, moment = f"{first}/{row}", f"u{row % 10}", at(first + row % 10, row)
            mine = {"user": user, "session_id": f"{user}/{name}", "request_id": name}
            yield event(f"s{name}", "search", moment, item=None, query=" ".join(words), **mine)
            for position, item in enumerate((words, other)):
                shown = {"item": "-".join(item), "position": position, **mine}
                yield event(f"i{position}{name}", "impression", moment, **shown)
            yield event(f"c{name}", "click", at(first + row % 10, row + 1), item="-".join(words), **mine)


@pytest.fixture
def silver(lake: Lake) -> Lake:
    items = [{"item_id": "-".join(words), "title": " ".join(words)} for words in (*OLD, *NEW)]
    for table, rows in ((SILVER_EVENTS, list(searches())), (BRONZE_ITEMS, items), (BRONZE_USERS, [])):
        write_rows(lake, table, rows_of(table, rows), "f" * 32)
    return lake


def trained(config: Config) -> tuple[dict[str, Any], bytes]:
    """The search model that is shipped now: its card and its weights."""
    folder = Path(config.lake.root, "_models", "recommenders")
    before = set(folder.glob("search-*"))
    train_recommender.run(config)
    (new,) = set(folder.glob("search-*")) - before
    return json.loads((new / "card.json").read_text()), (new / "weights.safetensors").read_bytes()


def test_search_from_clicks_to_the_model_that_follows_its_verdict(
    spark: object, silver: Lake, make_config: Callable[..., Config]
) -> None:
    config = make_config(*QUICK)
    build_training_set.run(config)
    measure_lift.run(config)
    rows = load_table(silver.get(VERDICTS), ["run_id", "task", "model", "decision", "arm", "evidence"])
    verdicts = {json.loads(row["evidence"])["name"]: row for row in rows.to_pylist()}
    assert {name: (row["task"], row["model"]) for name, row in verdicts.items()} == {
        "ranking": ("ranking", "dcnv2"),
        "search": ("search", "two_tower"),
        "search/cross_encoder": ("search", "cross_encoder"),
    }
    told = json.loads(verdicts["search"]["evidence"])
    assert (verdicts["search"]["decision"], verdicts["search"]["arm"]) == ("augment", "titles"), told
    assert (told["num_test_units"], told["unit"], told["num_trained_pairs"]) == (28, "queries", 0)
    assert {name: arm["role"] for name, arm in told["arms"].items()} == {
        "none": "control", "again": "same", "duplicate": "cheap", "titles": "free"
    }  # fmt: skip
    assert told["arms"]["titles"]["ci_low"] > 0.02 > told["arms"]["duplicate"]["value"]
    figures = load_table(silver.get(EVALUATION_METRICS), ["metric", "arm", "slice"], {"job": "measure_lift"})
    for name in ("search", "search/cross_encoder"):
        found = {
            (row["metric"], row["arm"]) for row in figures.to_pylist() if row["slice"] == "new_query=yes"
        }
        assert {arm for metric, arm in found if metric == f"lift.{name}.ndcg@10"} == {
            "again", "duplicate", "titles"
        }  # fmt: skip

    card, weights = trained(config)
    augmented = card["settings"]["augmented"]
    assert (augmented["arm"], augmented["verdict"]) == ("titles", verdicts["search"]["run_id"])
    real, plain = trained(make_config(*QUICK, "search.augment=none"))
    assert plain != weights and "augmented" not in real["settings"]
    assert (real["num_rows"], card["num_rows"]) == (25, 75), "pairs that were clicked, and two titles to each"
    assert card["metrics"]["test_ndcg@10"] > real["metrics"]["test_ndcg@10"] + 0.05

    with pytest.raises(TrainingError, match=r"run measure_lift again.*or set search\.augment to none"):
        train_recommender.run(make_config(*QUICK, "lift.num_seeds=4"))
    pairs = silver.get(SEARCH_PAIRS)
    write_rows(silver, SEARCH_PAIRS, load_table(pairs, SEARCH_PAIRS.column_names), "e" * 32, mode="overwrite")
    with pytest.raises(TrainingError, match=r"of search cannot follow it.*or set search\.augment to none"):
        train_recommender.run(config)
