"""The gate between generated rows and those that trainings may see. Pure functions."""

import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation.rows import Metric

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rule:
    """What a bound of the configuration holds a generator to.

    Attributes:
        metric: the figure's name.
        reason: why its rows are refused, in plain English.
        value: the figure as it is judged: the worse end of its interval where it has one; None: by the
            bound's name, ``min_...`` or ``max_...``.
        optional: whether the bound falls away where the figure has no value for real rows either, or was
            not measured: a GAN has no likelihood, a constant label teaches nothing.
        undecided: why a figure that was measured and has no value is not judged; empty: it is.
    """

    metric: str
    reason: str
    value: Callable[[Metric], float] | None = None
    optional: bool = False
    undecided: str = ""


def _low(figure: Metric) -> float:
    """The lower end of its interval, where it has one: what is not shown is not believed."""
    return figure.value if figure.ci_low is None else figure.ci_low


def _high(figure: Metric) -> float:
    """The upper end likewise."""
    return figure.value if figure.ci_high is None else figure.ci_high


def _excess(figure: Metric) -> float:
    """Above that of real rows: where real rows repeat, rows of a good generator must too."""
    return max(_high(figure) - (figure.ceiling or 0.0), 0.0)


def _loss(figure: Metric) -> float:
    """Below that of real rows."""
    return max((figure.ceiling or 0.0) - _low(figure), 0.0)


def _relative(figure: Metric) -> float:
    """As a part of that of real rows, which chance may put on either side of 1."""
    ceiling = 1.0 if figure.ceiling is None else min(figure.ceiling, 1.0)
    return _low(figure) / ceiling if ceiling > 0 else 1.0


RULES = {
    "min_shapes": Rule("fidelity.shapes", "single columns are not distributed like the real ones"),
    "min_pairs": Rule("fidelity.pairs", "pairs of columns do not go together as the real ones do"),
    "min_triples": Rule(
        "fidelity.triples", "three columns together are not distributed like the real ones", optional=True
    ),
    "min_label_ratio": Rule(
        "fidelity.label_ratio", "a label is far more or far less frequent than in real rows", optional=True
    ),
    "max_c2st_auc": Rule("fidelity.c2st_auc", "a classifier tells the rows from real ones"),
    "min_entropy_ratio": Rule(
        "diversity.entropy_ratio", "the categories are less varied than the real ones", optional=True
    ),
    "min_mode_share": Rule(
        "diversity.mode_share", "frequent combinations of values are hardly generated", optional=True
    ),
    "max_utility_loss": Rule(
        "utility.trained_auc", "a model learns less from the rows than from real ones", _loss, optional=True
    ),
    "min_holdout_users": Rule(
        "holdout.users",
        "fewer cannot show whether the users learnt from are given away",
        optional=True,
    ),
    "max_dcr_share": Rule(
        "privacy.dcr_share", "the rows lie closer to training rows than to real rows never shown"
    ),
    "min_nndr_ratio": Rule("privacy.nndr_ratio", "some rows point at single training rows", _relative),
    "max_membership_auc": Rule("privacy.membership_auc", "an attack tells which real rows were trained on"),
    "max_domias_auc": Rule(
        "privacy.domias_auc", "an attack that knows the population tells which real rows were trained on"
    ),
    "max_user_auc": Rule(
        "privacy.user_auc",
        "an attack on all rows of a user tells whose were trained on",
        optional=True,
        undecided="too few users are held out to tell what the attack finds from chance",
    ),
    "max_domias_tpr": Rule(
        "privacy.domias_tpr",
        "an attack names training rows with hardly a false accusation",
        undecided="too few users are held out to tell what the attack finds from chance",
    ),
    "max_identical_excess": Rule(
        "privacy.identical_share", "the rows equal training rows more often than other real rows do", _excess
    ),
    "max_heldout_gap_nats": Rule(
        "privacy.heldout_gap_nats",
        "the network has memorised: its training rows are far likelier to it than other real rows",
        optional=True,
    ),
}
"""By the bound's name in the configuration, ``min_...`` or ``max_...``."""


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
        """E.g. ``min_shapes: found 0.7100, at least 0.8 is needed (single columns are not ...)``."""
        wanted = "at least" if self.name.startswith("min_") else "at most"
        reason = RULES[self.name].reason
        return f"{self.name}: found {self.value:.4f}, {wanted} {self.limit:g} is needed ({reason})"


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

    An undefined figure breaks its bound, unless it is optional and undefined for real rows too, or its rule
    says why it cannot be judged.

    Raises:
        ContractError: a figure was not measured.
    """
    overall = {m.metric: m for m in metrics if m.arm == generator and m.slice == "all"}
    bounds = []
    for name, rule in RULES.items():
        limit, figure = getattr(gate, name), overall.get(rule.metric)
        if figure is None and not rule.optional:
            raise ContractError(f"The gate needs {rule.metric} of {generator!r}, which was not measured.")
        if limit is None or figure is None or (rule.optional and _has_no_value(figure)):
            continue
        if rule.undecided and math.isnan(figure.value):
            logger.info("generator %s: %s is not judged: %s", generator, name, rule.undecided)
            continue
        judge = rule.value or (_low if name.startswith("min_") else _high)
        bounds.append(Bound(name, judge(figure), limit))
    return Decision(generator, tuple(bounds))


def _has_no_value(figure: Metric) -> bool:
    return math.isnan(figure.value) and figure.ceiling is None


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
        names = [name for name in RULES if (generator, f"gate.{name}", "limit") in found]
        values = {
            name: [found[generator, f"gate.{name}", key] for key in ("value", "limit")] for name in names
        }
        decisions[generator] = Decision(generator, tuple(Bound(name, *values[name]) for name in names))
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
