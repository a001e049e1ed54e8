"""From gains to a decision. A pure function: no data, no engine.

Each statement is an interval, wholly on one side of its border or not: that is why there are three verdicts.
The arm was chosen on other observations, and all of its statements must hold at once, so that none of them
needs a correction (Berger 1982); what is claimed of several tasks is corrected by Holm in `confirm`.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from clicksmith.lift.intervals import Estimate, holm
from clicksmith.lift.task import ALL, Arm, Metric, control_of
from clicksmith.reporting.statements import reason_words

Decision = Literal["augment", "no_gain", "inconclusive"]
State = Literal["holds", "fails", "open"]

Gain = Callable[[str, str, str, str], Estimate]
"""(metric, segment, arm, against) to how much better the arm is on the observations that decide."""


@dataclass(frozen=True)
class Statement:
    """One of what an arm has to be shown to be.

    Attributes:
        claim: in words, as it would be if it held.
        border: above which the gain has to be.
        estimate: the gain.
        few: why there is no interval; empty where there is.
        what: gain, cheap or safe.
    """

    what: Literal["gain", "cheap", "safe"]
    subject: str
    border: float
    estimate: Estimate
    few: str = ""

    @property
    def state(self) -> State:
        """Whether it is shown, refuted, or neither."""
        low, high = self.estimate.interval()
        if self.few or math.isnan(low):
            return "open"
        if low > self.border:
            return "holds"
        return "fails" if high < self.border else "open"

    @property
    def p_value(self) -> float:
        """One-sided; 1 where nothing can be told."""
        found = 1.0 if self.few else self.estimate.p_value(self.border)
        return 1.0 if math.isnan(found) else found

    @property
    def told(self) -> dict[str, Any]:
        """As plain values: what is kept of it, and what words are made of."""
        return {
            "what": self.what,
            "subject": self.subject,
            "border": self.border,
            "state": self.state,
            "few": self.few,
            **self.estimate.told,
        }


@dataclass(frozen=True)
class Verdict:
    """A decision and what it rests on.

    Attributes:
        decision: see `decide`.
        arm: that was chosen; None where no generated rows were there.
        statements: about it.
        reasons: why it is not "augment", one sentence each.
        needed_units: that would settle it, where units would.
    """

    decision: Decision
    arm: str | None
    statements: tuple[Statement, ...] = ()
    reasons: tuple[str, ...] = ()
    needed_units: float | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def p_value(self) -> float:
        """Of all statements together: that of the weakest one."""
        return max((statement.p_value for statement in self.statements), default=1.0)


def choose(arms: Mapping[str, Arm], gain: Gain, metric: str) -> str | None:
    """The augmentation of the largest gain over the control, on observations that decide nothing."""
    control = control_of(arms)
    gains = {
        name: gain(metric, ALL, name, control).value
        for name, arm in arms.items()
        if arm.role in ("free", "generator")
    }
    known = {name: value for name, value in gains.items() if not math.isnan(value)}
    return max(known, key=lambda name: (known[name], name), default=next(iter(gains), None))


def decide(
    chosen: str | None,
    arms: Mapping[str, Arm],
    gain: Gain,
    metrics: Mapping[str, Metric],
    worthwhile: float,
    segments: Sequence[str],
    few: Mapping[str, str],
) -> Verdict:
    """Judge the chosen arm.

    ``augment``: its gain in the first metric is above `worthwhile`, it is better than every cheap arm, and on
    all observations and every segment no metric loses its margin. ``no_gain``: one of these is refuted.
    ``inconclusive``: neither; observations are too few for the rest.

    Args:
        chosen: by `choose`, on other observations.
        arms: what was measured.
        gain: on the observations that decide.
        metrics: of the task, the deciding one first.
        worthwhile: gain of the first metric.
        segments: all that must be safe, `ALL` among them.
        few: segments of too few units for an interval, and why.
    """
    if chosen is None:
        return Verdict("inconclusive", None, reasons=("no generated rows were there to measure",))
    control, first = control_of(arms), next(iter(metrics))
    generated = arms[chosen].role == "generator"
    cheap = [name for name, arm in arms.items() if arm.role == "cheap" or (arm.role == "free" and generated)]
    statements = [
        Statement("gain", control, worthwhile, gain(first, ALL, chosen, control), few.get(ALL, "")),
        *(Statement("cheap", name, 0.0, gain(first, ALL, chosen, name), few.get(ALL, "")) for name in cheap),
    ]
    for name, metric in metrics.items():
        if metric.margin is None:  # told, and decides nothing
            continue
        for segment in segments:
            if (name, segment) != (first, ALL):
                subject = segment if name == first else f"{segment} by {name}"
                found = gain(name, segment, chosen, control)
                statements.append(Statement("safe", subject, -metric.margin, found, few.get(segment, "")))
    states = {statement.state for statement in statements}
    decision: Decision = "augment"
    if states != {"holds"}:
        decision = "no_gain" if "fails" in states else "inconclusive"
    first_one = statements[0]
    needed = _needed(first_one.estimate, worthwhile) if first_one.state == "open" else None
    kinds = {name: arm.kind for name, arm in arms.items()}
    reasons = tuple(reason_words(one.told, first, kinds) for one in statements if one.state != "holds")
    return Verdict(decision, chosen, tuple(statements), reasons, needed)


def _needed(gain: Estimate, worthwhile: float) -> float:
    """Units that would tell the gain from the worthwhile one, were it what it seems, or nothing at all."""
    sizes = [size for size in (worthwhile, abs(gain.value - worthwhile)) if size > 0]
    return gain.needed_units(min(sizes)) if sizes else math.inf


def confirm(verdicts: Mapping[str, Verdict]) -> dict[str, Verdict]:
    """Of several tasks' verdicts, keep as "augment" what holds for all tasks together (Holm)."""
    kept = holm({name: verdict.p_value for name, verdict in verdicts.items()})
    reason = "it holds for this task alone, not once corrected for all tasks that were measured"
    return {
        name: replace(verdict, decision="inconclusive", reasons=(reason,))
        if verdict.decision == "augment" and name not in kept
        else verdict
        for name, verdict in verdicts.items()
    }
