"""All arms on one segment by one metric: the gain of any over any other, with its uncertainty."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.clusters import Covariance, covariance
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.statistics.fits import Part, fit_parts
from clicksmith.lift.statistics.intervals import Estimate, estimate
from clicksmith.lift.task import Split, Task, Training

ROUNDING = 1e-9


@dataclass(frozen=True)
class Comparison:
    """Nothing here grows with the observations.

    Attributes:
        sign: 1 where more is better, -1 where less is.
        arms: their names, in the order of the covariance.
        values: of the metric by fit and seed, shape (R, S), for each arm.
        covariance: of the arms' means over fits and seeds.
        num_units: e.g. users.
        num_rows: observations.
        num_moved: observations on which arms differ at all, of a metric that is a mean over them: of next
            items, whom any arm gave what they took and another did not.
    """

    sign: int
    arms: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    covariance: Covariance
    num_units: int
    num_rows: int
    num_moved: int

    def gain(self, arm: str, against: str) -> Estimate:
        """How much better an arm is than another: above 0 is better, whatever the metric."""
        one, other = self.values[arm], self.values[against]
        contrast = np.zeros(len(self.arms))
        contrast[self.arms.index(arm)] += 1
        contrast[self.arms.index(against)] -= 1
        tested = Part(self.covariance.variance(contrast), max(1, self.covariance.num_clusters - 1))
        value = self.sign * float(one.mean() - other.mean())
        parts, lasting = [tested, *fit_parts(one, other)], self.covariance.lasting(contrast)
        return estimate(value, parts, self.num_units, self.num_rows, lasting)


def compare(
    task: Task,
    metric: str,
    split: Split,
    segment: str,
    trainings: Sequence[Training],
    said: Callable[[Training], NDArray[np.float32]],
) -> Comparison:
    """Compare all arms.

    What one training's model said is held at a time, beside a number for each arm and observation.

    Args:
        task: the task.
        metric: one of its metrics.
        split: whose observations.
        segment: one of theirs.
        trainings: of every arm.
        said: gives what a training's model said of the split, shape (K, N); asked once for each.
    """
    units = task.units[split]
    mask = units.segments[segment]
    values: dict[str, dict[Training, float]] = {name: {} for name in task.arms}

    def figures_of(arm: str) -> Iterator[Figure]:
        for training in trainings:
            if training.arm == arm:
                found = task.figure(metric, split, said(training), segment)
                values[arm][training] = found.value
                yield found

    influence_AN = np.empty((len(task.arms), int(mask.sum())))
    for row, name in enumerate(task.arms):
        influence_AN[row] = figures.average(figures_of(name)).influence
    clusters = [cluster[mask] for cluster in units.clusters]
    return Comparison(
        sign=task.metrics[metric].sign,
        arms=tuple(values),
        values={name: _table(found) for name, found in values.items()},
        covariance=covariance(influence_AN, clusters),
        num_units=len(np.unique(clusters[0])),
        num_rows=influence_AN.shape[1],
        num_moved=int(
            _moved(influence_AN, np.array([np.mean(list(found.values())) for found in values.values()])).sum()
        ),
    )


def _moved(influence_AN: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """On which observations arms differ, shape (N,): what each adds to a mean is told by its influence."""
    num_rows = influence_AN.shape[1]
    lowest, highest = np.full(num_rows, np.inf), np.full(num_rows, -np.inf)
    for value, influence in zip(values, influence_AN, strict=True):  # one arm at a time: N may be millions
        own = value + influence * num_rows
        np.minimum(lowest, own, out=lowest)
        np.maximum(highest, own, out=highest)
    return np.asarray(highest - lowest > ROUNDING)


def _table(found: Mapping[Training, float]) -> NDArray[np.float64]:
    """Values by fit and seed, shape (R, S)."""
    shape = (max(t.fit for t in found) + 1, max(t.seed for t in found) + 1)
    values = np.full(shape, np.nan)
    for training, value in found.items():
        values[training.fit, training.seed] = value
    return values
