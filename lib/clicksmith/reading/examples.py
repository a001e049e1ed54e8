"""Coded examples of each split with what metrics and segments ask of them, and the guards against leaks."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.config import RankerConfig
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.guards import (
    require_both_classes,
    require_no_oracle,
    require_real,
    require_same_run,
)
from clicksmith.reading.histories import Histories
from clicksmith.reading.inputs import (
    FEATURES,
    ID,
    ITEM,
    USER,
    RankerCodec,
    Vocabulary,
    require_rows,
    user_numbers,
)
from clicksmith.reading.snapshot import load_examples

MIN_ROWS = 2
MAX_VALIDATION_ROWS = 20_000
FACTS = ("user_num_events", "item_num_purchases", "is_cold_user", "is_cold_item", "item_category")
"""What segments and baselines are told by."""
POPULARITY = "popularity"
"""A fact beside these: how often the row's item was taken before the cut, the same in early rows as in late
ones; 0 of an item that is in no vocabulary."""


@dataclass(frozen=True)
class Examples:
    """Coded rows.

    Attributes:
        codes: shape (N, C).
        labels: shape (N,).
        auxiliary: other labels, shape (N, A).
        weights: 1 / propensity, shape (N,).
        users: a number for each row's user, shape (N,).
        items: a number for each row's item, shape (N,).
        facts: columns of `FACTS`, and `POPULARITY`, shape (N,) each.
    """

    codes: NDArray[np.int32]
    labels: NDArray[np.bool_]
    auxiliary: NDArray[np.bool_]
    weights: NDArray[np.float64]
    users: NDArray[np.int64]
    items: NDArray[np.int64]
    facts: Mapping[str, NDArray[Any]]

    def __len__(self) -> int:
        """Rows."""
        return len(self.labels)

    def take(self, rows: NDArray[np.integer]) -> "Examples":
        """Rows by their number, as often as they are named."""
        return Examples(
            self.codes[rows],
            self.labels[rows],
            self.auxiliary[rows],
            self.weights[rows],
            self.users[rows],
            self.items[rows],
            {name: values[rows] for name, values in self.facts.items()},
        )


@dataclass(frozen=True)
class ExampleCoder:
    """From rows of the contract to coded ones; fitted on real training rows.

    Attributes:
        label: what is learnt.
        auxiliary: labels that are learnt beside it.
        codec: of features and item.
        vocabulary: of all items.
        histories: users' newest items before each row, for the networks that look at them.
        history_length: of these.
    """

    label: str
    auxiliary: tuple[str, ...]
    codec: RankerCodec
    vocabulary: Vocabulary
    histories: Histories | None
    history_length: int

    def __call__(self, rows: pa.Table) -> Examples:
        """Rows with the columns, coded."""
        codes = self.codec.encode(rows)
        if self.histories is not None:
            before = self.histories.before(rows.column(USER), rows.column("event_ts"), self.history_length)
            codes = np.column_stack([codes, before])
        labels = [rows.column(name).to_numpy().astype(bool) for name in (self.label, *self.auxiliary)]
        items = rows.column(ITEM).combine_chunks().dictionary_encode().indices
        taken = self.vocabulary.num_outcomes[self.vocabulary.numbers(rows.column(ITEM))]
        return Examples(
            codes=codes,
            labels=labels[0],
            auxiliary=np.column_stack(labels)[:, 1:],
            weights=rows.column("sample_weight").to_numpy(),
            users=user_numbers(rows),
            items=items.to_numpy().astype(np.int64),
            facts={**{name: rows.column(name).to_numpy() for name in FACTS}, POPULARITY: taken},
        )


@dataclass(frozen=True)
class Splits:
    """The real rows of a ranker; `validation` is None where there are none."""

    coder: ExampleCoder
    train: Examples
    validation: Examples | None
    test: Examples


def columns_of(config: RankerConfig) -> list[str]:
    """What rows need to be coded."""
    labels = (config.label, *config.auxiliary_labels)
    return list(dict.fromkeys([*FEATURES, ITEM, USER, ID, "event_ts", "sample_weight", *labels, *FACTS]))


def read_splits(
    config: RankerConfig,
    examples: Snapshot,
    vocabulary: Snapshot,
    sequences: Snapshot | None = None,
    max_rows: int | None = None,
) -> Splits:
    """Read and code real rows; all fitting is on the train split.

    Args:
        config: of the ranker.
        examples: gold.training_examples.
        vocabulary: gold.vocabulary.
        sequences: gold.sequences, for a network that looks at histories.
        max_rows: of training, else the configuration's.

    Raises:
        TrainingError: rows are too few, of one class only, generated where they must be real, or a feature
            knows the outcome; or the vocabulary is of another run.
    """
    require_same_run(vocabulary, examples)
    words = Vocabulary.load(vocabulary)
    items = words.items()
    columns = columns_of(config)
    train = load_examples(examples, columns, "train", max_rows or config.max_rows)
    require_rows(train, "train", examples, MIN_ROWS)
    coder = ExampleCoder(
        config.label,
        config.auxiliary_labels,
        RankerCodec.fit(train, items, config.oov_buckets),
        words,
        None if sequences is None else Histories.load(sequences, items),
        config.history_length,
    )
    coded = coder(train)
    require_both_classes(coded.labels, config.label, examples)
    validation = load_examples(examples, columns, "validation", MAX_VALIDATION_ROWS)
    test = load_examples(examples, columns, "test", config.max_test_rows)
    require_rows(test, "test", examples)
    for split, rows in (("validation", validation), ("test", test)):
        require_real(rows, USER, split)
    asked = coder(validation) if validation.num_rows else None
    if asked is not None:
        limit, known = config.max_feature_auc, coder.codec.names
        require_no_oracle(coded.codes, coded.labels, asked.codes, asked.labels, known, limit)
    return Splits(coder, coded, asked, coder(test))
