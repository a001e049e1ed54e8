"""Which tasks are measured: what a log has nothing to learn from is left out, and stops no other one."""

from collections.abc import Callable, Mapping

import pytest

from builders import rows_of
from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.inputs import inputs_of
from clicksmith.lift.tasks import tasks_of
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS, VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of

QUICK = (
    "ray.num_workers=0", "lift.max_rows=300", "ranker.max_rows=500", "lift.min_users=2",
    "lift.arms={none: {kind: none}}", "lift.search.arms={none: {kind: none}}", "search={num_steps: 2}",
)  # fmt: skip


@pytest.fixture
def gold(lake: Lake) -> Lake:
    rows, items = examples_with(2000, 100, "noise"), [{"item_id": "a", "title": "red shoe"}]
    write_examples(lake, rows)
    write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    write_rows(lake, BRONZE_ITEMS, rows_of(BRONZE_ITEMS, items), "f" * 32)
    return lake


@pytest.mark.parametrize(
    ("grades", "lacking"),
    [
        ({}, "train or test"),
        ({"train": 0, "validation": 3, "test": 1}, "train"),
        ({"train": 1, "validation": 1}, "test"),
        ({"train": 1, "test": 2}, None),
    ],
)
def test_search_is_measured_where_products_were_searched_for_and_taken(
    gold: Lake,
    make_config: Callable[..., Config],
    caplog: pytest.LogCaptureFixture,
    grades: Mapping[str, int],
    lacking: str | None,
) -> None:
    config = make_config(*QUICK)
    pairs = [
        {
            "query": "shoe", "item_id": "a", "grade": grade, "num_impressions": 1, "num_clicks": grade,
            "num_carts": 0, "num_purchases": 0, "source": "log", "split": split,
        }
        for split, grade in grades.items()
    ]  # fmt: skip
    write_rows(gold, SEARCH_PAIRS, rows_of(SEARCH_PAIRS, pairs), "f" * 32)
    tasks = [task.name for task in tasks_of(config, inputs_of(config, gold, {}))]
    told = [line for line in caplog.messages if line.startswith("search is ")]
    if lacking is None:
        assert tasks == ["ranking", "search"] and told == []
    else:
        assert tasks == ["ranking"]
        assert told == [
            "search is not measured: gold.search_pairs version 0 has no query with a product that was taken "
            f"in split {lacking}. Ingest searches (query) with impressions and clicks that share their "
            "request_id, or leave search out."
        ]
