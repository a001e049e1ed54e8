"""Measuring: many small trainings as Ray tasks, each kept once it is done; then comparisons and verdicts."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from safetensors.numpy import load, save

from clicksmith.config import Config, RayConfig
from clicksmith.lakehouse import storage
from clicksmith.lift.statistics.comparison import Comparison, compare
from clicksmith.lift.statistics.intervals import Estimate
from clicksmith.lift.task import ALL, Split, Task, Training, few_units
from clicksmith.lift.verdict import Verdict, candidates, choose, decide
from clicksmith.training.engine.cluster import connect

logger = logging.getLogger(__name__)

COMPARISON_BEAT = 10.0
"""Seconds: a comparison may take as long as a training, or a moment."""


@dataclass(frozen=True)
class Measured:
    """A task with all that was found.

    Attributes:
        task: what was measured.
        num_seeds: of each arm.
        comparisons: by split, metric and segment; of validation, on all observations by the first metric.
        few: segments of too few units for an interval, and why; see `why_few` of two arms.
        verdict: on the arm that validation chose.
    """

    task: Task
    num_seeds: int
    comparisons: Mapping[tuple[Split, str, str], Comparison]
    few: Mapping[str, str]
    verdict: Verdict

    def gain(self, metric: str, segment: str, arm: str, against: str) -> Estimate:
        """How much better an arm is than another on test observations."""
        return self.comparisons["test", metric, segment].gain(arm, against)

    def why_few(self, segment: str, arm: str, against: str) -> str:
        """Why the interval between two arms on a segment is not to be believed; empty where it is.

        By the metric that decides: others may be alike by nature, such as recall of lists that are shorter
        than it looks.
        """
        first = next(iter(self.task.metrics))
        return self.few.get(segment, "") or self.gain(first, segment, arm, against).few


def measure(task: Task, config: Config, folder: str) -> Measured:
    """Train every arm with every seed, and every fit of its generator, and decide.

    Args:
        task: what is measured.
        config: its sections lift and ray; without workers all is done here.
        folder: where finished trainings are kept: a measurement that was killed goes on from them.
    """
    for name, reason in task.skipped.items():
        logger.warning("%s: arm %s is skipped: %s", task.name, name, reason)
    trainings = [
        Training(name, fit, seed)
        for name, arm in task.arms.items()
        for fit in range(arm.num_fits)
        for seed in range(config.lift.num_seeds)
    ]
    places = {training: storage.join(folder, f"{training.key}.safetensors") for training in trainings}
    missing = [training for training in trainings if not storage.exists(places[training])]
    logger.info(
        "%s: %d trainings of %s, %d of them done before; %s test rows",
        task.name,
        len(trainings),
        task.model,
        len(trainings) - len(missing),
        f"{task.units['test'].num_rows:,}",
    )
    calls = [(training, places[training]) for training in missing]
    _map(config.ray, f"{task.name}: trainings done", _train, calls, [task])
    lift = config.lift
    comparisons = _compare_all(task, places, config.ray, lift.min_positives)
    few = few_units(task.units["test"], lift.min_users, lift.min_positives, task.unit)
    return Measured(task, lift.num_seeds, comparisons, few, _judge(task, comparisons, few))


def _train(training: Training, place: str, task: Task) -> None:
    said = task.train(training).items()
    outputs: dict[str, NDArray[Any]] = {split: np.ascontiguousarray(output) for split, output in said}
    storage.write_bytes(place, save(outputs))


def _compare_all(
    task: Task, places: Mapping[Training, str], config: RayConfig, min_moved: int
) -> dict[tuple[Split, str, str], Comparison]:
    first = next(iter(task.metrics))
    keys: list[tuple[Split, str, str]] = [
        ("test", name, segment)
        for name, metric in task.metrics.items()
        for segment in (task.units["test"].segments if metric.margin is not None else (ALL,))
    ]
    if "validation" in task.units:
        keys.append(("validation", first, ALL))
    found = _map(
        config,
        f"{task.name}: comparisons done",
        _compare,
        [(key,) for key in keys],
        [task, places, min_moved],
        COMPARISON_BEAT,
    )
    return dict(zip(keys, found, strict=True))


def _compare(
    key: tuple[Split, str, str], task: Task, places: Mapping[Training, str], min_moved: int
) -> Comparison:
    """Each training's file is read when it is its turn: what all of them said grows without bounds."""
    split, metric, segment = key

    def said(training: Training) -> NDArray[np.float32]:
        outputs: dict[str, NDArray[np.float32]] = load(storage.read_bytes(places[training]))
        return outputs[split]

    return compare(task, metric, split, segment, list(places), said, min_moved)


def _judge(
    task: Task, comparisons: Mapping[tuple[Split, str, str], Comparison], few: Mapping[str, str]
) -> Verdict:
    """Choose on validation, decide on test; without validation rows the first candidate is judged."""

    def on(split: Split) -> Callable[[str, str, str, str], Estimate]:
        return lambda metric, segment, arm, against: comparisons[split, metric, segment].gain(arm, against)

    first = next(iter(task.metrics))
    if "validation" in task.units:
        chosen, num_choices = choose(task.arms, on("validation"), first), len(candidates(task.arms))
    else:
        chosen, num_choices = next(iter(candidates(task.arms)), None), 1
    segments = list(task.units["test"].segments)
    return decide(
        chosen, task.arms, on("test"), task.metrics, task.worthwhile, segments, few, chosen_from=num_choices
    )


def _map(
    config: RayConfig,
    what: str,
    function: Callable[..., Any],
    calls: Sequence[tuple[Any, ...]],
    shared: Sequence[Any],
    beat: float = 0.0,
) -> list[Any]:
    """``function(*call, *shared)`` for every call: as Ray tasks of one CPU each, or here without workers.

    Args:
        config: of the cluster.
        what: a finished call is, for the log.
        function: of one call.
        calls: its own arguments.
        shared: what every call gets as well.
        beat: seconds, no more often than which finished calls are told of; the last one always is.
    """
    if config.num_workers == 0 or not calls:
        return [function(*call, *shared) for call in calls]
    connect(config)
    remote = ray.remote(num_cpus=1)(function)
    references = [ray.put(value) for value in shared]  # once, however many tasks read it
    results = waiting = [remote.remote(*call, *references) for call in calls]
    told = time.monotonic()
    while waiting:
        ready, waiting = ray.wait(waiting)
        ray.get(ready)  # one that failed ends the rest
        if not waiting or time.monotonic() - told >= beat:
            logger.info("%s: %d of %d", what, len(calls) - len(waiting), len(calls))
            told = time.monotonic()
    return list(ray.get(results))
