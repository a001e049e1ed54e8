"""Measuring lift: many small trainings as Ray tasks, then figures, intervals and a verdict."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from numpy.typing import NDArray

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lift.arms import ArmTask, Rows, train_arm
from clicksmith.lift.bootstrap import multiplicities
from clicksmith.lift.data import Data, load
from clicksmith.lift.difference import Difference, Metric, difference, measure_arm
from clicksmith.lift.rows import metric_rows, verdict_row
from clicksmith.lift.verdict import decide, shown
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.cluster import connect

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measurement:
    """Rows for gold.evaluation_metrics and gold.verdicts."""

    metrics: pa.Table
    verdict: pa.Table


def measure(
    config: Config,
    run_id: str,
    examples: Snapshot,
    vocabulary: Snapshot,
    synthetic: Mapping[str, Snapshot],
) -> Measurement:
    """Train every arm with every seed, all for the same number of steps, and decide.

    Args:
        config: its sections lift, ranker, ray and its seed count.
        run_id: of the rows written.
        examples: gold.training_examples.
        vocabulary: gold.vocabulary.
        synthetic: gold.synthetic_examples of each generator that was published, by its name.

    Raises:
        TrainingError: there are too few rows to train on or to test with, or they leak: see `load`.
    """
    data = load(config, examples, vocabulary, synthetic)
    for name, reason in data.skipped.items():
        logger.warning("arm %s is skipped: %s", name, reason)
    scores = _train(config, data)
    counts = multiplicities(
        int(data.users.max()) + 1, config.lift.num_bootstrap, derive_seed(config.seed, "lift", "bootstrap")
    )
    shared = (data.test.labels, data.users, data.slices, counts)
    calls = [(scores[name],) for name in data.arms]
    figures = dict(zip(data.arms, _map(config, "arms measured", measure_arm, calls, shared), strict=True))

    def differ(arm: str, against: str, slice_name: str, metric: Metric = "auc") -> Difference:
        return difference(figures, metric, arm, against, slice_name, config.seed)

    verdict = decide(data.arms, list(data.slices), differ, data.undecidable)
    logger.info("verdict: %s (%s)", verdict.decision, "; ".join(verdict.evidence["reasons"]) or verdict.arm)
    return Measurement(
        metrics=metric_rows(run_id, data, figures, shown(differ, data.undecidable)),
        verdict=verdict_row(run_id, config, data, verdict),
    )


def _train(config: Config, data: Data) -> dict[str, NDArray[np.float32]]:
    """Scores of the test rows by every seed, shape (S, M), for each arm."""
    lift = config.lift
    tasks = [
        ArmTask(
            name=name,
            arm=lift.arms[name],
            index=index,
            seed=config.seed,
            ranker=config.ranker,
            num_steps=lift.num_steps,
            cardinalities=tuple(data.codec.cardinalities),
        )
        for name in data.arms
        for index in range(lift.num_seeds)
    ]
    logger.info(
        "%d trainings of %d steps: %d arms x %d seeds, %s real rows, %s test rows",
        len(tasks), lift.num_steps, len(data.arms), lift.num_seeds,
        f"{len(data.real.labels):,}", f"{len(data.test.labels):,}",
    )  # fmt: skip
    shared = (data.real, data.tail, data.extra, data.test.codes)
    scores = _map(config, "trainings done", _train_one, [(task,) for task in tasks], shared)
    return {
        name: np.stack([s for task, s in zip(tasks, scores, strict=True) if task.name == name])
        for name in data.arms
    }


def _train_one(
    task: ArmTask,
    real: Rows,
    tail: NDArray[np.bool_],
    extra: Mapping[str, Rows],
    test_codes: NDArray[np.int32],
) -> NDArray[np.float32]:
    return train_arm(task, real, tail, extra.get(task.name), test_codes)


def _map(
    config: Config,
    what: str,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    shared: Sequence[Any],
) -> list[Any]:
    """``function(*call, *shared)`` for every call: as Ray tasks of one CPU each, or here without workers.

    Args:
        config: of the run.
        what: a finished call is, for the log.
        function: of one call.
        calls: its own arguments.
        shared: what every call gets as well.
    """
    if config.ray.num_workers == 0:
        return [function(*call, *shared) for call in calls]
    connect(config.ray)
    remote = ray.remote(num_cpus=1)(function)
    references = [ray.put(value) for value in shared]  # once, however many tasks read it
    results = waiting = [remote.remote(*call, *references) for call in calls]
    while waiting:
        ready, waiting = ray.wait(waiting)
        ray.get(ready)  # one that failed ends the rest
        logger.info("%d of %d %s", len(calls) - len(waiting), len(calls), what)
    return list(ray.get(results))
