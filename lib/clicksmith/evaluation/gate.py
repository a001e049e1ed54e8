"""The gate between generated rows and those that trainings may see. Pure functions."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from clicksmith.config import GateConfig
from clicksmith.errors import ContractError
from clicksmith.evaluation.bounds import RULES, RULES_OF, as_found, is_minimum, judged, limit_of, titled
from clicksmith.evaluation.rows import PROFILE, Metric

logger = logging.getLogger(__name__)

UNSHOWN = "the figure keeps its bound, but so few users or rows cannot show that others would"
"""Why a bound is broken by the end of an interval alone."""
BY_PROFILE = "the profile gives users away"
"""What is added where an attack by the columns that tell of a user breaks the bound."""


@dataclass(frozen=True)
class Bound:
    """One bound of the configuration and what was found.

    Attributes:
        name: the bound's name in the configuration, ``min_...`` or ``max_...``.
        value: what is judged: the worse end of the figure's interval, where it has one.
        limit: the bound; keeping it exactly is enough.
        found: the figure itself, on the scale of the bound; None: of a lake that does not tell.
        by_profile: whether an attack by the columns that tell of a user is judged, not one by all columns.
    """

    name: str
    value: float
    limit: float
    found: float | None = None
    by_profile: bool = False

    @property
    def passed(self) -> bool:
        """Whether the figure keeps the bound; an undefined one does not."""
        return self._keeps(self.value)

    def _keeps(self, value: float) -> bool:
        if math.isnan(value):
            return False
        return value >= self.limit if is_minimum(self.name) else value <= self.limit

    def describe(self) -> str:
        """`figures`, and why the bound is there; or that others of its rows might break it."""
        kept = self.found is not None and self._keeps(self.found)
        reason = RULES[self.name].reason + (f": {BY_PROFILE}" if self.by_profile else "")
        return f"{self.figures()} ({UNSHOWN if kept else reason})"

    def figures(self) -> str:
        """E.g. ``users held out (gate.min_holdout_users) 20, where at least 30 is needed``.

        Where the figure has an interval, both are told: ``0.7100, at worst 0.7300 (95 %), where ...``.
        """
        wanted, verb = ("at least", "needed") if is_minimum(self.name) else ("at most", "allowed")
        worst = _number(self.value, self.limit)
        told = f"at worst {worst}"
        if self.found is not None:
            found = _number(self.found, self.limit)
            told = found if found == worst else f"{found}, {told} (95 %)"
        return f"{titled(self.name)} {told}, where {wanted} {self.limit:g} is {verb}"


def _number(value: float, limit: float) -> str:
    """A figure to four digits, to more where these are its limit's; a count; or that it is undefined."""
    if math.isnan(value):
        return "undefined"
    if value != limit and round(value, 4) == round(limit, 4):
        return f"{value:.8f}"
    return f"{value:g}" if value == round(value) and abs(value) > 1 else f"{value:.4f}"


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


def decide(generator: str, metrics: Iterable[Metric], gate: GateConfig, kind: str = "examples") -> Decision:
    """Hold a generator's overall figures against the bounds of its kind of data.

    An undefined figure breaks its bound, unless it is optional and undefined for real rows too, or its rule
    says why it cannot be judged.

    Raises:
        ContractError: a figure was not measured.
    """
    own = [m for m in metrics if m.arm == generator]
    overall = {m.metric: m for m in own if m.slice == "all"}
    bounds = []
    for name in RULES_OF[kind]:
        rule = RULES[name]
        limit, figure = limit_of(gate, name), overall.get(rule.metric)
        optional = rule.optional and rule.beside not in overall
        if figure is None and not optional:
            raise ContractError(f"The gate needs {rule.metric} of {generator!r}, which was not measured.")
        if limit is None or figure is None or (optional and _has_no_value(figure)):
            continue
        if rule.undecided:
            _log_undecided(generator, name, own)
            if math.isnan(figure.value):
                continue
        by_profile = _slices_of(figure, own) == {PROFILE}
        bounds.append(Bound(name, judged(name, figure), limit, as_found(name, figure), by_profile))
    return Decision(generator, tuple(bounds))


def _slices_of(overall: Metric, figures: Iterable[Metric]) -> set[str]:
    """Other slices whose figure is the overall one: of two spaces, that which is judged."""
    return {m.slice for m in figures if m.slice != "all" and replace(m, slice="all") == overall}


def _log_undecided(generator: str, name: str, figures: Iterable[Metric]) -> None:
    """What a bound that may be undecided does not judge, and why: all of it, or some of its slices."""
    rule = RULES[name]
    unknown = [m.slice for m in figures if m.metric == rule.metric and math.isnan(m.value)]
    of_what = " and ".join(part for part in unknown if part != "all")
    if unknown:
        told = f"{name} of {of_what}" if of_what else name
        logger.info("generator %s: %s is not judged: %s", generator, told, rule.undecided)


def _has_no_value(figure: Metric) -> bool:
    return math.isnan(figure.value) and figure.ceiling is None


def gate_metrics(decision: Decision, num_rows: int) -> list[Metric]:
    """The decision as rows, and ``gate.passed``.

    Of each bound: whether it is kept (1, or 0), what is judged, the limit, the figure itself, and ``profile``
    where it is an attack's by the profile.
    """
    rows = []
    for bound in decision.bounds:
        told = {"passed": float(bound.passed), "value": bound.value, "limit": bound.limit}
        if bound.found is not None:
            told["found"] = bound.found
        if bound.by_profile:
            told[PROFILE] = 1.0
        for what, value in told.items():
            rows.append(Metric(f"gate.{bound.name}", what, decision.generator, value, num_rows))
    return [*rows, Metric("gate.passed", "all", decision.generator, float(decision.passed), num_rows)]


def read_decisions(metrics: Sequence[Metric]) -> dict[str, Decision]:
    """The decisions in the rows of `gate_metrics`, by generator."""
    found = {(m.arm, m.metric, m.slice): m.value for m in metrics if m.metric.startswith("gate.")}
    decisions = {}
    for generator in sorted({arm for arm, _, _ in found}):
        names = [name for name in RULES if (generator, f"gate.{name}", "limit") in found]
        bounds = (
            Bound(
                name,
                found[generator, f"gate.{name}", "value"],
                found[generator, f"gate.{name}", "limit"],
                found.get((generator, f"gate.{name}", "found")),
                (generator, f"gate.{name}", PROFILE) in found,
            )
            for name in names
        )
        decisions[generator] = Decision(generator, tuple(bounds))
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
