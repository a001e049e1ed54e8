"""What each arm gives, whether it is told from zero, and what could have been found; and tables of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clicksmith.evaluation.rows import Metric
from clicksmith.reporting import words


@dataclass(frozen=True)
class Gain:
    """An arm's gain over the control.

    Attributes:
        figure: the gain with its interval.
        smallest: gain that would be found above zero 8 times in 10; None where that is not told.
        is_apart: whether it is told from zero, corrected for all gains that are shown of its task.
    """

    figure: Metric
    smallest: float | None
    is_apart: bool


def gains_of(evidence: Mapping[str, Any], figures: Sequence[Metric]) -> dict[str, list[Gain]]:
    """Of a task, by metric, the deciding one first.

    Args:
        evidence: of the task's verdict.
        figures: of measure_lift, of all tasks; see `lift.rows.metric_rows`.
    """
    found: dict[str, dict[tuple[str, str, str], Metric]] = {"lift": {}, "detectable": {}, "apart": {}}
    for m in figures:
        what, _, name = m.metric.partition(".")
        if what in found and name.startswith(f"{evidence['name']}.") and m.arm in evidence["arms"]:
            found[what][name.removeprefix(f"{evidence['name']}."), m.slice, m.arm] = m
    values = {what: {key: m.value for key, m in own.items()} for what, own in found.items()}
    gains: dict[str, list[Gain]] = {}
    for key, figure in found["lift"].items():
        own = Gain(figure, values["detectable"].get(key), values["apart"].get(key) == 1)
        gains.setdefault(key[0], []).append(own)
    return dict(sorted(gains.items(), key=lambda one: one[0] != evidence["metric"]))


def by_segment(gains: Sequence[Gain]) -> list[Gain]:
    """In the order of their segments."""
    return sorted(gains, key=lambda gain: (words.segment(gain.figure.slice).order, gain.figure.slice))


def arm_rows(
    arms: Mapping[str, Mapping[str, Any]], gains: Sequence[Gain]
) -> list[tuple[str, str, int, str, str]]:
    """Of each arm its name, what it adds, its fits of a generator, its gain, the smallest one to be found."""
    found = {gain.figure.arm: _told(gain) for gain in gains if gain.figure.slice == "all"}
    return [
        (name, words.arm_words(arm["kind"], arm["ratio"]), arm["num_fits"], *found.get(name, ("–", "–")))
        for name, arm in arms.items()
    ]


def segment_rows(arm: str | None, metric: str, gains: Sequence[Gain]) -> list[tuple[str, str, str, str, str]]:
    """Of each segment its name, the metric, an arm's gain, the smallest one to be found, rows."""
    name = words.metric_words(metric)
    return [
        (words.segment(gain.figure.slice).words, name, *_told(gain), f"{gain.figure.num_rows:,}")
        for gain in by_segment(gains)
        if gain.figure.arm == arm
    ]


def _told(gain: Gain) -> tuple[str, str]:
    """A gain with its interval, and the smallest one that would be found."""
    figure = gain.figure
    smallest = "–" if gain.smallest is None else words.signed(gain.smallest)
    return words.figure_words(figure.value, figure.ci_low, figure.ci_high), smallest
