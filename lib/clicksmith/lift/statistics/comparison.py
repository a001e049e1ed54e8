"""All arms on one segment by one metric: the gain of any over any other, with its uncertainty."""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.clusters import Covariance, covariance
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.statistics.fits import Part, fit_parts
from clicksmith.lift.statistics.intervals import Estimate, estimate
from clicksmith.lift.task import Split, Task, Training

ROUNDING = 1e-9
CHUNK = 50_000
ALIKE = "nothing that was tested tells the two apart"
"""Why a difference of nothing has no interval: others might tell, and nothing says how many."""


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
        few_moved: on how many observations two arms differ, by their names in order, where these are too few
            for an interval.
        min_moved: that an interval needs.
        is_share: whether the metric is a mean of what lies between 0 and 1.
    """

    sign: int
    arms: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    covariance: Covariance
    num_units: int
    num_rows: int
    few_moved: Mapping[tuple[str, str], int]
    min_moved: int = 1
    is_share: bool = False

    def gain(self, arm: str, against: str) -> Estimate:
        """How much better an arm is than another: above 0 is better, whatever the metric."""
        one, other = self.values[arm], self.values[against]
        contrast = np.zeros(len(self.arms))
        contrast[self.arms.index(arm)] += 1
        contrast[self.arms.index(against)] -= 1
        tested = Part(self.covariance.variance(contrast), max(1, self.covariance.num_clusters - 1))
        value = self.sign * float(one.mean() - other.mean())
        parts, lasting = [tested, *fit_parts(one, other)], self.covariance.lasting(contrast)
        found = estimate(value, parts, self.num_units, self.num_rows, lasting)
        moved = self.few_moved.get((min(arm, against), max(arm, against)))
        if moved is None:
            return found
        few = f"the two differ on {moved:,} test cases, where an interval needs {self.min_moved:,}"
        return replace(found, few=few if moved else ALIKE, num_moved=moved if self.is_share else None)


def compare(
    task: Task,
    metric: str,
    split: Split,
    segment: str,
    trainings: Sequence[Training],
    said: Callable[[Training], NDArray[np.float32]],
    min_moved: int,
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
        min_moved: observations on which two arms have to differ for an interval.
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
    tables = {name: _table(found) for name, found in values.items()}
    own = {
        name: Figure(float(tables[name].mean()), row) for name, row in zip(tables, influence_AN, strict=True)
    }
    return Comparison(
        sign=task.metrics[metric].sign,
        arms=tuple(values),
        values=tables,
        covariance=covariance(influence_AN, clusters),
        num_units=len(np.unique(clusters[0])),
        num_rows=influence_AN.shape[1],
        few_moved=_few_moved(own, min_moved),
        min_moved=min_moved,
        is_share=segment not in units.rarer,  # rankers' outcomes are two, and their log loss has no end
    )


def _few_moved(arms: Mapping[str, Figure], min_moved: int) -> dict[tuple[str, str], int]:
    """On how many observations two arms differ, where these are too few for an interval.

    Where no next-item model names what anybody took all differences are 0, and nothing is known; where two
    arms differ on a single user, one more such user could turn what is found into its opposite. Of an area a
    single score moves all observations: rankers need rows of either outcome instead, see `few_units`.
    """
    found = {}
    for one, other in itertools.combinations(sorted(arms), 2):
        number = _num_moved(arms[one], arms[other], min_moved)
        if number < min_moved:
            found[one, other] = number
    return found


def _num_moved(one: Figure, other: Figure, enough: int) -> int:
    """On how many observations two differ; no more are looked at than are enough.

    What each one adds to a figure is told by its influence; of those that have none, all count.
    """
    num_rows, number = len(one.influence), 0
    for first in range(0, num_rows, CHUNK):
        part = slice(first, first + CHUNK)
        apart = one.value - other.value + num_rows * (one.influence[part] - other.influence[part])
        number += int((~(np.abs(apart) <= ROUNDING)).sum())
        if number >= enough:
            break
    return number


def _table(found: Mapping[Training, float]) -> NDArray[np.float64]:
    """Values by fit and seed, shape (R, S)."""
    shape = (max(t.fit for t in found) + 1, max(t.seed for t in found) + 1)
    values = np.full(shape, np.nan)
    for training, value in found.items():
        values[training.fit, training.seed] = value
    return values
