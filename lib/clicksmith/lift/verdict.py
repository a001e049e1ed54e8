"""From gains to a decision. A pure function: no data, no engine.

Each statement is an interval, wholly on one side of its border or not: that is why there are three verdicts.
The arm was chosen on other observations, and all of its statements must hold at once, so that none of them
needs a correction (Berger 1982); what is claimed of several tasks is corrected by Holm in `confirm`. One that
is refuted is enough against the arm: those beside its gain are refuted at a level corrected for all of them.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from clicksmith.lift.statistics.intervals import LEVEL, Estimate, holm, simultaneous
from clicksmith.lift.task import ALL, Arm, Metric, control_of
from clicksmith.reporting.statements import NOTHING, reason_words, unmet

Decision = Literal["augment", "no_gain", "inconclusive"]
State = Literal["holds", "fails", "open"]

ALIKE = "nothing that was tested tells the two apart"
"""Why a difference of 0 has no interval."""

Gain = Callable[[str, str, str, str], Estimate]
"""(metric, segment, arm, against) to how much better the arm is on the observations that decide."""


@dataclass(frozen=True)
class Statement:
    """One of what an arm has to be shown to be; or of the control again, that it shows no gain.

    Attributes:
        what: gain, cheap or safe; same of the control again.
        subject: the arm or the segment that it is about.
        border: above which the gain has to be; of the control again, above which it must not be shown to be.
        estimate: the gain.
        few: why there is no interval; empty where there is.
        level: of the interval.
        rivals: statements of which each one, refuted, would be enough: a refutation is corrected for them.
    """

    what: Literal["gain", "cheap", "safe", "same"]
    subject: str
    border: float
    estimate: Estimate
    few: str = ""
    level: float = LEVEL
    rivals: int = 1

    @property
    def state(self) -> State:
        """Whether it is shown, refuted, or neither."""
        low, _ = self.estimate.interval(self.level)
        if self.few or math.isnan(low):
            return "open"
        if self.what == "same":
            return "fails" if low > self.border else "holds"
        if low > self.border:
            return "holds"
        _, high = self.estimate.interval(simultaneous(self.level, self.rivals))
        return "fails" if high < self.border else "open"

    @property
    def p_value(self) -> float:
        """One-sided; 1 where nothing can be told."""
        found = 1.0 if self.few or self.what == "same" else self.estimate.p_value(self.border)
        return 1.0 if math.isnan(found) else found

    @property
    def told(self) -> dict[str, Any]:
        """As plain values: what is kept of it, and what words are made of."""
        low, high = self.estimate.interval(self.level)
        return {
            "what": self.what,
            "subject": self.subject,
            "border": self.border,
            "state": self.state,
            "few": self.few,
            **self.estimate.told,
            "ci_low": low,
            "ci_high": high,
        }


@dataclass(frozen=True)
class Verdict:
    """A decision and what it rests on.

    Attributes:
        decision: see `decide`.
        arm: that was chosen; None where no augmentation was there.
        statements: about it, that on its gain first; then arms of the control again that show a gain.
        reasons: why it is not "augment", one sentence each, in the order of `unmet`.
        needed_units: that would settle it, where units would.
    """

    decision: Decision
    arm: str | None
    statements: tuple[Statement, ...] = ()
    reasons: tuple[str, ...] = ()
    needed_units: float | None = None

    @property
    def p_value(self) -> float:
        """Of all statements together: that of the weakest one."""
        return max((statement.p_value for statement in self.statements), default=1.0)


def candidates(arms: Mapping[str, Arm]) -> list[str]:
    """What may be chosen: augmentations."""
    return [name for name, arm in arms.items() if arm.role in ("free", "generator")]


def choose(arms: Mapping[str, Arm], gain: Gain, metric: str) -> str | None:
    """The candidate of the largest gain over the control, on observations that decide nothing."""
    control = control_of(arms)
    gains = {name: gain(metric, ALL, name, control).value for name in candidates(arms)}
    known = {name: value for name, value in gains.items() if not math.isnan(value)}
    return max(known, key=lambda name: (known[name], name), default=next(iter(gains), None))


def cheap_arms(chosen: str, arms: Mapping[str, Arm]) -> list[str]:
    """What has to be beaten beside the control: by generated rows also what needs no generator."""
    generated = arms[chosen].role == "generator"
    return [name for name, arm in arms.items() if arm.role == "cheap" or (arm.role == "free" and generated)]


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
    ``inconclusive``: neither; observations are too few for the rest. Also where the control again shows a
    gain, at a level corrected for all such arms: then nothing that was measured is believed.

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
        return Verdict("inconclusive", None, reasons=(NOTHING,))
    first = next(iter(metrics))
    alarms = _alarms(arms, gain, first, few)
    its_gain, *better = _better(chosen, arms, gain, first, worthwhile, few)
    beside = [*better, *_safe(chosen, control_of(arms), gain, metrics, segments, few)]
    statements = [its_gain, *(replace(one, rivals=len(beside)) for one in beside)]
    states = {statement.state for statement in statements}
    decision: Decision = "augment"
    if alarms:
        decision = "inconclusive"
    elif states != {"holds"}:
        decision = "no_gain" if "fails" in states else "inconclusive"
    first_one = statements[0]
    settled_by_units = first_one.state == "open" and not first_one.few and not alarms
    needed = _needed(first_one.estimate, worthwhile) if settled_by_units else None
    kinds = {name: arm.kind for name, arm in arms.items()}
    open_or_refuted = unmet([one.told for one in (*statements, *alarms)])
    reasons = tuple(reason_words(one, first, kinds) for one in open_or_refuted)
    return Verdict(decision, chosen, (*statements, *alarms), reasons, needed)


def _alarms(arms: Mapping[str, Arm], gain: Gain, first: str, few: Mapping[str, str]) -> list[Statement]:
    """Arms in which there is nothing to gain, and that show a gain all the same."""
    control, names = control_of(arms), [name for name, arm in arms.items() if arm.role == "same"]
    level, why = simultaneous(LEVEL, len(names)), few.get(ALL, "")
    found = [Statement("same", name, 0.0, gain(first, ALL, name, control), why, level) for name in names]
    return [one for one in found if one.state == "fails"]


def _better(
    chosen: str, arms: Mapping[str, Arm], gain: Gain, first: str, worthwhile: float, few: Mapping[str, str]
) -> list[Statement]:
    """Than the control by what is worthwhile, and than every cheap arm."""
    control, why = control_of(arms), few.get(ALL, "")
    found = [
        _told_apart(Statement("gain", control, worthwhile, gain(first, ALL, chosen, control), why)),
        *(
            _told_apart(Statement("cheap", name, 0.0, gain(first, ALL, chosen, name), why))
            for name in cheap_arms(chosen, arms)
        ),
    ]
    return found


def _safe(
    chosen: str,
    control: str,
    gain: Gain,
    metrics: Mapping[str, Metric],
    segments: Sequence[str],
    few: Mapping[str, str],
) -> list[Statement]:
    """On every segment by every metric, but for the gain itself and for what is only told."""
    first, found = next(iter(metrics)), []
    for name, metric in metrics.items():
        if metric.margin is None:
            continue
        for segment in segments:
            if (name, segment) != (first, ALL):
                subject = segment if name == first else f"{segment} by {name}"
                one = gain(name, segment, chosen, control)
                told = Statement("safe", subject, -metric.margin, one, few.get(segment, ""))
                # Other metrics may be alike by nature: recall of lists that are shorter than it looks.
                found.append(_told_apart(told) if name == first else told)
    return found


def _told_apart(statement: Statement) -> Statement:
    """The statement, which is open where nothing tells the two apart."""
    return replace(statement, few=statement.few or ALIKE) if statement.estimate.is_alike else statement


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
