"""From gains to a decision. A pure function: no data, no engine.

Each statement is an interval, wholly on one side of its border or not: that is why there are three verdicts.
All statements about an arm must hold at once, so that none of them needs a correction for the others (Berger
1982). The arm was chosen on other observations, but of the same trainings, whose luck is common to both, as
that of items is: what holds of it is corrected for how many arms it was chosen from (Bonferroni). What is
claimed of several tasks is corrected by Holm in `confirm`. One statement that is refuted is enough against
the arm: those beside its gain are refuted at a level corrected for all of them.
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
        rivals: statements of which each one, refuted, would be enough: a refutation is corrected for them, or
            for what the level is corrected for, where that is more.
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
            return "holds" if self.p_value <= (1 - self.level) / 2 else "open"
        if self.what == "same":
            return "fails" if low > self.border else "holds"
        if low > self.border:
            return "holds"
        _, high = self.estimate.interval(max(self.level, simultaneous(LEVEL, self.rivals)))
        return "fails" if high < self.border else "open"

    @property
    def p_value(self) -> float:
        """One-sided; 1 where nothing can be told.

        Two that differ on next to nothing cannot harm, though no interval says how much they do.
        """
        if self.what == "same":
            return 1.0
        if self.few:
            return self.estimate.p_value_of_loss(-self.border) if self.what == "safe" else 1.0
        found = self.estimate.p_value(self.border)
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
        chosen_from: how many arms, by what was measured of them.
    """

    decision: Decision
    arm: str | None
    statements: tuple[Statement, ...] = ()
    reasons: tuple[str, ...] = ()
    needed_units: float | None = None
    chosen_from: int = 1

    @property
    def level(self) -> float:
        """Of the intervals of its statements."""
        return simultaneous(LEVEL, self.chosen_from)

    @property
    def p_value(self) -> float:
        """Of all statements together: that of the weakest one, corrected for how the arm was chosen."""
        weakest = max((statement.p_value for statement in self.statements), default=1.0)
        return min(1.0, weakest * self.chosen_from)


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
    chosen_from: int = 1,
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
        chosen_from: how many arms it was chosen from by what was measured of the same trainings.
    """
    if chosen is None:
        return Verdict("inconclusive", None, reasons=(NOTHING,))
    first, level = next(iter(metrics)), simultaneous(LEVEL, chosen_from)
    alarms = _alarms(arms, gain, first, few)
    its_gain, *better = _better(chosen, arms, gain, first, worthwhile, few)
    beside = [*better, *_safe(chosen, control_of(arms), gain, metrics, segments, few)]
    statements = [
        replace(its_gain, level=level),
        *(replace(one, level=level, rivals=len(beside)) for one in beside),
    ]
    states = {statement.state for statement in statements}
    decision: Decision = "augment"
    if alarms:
        decision = "inconclusive"
    elif states != {"holds"}:
        decision = "no_gain" if "fails" in states else "inconclusive"
    first_one = statements[0]
    settled_by_units = first_one.state == "open" and not first_one.few and not alarms
    needed = _needed(first_one.estimate, worthwhile, level) if settled_by_units else None
    kinds = {name: arm.kind for name, arm in arms.items()}
    open_or_refuted = unmet([one.told for one in (*statements, *alarms)])
    reasons = tuple(reason_words(one, first, kinds) for one in open_or_refuted)
    return Verdict(decision, chosen, (*statements, *alarms), reasons, needed, chosen_from)


def _alarms(arms: Mapping[str, Arm], gain: Gain, first: str, few: Mapping[str, str]) -> list[Statement]:
    """Arms in which there is nothing to gain, and that show a gain all the same."""
    control, names = control_of(arms), [name for name, arm in arms.items() if arm.role == "same"]
    level, why = simultaneous(LEVEL, len(names)), few.get(ALL, "")
    over = {name: gain(first, ALL, name, control) for name in names}
    found = [Statement("same", name, 0.0, one, why or one.few, level) for name, one in over.items()]
    return [one for one in found if one.state == "fails"]


def _better(
    chosen: str, arms: Mapping[str, Arm], gain: Gain, first: str, worthwhile: float, few: Mapping[str, str]
) -> list[Statement]:
    """Than the control by what is worthwhile, and than every cheap arm."""
    control, why = control_of(arms), few.get(ALL, "")
    over = gain(first, ALL, chosen, control)
    found = [Statement("gain", control, worthwhile, over, why or over.few)]
    for name in cheap_arms(chosen, arms):
        over = gain(first, ALL, chosen, name)
        found.append(Statement("cheap", name, 0.0, over, why or over.few))
    return found


def _safe(
    chosen: str,
    control: str,
    gain: Gain,
    metrics: Mapping[str, Metric],
    segments: Sequence[str],
    few: Mapping[str, str],
) -> list[Statement]:
    """On every segment by every metric, but for the gain itself and for what is only told.

    Whether the two differ on enough is told by the metric that decides: others may be alike by nature, such
    as recall of lists that are shorter than it looks.
    """
    first, found = next(iter(metrics)), []
    for name, metric in metrics.items():
        if metric.margin is None:
            continue
        for segment in segments:
            if (name, segment) != (first, ALL):
                subject = segment if name == first else f"{segment} by {name}"
                why = few.get(segment, "") or gain(first, segment, chosen, control).few
                one = gain(name, segment, chosen, control)
                found.append(Statement("safe", subject, -metric.margin, one, why))
    return found


def _needed(gain: Estimate, worthwhile: float, level: float) -> float:
    """Units that would tell the gain from the worthwhile one, were it what it seems, or nothing at all."""
    sizes = [size for size in (worthwhile, abs(gain.value - worthwhile)) if size > 0]
    return gain.needed_units(min(sizes), level) if sizes else math.inf


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
