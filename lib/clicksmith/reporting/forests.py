"""Forest plots of a measurement: all arms by what they are to the verdict, and each arm by segment."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from clicksmith.evaluation.rows import Metric
from clicksmith.reporting import plots, words
from clicksmith.reporting.gains import Gain, arm_rows, by_segment, gains_of, segment_rows
from clicksmith.reporting.plots import Group, Interval

_ROLES = {
    "control": ("Control", "#3b4252"),
    "same": ("Must show nothing", "#667085"),
    "ceiling": ("More real rows: the ceiling", "#009e73"),
    "cheap": ("Cheap arms: to be beaten", "#d55e00"),
    "free": ("Free augmentations", "#9a4f96"),
    "generator": ("Generated rows", "#0072b2"),
}
"""What each role is called, and its colour."""


@dataclass(frozen=True)
class Measurement:
    """A task's plots, and what has to be said beside them.

    Attributes:
        metric: that decides, in words.
        control: the arm of real rows alone.
        control_value: its mean figure; None where there is none.
        num_corrected: gains that filled dots are corrected for; 0 where none has an interval, and of a
            release that did not correct.
        correction: the same as a sentence, or why no dot is filled.
        chosen: plots of all arms, then of the chosen one by segment, by their captions.
        others: plots of the other arms by segment.
        arms: each one's name, what it adds, its fits of a generator, its gain, the smallest one to be found.
        segments: the chosen arm's gains: of whom, by which metric, the gain, the smallest one to be found,
            rows.
        skipped: arms that were not measured, a sentence each.
    """

    metric: str
    control: str
    control_value: float | None
    num_corrected: int
    correction: str
    chosen: Mapping[str, str]
    others: Mapping[str, str]
    arms: Sequence[tuple[str, str, int, str, str]]
    segments: Sequence[tuple[str, str, str, str, str]]
    skipped: Sequence[str]


def measurement(verdict: Mapping[str, Any], figures: Sequence[Metric]) -> Measurement:
    """What was measured for a verdict.

    Args:
        verdict: a row of gold.verdicts, its evidence parsed.
        figures: of measure_lift, of all tasks.
    """
    evidence = verdict["evidence"]
    arms, control, first = evidence["arms"], evidence["control"], evidence["metric"]
    lifts = gains_of(evidence, figures)
    chosen, gains = evidence["chosen"], lifts.get(first, [])
    num_corrected = sum(m.metric.startswith(f"apart.{evidence['name']}.") for m in figures)
    shown = {}
    if gains:
        shown["All arms on all test rows"] = _overall(evidence, gains)
    for metric, own in lifts.items():
        if chosen is not None:
            caption = f"{chosen} by segment, {words.metric_words(metric)}"
            shown[caption] = _by_segment(chosen, evidence, metric, own)
    others = [arm for arm in _ordered(arms) if arm not in (chosen, control)]
    return Measurement(
        metric=words.metric_words(first),
        control=control,
        control_value=control_value(evidence, figures),
        num_corrected=num_corrected,
        correction=_correction(evidence, gains, num_corrected),
        chosen=shown,
        others={arm: _by_segment(arm, evidence, first, gains) for arm in others if gains},
        arms=arm_rows({name: arms[name] for name in _ordered(arms)}, gains),
        segments=[row for metric, own in lifts.items() for row in segment_rows(chosen, metric, own)],
        skipped=[
            words.sentence(f"arm {name} was not measured: {why}")
            for name, why in evidence["skipped_arms"].items()
        ],
    )


def _correction(evidence: Mapping[str, Any], gains: Sequence[Gain], num_corrected: int) -> str:
    """What filled dots are corrected for, or why none is filled."""
    if num_corrected:
        return f"Filled dots are corrected for {num_corrected} differences."
    if not gains:
        return "No other arm was measured beside it: there is no difference to draw."
    if any(gain.figure.ci_low is not None for gain in gains):
        return "It was measured by a release that did not correct for how many are drawn: no dot is filled."
    why = evidence.get("few", {}).get("all", "they are not defined on these rows")
    return f"No difference has an interval, and no dot is filled: {why}."


def control_value(evidence: Mapping[str, Any], figures: Sequence[Metric]) -> float | None:
    """The mean figure of a task's control on all test rows; None where there is none."""
    wanted = (f"arm.{evidence['name']}.{evidence['metric']}", "all", evidence["control"])
    own = [m.value for m in figures if (m.metric, m.slice, m.arm) == wanted]
    return sum(own) / len(own) if own else None


