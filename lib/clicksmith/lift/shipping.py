"""The shipped models trained as a verdict says: called in each worker, by the measurement's rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from clicksmith.config import Config, SearchConfig, SequentialConfig
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lift.arms import Stock, added_rows, is_rare
from clicksmith.lift.decided import Decided, decided
from clicksmith.lift.inputs import inputs_of
from clicksmith.lift.next_item import settings_of, took_rare, training_rows
from clicksmith.lift.ranking import generated_rows, with_popularity
from clicksmith.lift.search import training_pairs
from clicksmith.reading.examples import Splits
from clicksmith.reading.next_items import popularity_scores
from clicksmith.reading.pairs import Pairs, SearchRows
from clicksmith.reading.sequences import SequenceRows
from clicksmith.seeds import derive_seed
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS
from clicksmith.training.ranker import Added, ranker_run
from clicksmith.training.runs import Run
from clicksmith.training.search import search_run
from clicksmith.training.sequential import sequential_run


@dataclass(frozen=True)
class AugmentRanker:
    """See `training.ranker.Augment`: the same rows, weights and curriculum as in the measurement."""

    config: Config
    decided: Decided
    examples: Snapshot

    @property
    def told(self) -> Mapping[str, Any]:
        """Which arm, by which verdict."""
        return self.decided.told

    @property
    def inputs(self) -> Mapping[str, Snapshot]:
        """What is read besides real rows."""
        found = self.decided.generated
        return {} if found is None else {"synthetic": found}

    def __call__(self, splits: Splits) -> Added | None:
        """The rows to add; drawn anew, but by the measurement's rules."""
        arm, splits, generated = self.decided.arm, with_popularity(splits), {}
        fit, table = self.decided.fit, self.decided.generated
        if arm.generator is not None and fit is not None and table is not None:
            ratio = arm.ratio if arm.only is None else self.config.synthesis.ratio
            wanted = round(ratio * len(splits.train))
            rows = generated_rows(self.config, fit, table, self.examples, splits.coder, wanted)
            generated[arm.generator] = (rows,)
        nothing = splits.train.take(np.zeros(0, np.int64))
        stock = Stock(splits.train, nothing, is_rare(splits.train, splits.train), generated)
        seed = derive_seed(self.config.seed, "train_recommender", "ranker", "augment")
        return added_rows(arm, stock, 0, seed, self.config.ranker, splits)


@dataclass(frozen=True)
class AugmentSequences:
    """See `training.sequential.Augment`."""

    decided: Decided
    seed: int

    @property
    def told(self) -> Mapping[str, Any]:
        """Which arm, by which verdict."""
        return self.decided.told

    def __call__(self, rows: SequenceRows, config: SequentialConfig) -> tuple[SequentialConfig, pa.Table]:
        """The settings and the users."""
        arm, num_real = self.decided.arm, rows.train.num_rows
        tail = took_rare(rows, num_real, popularity_scores(rows.items))
        seed = derive_seed(self.seed, "train_recommender", "sequential", "augment")
        return settings_of(arm, config), training_rows(arm, rows.train, num_real, tail, seed)


@dataclass(frozen=True)
class AugmentPairs:
    """See `training.search.Augment`."""

    decided: Decided
    seed: int

    @property
    def told(self) -> Mapping[str, Any]:
        """Which arm, by which verdict."""
        return self.decided.told

    def __call__(self, rows: SearchRows) -> Pairs:
        """The training pairs."""
        seed = derive_seed(self.seed, "train_recommender", "search", "augment")
        return training_pairs(self.decided.arm, rows, len(rows.train), seed)


def ranker_as_decided(config: Config, lake: Lake, sequential: Mapping[str, Snapshot]) -> Run:
    """The shipped ranker's run.

    Args:
        config: its sections ranker and lift.
        lake: the lake.
        sequential: see `recommenders.artefact.sequential_inputs`.

    Raises:
        ConfigError, TrainingError: see `decided`.
    """
    inputs = inputs_of(config, lake, sequential)
    found, examples = decided(config, lake, "ranking", inputs), inputs["training_examples"]
    augment = None if found is None else AugmentRanker(config, found, examples)
    return ranker_run(config, examples, inputs["vocabulary"], sequential["sequences"], augment)


def sequential_as_decided(config: Config, lake: Lake, sequential: Mapping[str, Snapshot]) -> Run:
    """The shipped next-item model's run; arguments and errors as of `ranker_as_decided`."""
    found = decided(config, lake, "next_item", inputs_of(config, lake, sequential))
    augment = None if found is None else AugmentSequences(found, config.seed)
    return sequential_run(config, sequential, augment)


def search_as_decided(
    config: Config, search: SearchConfig, lake: Lake, sequential: Mapping[str, Snapshot]
) -> Run:
    """The shipped search model's run; arguments and errors as of `ranker_as_decided`."""
    found = decided(config, lake, "search", inputs_of(config, lake, sequential))
    augment = None if found is None else AugmentPairs(found, config.seed)
    return search_run(config, search, lake.get(SEARCH_PAIRS), lake.get(BRONZE_ITEMS), augment)
