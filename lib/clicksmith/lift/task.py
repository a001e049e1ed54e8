"""What a measurement asks of a kind of model; statistics, selection and verdict know nothing else of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from clicksmith.lift.statistics.figures import Figure

Split = Literal["validation", "test"]
Role = Literal["control", "same", "ceiling", "cheap", "free", "generator"]
"""What an arm is to the verdict: real rows alone; the same again, which cannot gain; more real rows; what
costs next to nothing and has to be beaten, such as copies; a free augmentation, which may be chosen, and
which generated rows must beat; generated rows. Labels that say nothing are cheap, for they may gain: noise
keeps a model from overfitting, and how frequent items are is still to be learnt from them."""

ALL = "all"
TUNED = "tuned"
"""The kind of arm whose settings are searched for; see `tuning`."""


@dataclass(frozen=True)
class Arm:
    """An arm as it is measured.

    Attributes:
        kind: as the configuration names it.
        role: see `Role`.
        ratio: added rows a real row, as it came out.
        num_fits: independent fits of its generator, each measured with every seed; 1 where there is none.
    """

    kind: str
    role: Role
    ratio: float
    num_fits: int = 1


@dataclass(frozen=True)
class Metric:
    """A figure of a task.

    Attributes:
        sign: 1 where more is better, -1 where less is.
        margin: a loss that is none, in the metric's own unit; None for what is told, and decides nothing.
    """

    sign: Literal[1, -1]
    margin: float | None


@dataclass(frozen=True)
class Units:
    """What the models of a task are asked in one split.

    Attributes:
        clusters: what observations share: a number of each one's user, or query, and of its item, shape (N,)
            each; the first is what is counted as units.
        segments: masks by name, shape (N,) each; `ALL` among them.
        rarer: observations of the rarer outcome by segment, where there are two; a segment of too few
            cannot be told of.
        small: segments that are none, since nothing could be shown of them, and why.
    """

    clusters: Sequence[NDArray[np.int64]]
    segments: Mapping[str, NDArray[np.bool_]]
    rarer: Mapping[str, int]
    small: Mapping[str, str] = field(default_factory=dict)

    @property
    def num_rows(self) -> int:
        """Observations."""
        return len(self.clusters[0])


@dataclass(frozen=True)
class Training:
    """One small training.

    Attributes:
        arm: its name.
        fit: of the arm's generator, 0..num_fits - 1.
        seed: of the model, 0..num_seeds - 1; the same one starts every arm from the same weights.
    """

    arm: str
    fit: int
    seed: int

    @property
    def key(self) -> str:
        """A name for files."""
        return f"{self.arm}.{self.fit}.{self.seed}"


class Task(Protocol):
    """A kind of model with the rows of all arms; travels to the workers once.

    Attributes:
        name: ranking, next_item or search; with the model after it, as ranking/logistic, where that is not
            the family that is shipped.
        model: of the configuration.
        metrics: by name; the first one decides.
        worthwhile: the gain of the first metric from which on augmentation is worth its cost.
        arms: that can be measured, by name; one of role control.
        skipped: those that cannot, and why.
        units: by split; test always.
        unit: what is counted as one of them, in the plural.
        facts: what a reader needs to judge the measurement by.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def model(self) -> str: ...  # noqa: D102

    @property
    def metrics(self) -> Mapping[str, Metric]: ...  # noqa: D102

    @property
    def worthwhile(self) -> float: ...  # noqa: D102

    @property
    def arms(self) -> Mapping[str, Arm]: ...  # noqa: D102

    @property
    def skipped(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def units(self) -> Mapping[Split, Units]: ...  # noqa: D102

    @property
    def unit(self) -> str: ...  # noqa: D102

    @property
    def facts(self) -> Mapping[str, object]: ...  # noqa: D102

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        """What the trained model says of each split's observations, shape (K, N): scores, or figures."""

    def figure(self, metric: str, split: Split, said: NDArray[np.float32], segment: str) -> Figure:
        """A metric of what a model said, on the observations of a segment."""


def kind_of(name: str) -> str:
    """What a task is about, by its name: ranking, next_item or search."""
    return name.partition("/")[0]


def control_of(arms: Mapping[str, Arm]) -> str:
    """The arm of real rows alone."""
    return next(name for name, arm in arms.items() if arm.role == "control")


def few_units(units: Units, min_units: int, min_positives: int, unit: str = "users") -> dict[str, str]:
    """Segments that have no interval, and why: too few units, too few of the rarer outcome, or a single item.

    An interval over units is too narrow where these are few: of 95 % it covers less. Over a single item
    there is none, however many users are asked for it: a segment of one is put aside before, see
    `segments.large_enough`, but all observations together never are.
    """
    found = {}
    for name, mask in units.segments.items():
        num_units, *others = (len(np.unique(cluster[mask])) for cluster in units.clusters)
        rarer = units.rarer.get(name)
        told = "" if rarer is None else f" with {rarer:,} rows of the rarer outcome"
        if num_units < min_units or (rarer is not None and rarer < min_positives):
            wanted = "" if rarer is None else f" and {min_positives:,}"
            found[name] = (
                f"{num_units:,} {unit}{told} were tested, where an interval needs {min_units:,}{wanted}"
            )
        elif 1 in others:
            found[name] = f"all of its {num_units:,} {unit} ask for one item, where an interval needs several"
    return found
