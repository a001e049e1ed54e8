"""A task that trains nothing: what each arm's model says of each unit is made up."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clicksmith.lift.statistics import figures
from clicksmith.lift.statistics.figures import Figure
from clicksmith.lift.task import ALL, Arm, Metric, Split, Training, Units


@dataclass(frozen=True)
class ToyTask:
    """See `task.Task`. A figure is the mean over units, each of a user of its own.

    Attributes:
        effects: by split and arm: what is added to a unit's own figure and to the noise of a training, both
            between 0 and 1.
        num_units: of each split.
        num_figures: that a model says of each unit; the first one is the metric.
    """

    arms: Mapping[str, Arm]
    effects: Mapping[Split, Mapping[str, float]]
    num_units: int
    num_figures: int = 1
    name: str = "toy"
    model: str = "toy"
    unit: str = "users"
    worthwhile: float = 0.01
    metrics: Mapping[str, Metric] = field(default_factory=lambda: {"score": Metric(1, 0.05)})
    skipped: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)

    @property
    def units(self) -> dict[Split, Units]:
        everybody = {ALL: np.ones(self.num_units, bool)}
        return {split: Units((np.arange(self.num_units),), everybody, {}) for split in self.effects}

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        return {split: self._said(split, training) for split in self.effects}

    def _said(self, split: Split, training: Training) -> NDArray[np.float32]:
        shape = (self.num_figures, self.num_units)
        said = np.random.default_rng(0).random(shape, np.float32)
        own = np.random.default_rng([1, list(self.arms).index(training.arm), training.seed])
        said += own.random(shape, np.float32)
        said += self.effects[split].get(training.arm, 0.0)
        return said

    def figure(self, metric: str, split: Split, said: NDArray[np.float32], segment: str) -> Figure:
        return figures.mean(said[0][self.units[split].segments[segment]])
