"""What each arm adds to a ranker's real rows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clicksmith.config import ArmConfig, RankerConfig
from clicksmith.reading.examples import POPULARITY, Examples, Splits
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import rows_of_step
from clicksmith.training.ranker import Added, ranker_task
from clicksmith.training.runs import fit_here

HISTORY = "user_num_events"
RARE_QUANTILE = 0.25


@dataclass(frozen=True)
class Stock:
    """What arms take rows from.

    Attributes:
        real: training rows of the control.
        unseen: further real training rows, which no arm but a ceiling may take.
        rare: rows of the control that are of what real rows lack, by `ONLY`'s names, shape (N,) each.
        generated: rows of each fit of a generator, by its name.
    """

    real: Examples
    unseen: Examples
    rare: Mapping[str, NDArray[np.bool_]]
    generated: Mapping[str, tuple[Examples, ...]]


def added_rows(
    arm: ArmConfig, stock: Stock, fit: int, seed: int, config: RankerConfig, splits: Splits
) -> Added | None:
    """The rows that an arm adds; None where it adds none.

    Args:
        arm: the arm.
        stock: where from.
        fit: of its generator.
        seed: of the draw.
        config: of the ranker, for the arm that has a teacher.
        splits: real rows, likewise.
    """
    wanted = round(arm.ratio * len(stock.real))
    rows: Examples | None = None
    if arm.kind in ("duplicate", "shuffled", "teacher"):
        rows = stock.real.take(_spread(np.arange(len(stock.real)), wanted, seed))
    elif arm.kind == "oversample_tail":
        rows = stock.real.take(_spread(np.flatnonzero(stock.rare["rare_items"]), wanted, seed))
    elif arm.kind == "oversample_label":
        rows = stock.real.take(_spread(np.flatnonzero(stock.rare["rare_outcome"]), wanted, seed))
    elif arm.kind == "reweight":
        # Once more with what is missing of the weight: in expectation each counts `weight` times.
        rows = stock.real.take(np.flatnonzero(stock.rare["rare_outcome"]))
        return Added(rows, arm.weight - 1.0)
    elif arm.kind == "real_more":
        rows = stock.unseen.take(np.arange(min(wanted, len(stock.unseen))))
    elif arm.kind == "real_all":
        rows = stock.unseen
    elif arm.generator is not None:
        generated = chosen_rows(arm, stock.generated[arm.generator][fit], stock.real)
        rows = generated.take(np.arange(min(wanted, len(generated))))
    if rows is None:
        return None
    if arm.kind == "shuffled":
        rows = _with_labels_of(rows, np.random.default_rng(seed).permutation(len(rows)))
    if arm.kind == "teacher":
        rows = _taught(rows, config, splits, seed)
    return Added(rows, arm.weight, arm.share_of_steps, arm.alone)


def chosen_rows(arm: ArmConfig, rows: Examples, real: Examples) -> Examples:
    """Of generated rows, those that an arm may take; see `is_rare`."""
    return rows if arm.only is None else rows.take(np.flatnonzero(is_rare(rows, real)[arm.only]))


def is_rare(rows: Examples, real: Examples) -> dict[str, NDArray[np.bool_]]:
    """Which rows are of what real ones lack, shape (N,) each.

    ``cold_items``: of items that nobody is known to have taken before the cut: new ones, those that were only
    shown, and those too rare for the vocabulary (`features.min_item_events`);
    ``rare_items``: of items no more popular, as of the cut, than those of the lowest quarter of real rows;
    ``short_histories``: likewise by events of the user before; ``rare_outcome``: of the rarer label.
    """
    lowest = {"rare_items": POPULARITY, "short_histories": HISTORY}
    found = {
        name: np.asarray(rows.facts[fact] <= np.quantile(real.facts[fact], RARE_QUANTILE))
        for name, fact in lowest.items()
    }
    found["cold_items"] = np.asarray(rows.facts[POPULARITY] == 0)
    return {**found, "rare_outcome": np.asarray(rows.labels == (real.labels.mean() < 0.5))}


def _spread(pool: NDArray[np.int64], wanted: int, seed: int) -> NDArray[np.int64]:
    """Rows of a pool: no row twice before every other one was once; shape (wanted,), or none of none."""
    return pool[rows_of_step(len(pool), wanted, 0, seed)] if len(pool) and wanted else pool[:0]


def _with_labels_of(rows: Examples, order: NDArray[np.int64]) -> Examples:
    return replace(rows, labels=rows.labels[order], auxiliary=rows.auxiliary[order])


def _taught(rows: Examples, config: RankerConfig, splits: Splits, seed: int) -> Examples:
    """Rows whose label is drawn by what a simpler model, fitted on the same real rows, gives it.

    Where such rows help as much as generated ones, these hand down a model, and bring nothing of their own.
    """
    simple = config.model_copy(update={"model": "logistic", "auxiliary_labels": ()})
    bare = replace(splits.train, auxiliary=splits.train.auxiliary[:, :0])
    task = ranker_task(simple, replace(splits, train=bare), derive_seed(seed, "teacher"))
    fit_here(task)
    drawn = np.random.default_rng(derive_seed(seed, "labels")).random(len(rows)) < task.score(rows)
    return replace(rows, labels=drawn)
