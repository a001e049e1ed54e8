"""The shipped models trained as a verdict says: called in each worker, by the measurement's rules."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from clicksmith.config import Config, SearchConfig, SequentialConfig
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lift.decided import Decided, decided
from clicksmith.lift.inputs import inputs_of
from clicksmith.lift.kinds.arms import Stock, added_rows, chosen_rows, is_rare
from clicksmith.lift.kinds.generated import chosen_sequences, generated_sequences, takes_rare
from clicksmith.lift.kinds.next_item import settings_of, training_rows
from clicksmith.lift.kinds.ranking import generated_rows
from clicksmith.lift.kinds.search import training_pairs
from clicksmith.reading.examples import Examples, Splits
from clicksmith.reading.pairs import Pairs, SearchRows
from clicksmith.reading.sequences import SequenceRows
from clicksmith.seeds import derive_seed
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS
from clicksmith.training.ranker import Added, ranker_run
from clicksmith.training.runs import Run
from clicksmith.training.search import search_run
from clicksmith.training.sequential import sequential_run

logger = logging.getLogger(__name__)


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
        arm, generated = self.decided.arm, {}
        if arm.generator is not None:
            generated[arm.generator] = (self._generated(splits),)
        nothing = splits.train.take(np.zeros(0, np.int64))
        stock = Stock(splits.train, nothing, is_rare(splits.train, splits.train), generated)
        seed = derive_seed(self.config.seed, "train_recommender", "ranker", "augment")
        return added_rows(arm, stock, 0, seed, self.config.ranker, splits)

    def _generated(self, splits: Splits) -> Examples:
        """The generated rows that the arm may take, enough for its ratio.

        A shipped model has more real rows than the measurement's control had. Where fewer rows are published
        than keep the ratio, each is taken as often as another, so that a batch is mixed as it was measured.
        """
        arm, fit, table = self.decided.arm, self.decided.fit, self.decided.generated
        assert fit is not None and table is not None
        wanted = round(arm.ratio * len(splits.train))
        most = wanted if arm.only is None else self.config.ranker.max_rows
        rows = generated_rows(self.config, fit, table, self.examples, splits.coder, most)
        rows = chosen_rows(arm, rows, splits.train)
        if not len(rows):
            raise TrainingError(
                f"Arm {self.decided.name} takes generated rows of {arm.only}, and none are published.",
                "Raise synthesis.ratio, or set ranker.augment to none.",
            )
        _log_few("ranker", arm.ratio, len(splits.train), wanted, len(rows))
        return rows.take(np.arange(max(wanted, len(rows))) % len(rows))


@dataclass(frozen=True)
class AugmentSequences:
    """See `training.sequential.Augment`."""

    config: Config
    decided: Decided
    sequences: Snapshot

    @property
    def told(self) -> Mapping[str, Any]:
        """Which arm, by which verdict."""
        return self.decided.told

    @property
    def inputs(self) -> Mapping[str, Snapshot]:
        """What is read besides real rows."""
        found = self.decided.generated
        return {} if found is None else {"synthetic": found}

    def __call__(self, rows: SequenceRows, config: SequentialConfig) -> tuple[SequentialConfig, pa.Table]:
        """The settings and the users."""
        arm, num_real = self.decided.arm, rows.train.num_rows
        tail = takes_rare(rows.train, rows.train, rows.vocabulary)
        seed = derive_seed(self.config.seed, "train_recommender", "sequential", "augment")
        generated = None if arm.generator is None else self._generated(rows)
        return settings_of(arm, config), training_rows(arm, rows.train, num_real, tail, seed, generated)

    def _generated(self, rows: SequenceRows) -> pa.Table:
        """The generated sequences that the arm may take, enough for its ratio; see `AugmentRanker`."""
        arm, fit, table = self.decided.arm, self.decided.fit, self.decided.generated
        assert fit is not None and table is not None
        wanted = round(arm.ratio * rows.train.num_rows)
        most = wanted if arm.only is None else self.config.lift.next_item.max_all_users
        found = generated_sequences(self.config, fit, table, self.sequences, rows.train, most)
        found = chosen_sequences(arm, found, rows.train, rows.vocabulary)
        if not found.num_rows:
            raise TrainingError(
                f"Arm {self.decided.name} takes generated sequences of {arm.only}, and none are published.",
                "Raise synthesis.ratio, or set sequential.augment to none.",
            )
        _log_few("sequential", arm.ratio, rows.train.num_rows, wanted, found.num_rows)
        return found.take(pa.array(np.arange(max(wanted, found.num_rows)) % found.num_rows))


@dataclass(frozen=True)
class AugmentPairs:
    """See `training.search.Augment`; `model` is the network's name."""

    decided: Decided
    seed: int
    model: str

    @property
    def told(self) -> Mapping[str, Any]:
        """Which arm, by which verdict."""
        return self.decided.told

    def __call__(self, rows: SearchRows) -> Pairs:
        """The training pairs."""
        seed = derive_seed(self.seed, "train_recommender", "search", "augment")
        return training_pairs(self.decided.arm, rows, len(rows.train), seed, self.model)


def _log_few(section: str, ratio: float, num_real: int, wanted: int, num_there: int) -> None:
    """Say it where fewer generated rows are published than keep the measured ratio."""
    if num_there < wanted:
        logger.warning(
            "%s: %s real rows and a ratio of %.2f ask for %s generated rows; %s are published, and each is "
            "taken some %.1f times: a higher synthesis.ratio gives more",
            section, f"{num_real:,}", ratio, f"{wanted:,}", f"{num_there:,}", wanted / num_there,
        )  # fmt: skip


def ranker_as_decided(config: Config, lake: Lake, sequential: Mapping[str, Snapshot]) -> Run:
    """The shipped ranker's run.

    Args:
        config: its sections ranker and lift.
        lake: the lake.
        sequential: see `steps.sequential_inputs`.

    Raises:
        ConfigError, TrainingError: see `decided`.
    """
    inputs = inputs_of(config, lake, sequential)
    found, examples = decided(config, lake, "ranking", inputs), inputs["training_examples"]
    augment = None if found.arm is None else AugmentRanker(config, found.arm, examples)
    run = ranker_run(config, examples, inputs["vocabulary"], sequential["sequences"], augment)
    return replace(run, follows=found.told)


def sequential_as_decided(config: Config, lake: Lake, sequential: Mapping[str, Snapshot]) -> Run:
    """The shipped next-item model's run; arguments and errors as of `ranker_as_decided`."""
    found = decided(config, lake, "next_item", inputs_of(config, lake, sequential))
    augment = None if found.arm is None else AugmentSequences(config, found.arm, sequential["sequences"])
    return replace(sequential_run(config, sequential, augment), follows=found.told)


def search_as_decided(
    config: Config, search: SearchConfig, lake: Lake, sequential: Mapping[str, Snapshot]
) -> Run:
    """The shipped search model's run; arguments and errors as of `ranker_as_decided`."""
    found = decided(config, lake, "search", inputs_of(config, lake, sequential))
    augment = None if found.arm is None else AugmentPairs(found.arm, config.seed, search.model)
    pairs, items = lake.get(SEARCH_PAIRS), lake.get(BRONZE_ITEMS)
    run = search_run(config, search, pairs, items, sequential["vocabulary"], augment)
    return replace(run, follows=found.told)
