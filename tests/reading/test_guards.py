"""Planted leaks, each seen before anything is trained."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from builders import rows_of
from clicksmith.config import Config, SearchConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS, SEQUENCES, VOCABULARY
from clicksmith.training.ranker import BuildRanker, ranker_run
from clicksmith.training.search import search_run
from clicksmith.training.sequential import sequential_run
from training.toy_lake import write_examples, write_rows
from training.toy_lift import cycle_sequences, examples_with, vocabulary_of


@pytest.fixture
def rows() -> pa.Table:
    return examples_with(3000, 100, "noise")


def build(config: Config, lake: Lake, rows: pa.Table, vocabulary_run: str = "f" * 32) -> BuildRanker:
    train = rows.filter([split == "train" for split in rows["split"].to_pylist()])
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(train["item_id"].to_pylist()), vocabulary_run)
    made = ranker_run(config, write_examples(lake, rows), vocabulary).build
    assert isinstance(made, BuildRanker)
    return made


def changed(rows: pa.Table, name: str, values: Any) -> pa.Table:
    field = rows.schema.field(name)
    return rows.set_column(rows.column_names.index(name), field, [pa.array(values).cast(field.type)])


def test_honest_rows_pass(make_config: Callable[..., Config], lake: Lake, rows: pa.Table) -> None:
    assert build(make_config(), lake, rows)().num_rows > 0


def test_a_feature_that_knows_the_outcome(
    make_config: Callable[..., Config], lake: Lake, rows: pa.Table
) -> None:
    """The mean price after the impression, not before it: it moves where there was a purchase."""
    bought = np.array(rows["label_purchase"].to_pylist())
    planted = changed(rows, "item_price", np.where(bought, 2.5, 1.5))
    with pytest.raises(TrainingError, match=r"item_price alone ranks validation rows with an AUC of 1\.0000"):
        build(make_config(), lake, planted)()
    assert build(make_config("ranker.max_feature_auc=1"), lake, planted)().num_rows > 0


def test_a_vocabulary_of_another_run(make_config: Callable[..., Config], lake: Lake, rows: pa.Table) -> None:
    with pytest.raises(TrainingError, match="were not made by the same run"):
        build(make_config(), lake, rows, vocabulary_run="v" * 32)()
    sequences = write_rows(lake, SEQUENCES, cycle_sequences(5, 4, 3), "f" * 32)
    inputs = {"sequences": sequences, "vocabulary": lake.get(VOCABULARY)}
    with pytest.raises(TrainingError, match=r"gold\.sequences version 0 were not made by the same run"):
        sequential_run(make_config(), inputs).build()
    pairs, items = (
        write_rows(lake, table, rows_of(table, []), "f" * 32) for table in (SEARCH_PAIRS, BRONZE_ITEMS)
    )
    with pytest.raises(TrainingError, match=r"gold\.search_pairs version 0 were not made by the same run"):
        search_run(make_config(), SearchConfig(), pairs, items, lake.get(VOCABULARY)).build()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_generated_row_among_those_asked(
    make_config: Callable[..., Config], lake: Lake, rows: pa.Table, split: str
) -> None:
    place = rows["split"].to_pylist().index(split)
    users = rows["user_id"].to_pylist()
    users[place] = None
    with pytest.raises(TrainingError, match=f"1 of .* rows in split '{split}' have no user"):
        build(make_config(), lake, changed(rows, "user_id", users))()


def test_a_class_that_never_occurs(make_config: Callable[..., Config], lake: Lake, rows: pa.Table) -> None:
    made = build(make_config(), lake, rows)
    config = dataclasses.replace(made, config=made.config.model_copy(update={"label": "label_cart"}))
    with pytest.raises(TrainingError, match="label_cart is never true in"):
        config()
