"""The gate between generated rows and those that trainings may see. Pure functions."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation.rows import Metric

logger = logging.getLogger(__name__)

_FIGURES = {
    "min_shapes": "fidelity.shapes",
    "min_pairs": "fidelity.pairs",
    "max_c2st_auc": "fidelity.c2st_auc",
    "max_dcr_share": "privacy.dcr_share",
    "max_membership_auc": "privacy.membership_auc",
    "max_identical_excess": "privacy.identical_share",
}


@dataclass(frozen=True)
class Bound:
    """One bound of the configuration and what was found.

    Attributes:
        name: the bound's name in the configuration, ``min_...`` or ``max_...``.
        value: the figure.
        limit: the bound; keeping it exactly is enough.
    """

    name: str
    value: float
    limit: float

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound; an undefined one does not."""
        if math.isnan(self.value):
            return False
        return self.value >= self.limit if self.name.startswith("min_") else self.value <= self.limit

    def describe(self) -> str:
        """E.g. ``min_shapes: found 0.71, at least 0.8 is needed``."""
        wanted = "at least" if self.name.startswith("min_") else "at most"
        return f"{self.name}: found {self.value:.4f}, {wanted} {self.limit:g} is needed"


@dataclass(frozen=True)
class Decision:
    """Whether a generator's rows may be published, and why."""

    generator: str
    bounds: tuple[Bound, ...]

    @property
    def passed(self) -> bool:
        """Whether every bound is kept."""
        return all(bound.passed for bound in self.bounds)

    @property
    def failures(self) -> list[str]:
        """One description a broken bound."""
        return [bound.describe() for bound in self.bounds if not bound.passed]


def decide(generator: str, metrics: Iterable[Metric], gate: GateConfig) -> Decision:
    """Hold a generator's overall figures against the bounds.

    Identical rows are judged by their excess over those among holdout rows: where real rows repeat,
    rows of a good generator must too.

    Raises:
        ContractError: a figure was not measured.
    """
    overall = {m.metric: m for m in metrics if m.arm == generator and m.slice == "all"}
    bounds = []
    for name, metric in _FIGURES.items():
        if metric not in overall:
            raise ContractError(f"The gate needs {metric} of {generator!r}, which was not measured.")
        figure = overall[metric]
        value = figure.value
        if name == "max_identical_excess":
            value = max(value - (figure.ceiling or 0.0), 0.0)
        bounds.append(Bound(name, value, getattr(gate, name)))
    return Decision(generator, tuple(bounds))


def gate_metrics(decision: Decision, num_rows: int) -> list[Metric]:
    """The decision as rows: each bound (1 kept, 0 broken) with its value and limit, and ``gate.passed``."""
    rows = []
    for bound in decision.bounds:
        for what, value in (("passed", float(bound.passed)), ("value", bound.value), ("limit", bound.limit)):
            rows.append(Metric(f"gate.{bound.name}", what, decision.generator, value, num_rows))
    return [*rows, Metric("gate.passed", "all", decision.generator, float(decision.passed), num_rows)]


def read_decisions(metrics: Sequence[Metric]) -> dict[str, Decision]:
    """The decisions in the rows of `gate_metrics`, by generator."""
    found = {(m.arm, m.metric, m.slice): m.value for m in metrics if m.metric.startswith("gate.")}
    decisions = {}
    for generator in sorted({arm for arm, _, _ in found}):
        bounds = tuple(
            Bound(name, found[generator, f"gate.{name}", "value"], found[generator, f"gate.{name}", "limit"])
            for name in _FIGURES
        )
        decisions[generator] = Decision(generator, bounds)
    return decisions


def log_decisions(decisions: Mapping[str, Decision]) -> None:
    """One line a generator, and one more where none passed."""
    for name, decision in decisions.items():
        if decision.passed:
            logger.info("generator %s passed the gate: its rows are published", name)
        else:
            logger.warning(
                "generator %s failed the gate, its rows are withheld: %s", name, "; ".join(decision.failures)
            )
    if decisions and not any(decision.passed for decision in decisions.values()):
        logger.error(
            "no generator passed the gate: there is nothing to augment with. "
            "Train longer (generators.NAME.num_steps) or, knowing why, change the gate's bounds."
        )