def gain_plot(evidence: Mapping[str, Any], gain: Mapping[str, Any]) -> str:
    """The one interval of a decision, beside zero and the worthwhile gain."""
    low, high = (None, None) if gain["few"] else (gain["ci_low"], gain["ci_high"])
    chosen = str(evidence["chosen"])
    row = _row(chosen, gain["value"], low, high, gain["num_rows"])
    if low is not None and high is not None:  # one claim, whose ends are corrected
        row = replace(row, is_apart=low > 0 or high < 0)
    _, colour = _ROLES[evidence["arms"][chosen]["role"]]
    marks = {"worthwhile": evidence["worthwhile"]}
    bounds = plots.common_bounds([row], list(marks.values()))
    return plots.forest("Gain of the chosen arm", [Group("", colour, [row])], bounds, marks)


def _overall(evidence: Mapping[str, Any], gains: Sequence[Gain]) -> str:
    """All arms in groups by role, on all test rows."""
    arms, control, chosen = evidence["arms"], evidence["control"], evidence["chosen"]
    found = {gain.figure.arm: gain for gain in gains if gain.figure.slice == "all"}
    groups = [Group(f"Control: {control}, real rows alone", _ROLES["control"][1], [])]
    for role, names in groupby(_ordered(arms), key=lambda name: arms[name]["role"]):
        rows = [
            _gain_row(f"chosen: {name}" if name == chosen else name, found[name])
            for name in names
            if name in found
        ]
        if rows:
            groups.append(Group(*_ROLES[role], rows))
    marks = {"worthwhile": evidence["worthwhile"]}
    bounds = plots.common_bounds([row for group in groups for row in group.rows], list(marks.values()))
    return plots.forest("Gain of each arm on all test rows", groups, bounds, marks)


def _by_segment(arm: str, evidence: Mapping[str, Any], metric: str, gains: Sequence[Gain]) -> str:
    """One arm by segment, on the axis of all arms, beside the loss that its safety is held against."""
    colour = _ROLES[evidence["arms"][arm]["role"]][1]
    own = [(words.segment(gain.figure.slice), gain) for gain in by_segment(gains) if gain.figure.arm == arm]
    groups = [
        Group(title, colour, [_gain_row(segment.short, gain) for segment, gain in members])
        for title, members in groupby(own, key=lambda one: one[0].group)
    ]
    marks = {"margin": border} if (border := _border(evidence, metric)) is not None else {}
    bounds = plots.common_bounds([_gain_row("", gain) for gain in gains], list(marks.values()))
    return plots.forest(f"Gain of {arm} by segment, {words.metric_words(metric)}", groups, bounds, marks)


def _border(evidence: Mapping[str, Any], metric: str) -> float | None:
    """The loss in a metric up to which a segment is safe."""
    for one in evidence["statements"]:
        if one["what"] == "safe" and (words.split_subject(one["subject"])[1] or evidence["metric"]) == metric:
            return float(one["border"])
    return None


def _ordered(arms: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """By role, then by name."""
    return sorted(arms, key=lambda name: (list(_ROLES).index(arms[name]["role"]), name))


def _gain_row(label: str, gain: Gain) -> Interval:
    figure = gain.figure
    row = _row(label, figure.value, figure.ci_low, figure.ci_high, figure.num_rows)
    detail = "; ".join(filter(None, (row.detail, words.smallest_words(gain.smallest))))
    return replace(row, detail=detail, is_apart=gain.is_apart)


def _row(label: str, value: float | None, low: float | None, high: float | None, num_rows: int) -> Interval:
    note = words.figure_words(value, low, high)
    if note != "undefined" and low is None:
        note += ", no interval"
    return Interval(
        label, math.nan if value is None else value, low, high, note, f"{note}, {num_rows:,} rows"
    )
