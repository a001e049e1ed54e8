"""What a verdict's statements say: the gain, why it is not to augment, what was refuted."""

from collections.abc import Mapping, Sequence
from typing import Any

from clicksmith.reporting import words

Verdict = Mapping[str, Any]
"""A row of gold.verdicts, its evidence parsed."""


def gain_of(verdict: Verdict) -> Verdict | None:
    """The statement on the gain of the chosen arm; None where no arm was there to choose."""
    return next((one for one in verdict["evidence"]["statements"] if one["what"] == "gain"), None)


def failing(verdict: Verdict) -> str:
    """Whom an arm harms, or what does better, where its gain is not what was refuted; empty elsewhere."""
    refuted = [one for one in verdict["evidence"]["statements"] if one["state"] == "fails"]
    if not refuted or any(one["what"] == "gain" for one in refuted):
        return ""
    harmed = dict.fromkeys(_harmed(one["subject"]) for one in refuted if one["what"] == "safe")
    if harmed:
        return f"harms {_some(list(harmed), 'segments')}"
    return f"is worse than {_some([one['subject'] for one in refuted], 'arms')}"


def _harmed(subject: str) -> str:
    """A segment, whatever the metric; of all rows the metric tells what is lost."""
    name, _ = words.split_subject(subject)
    return words.subject_words(subject if name == "all" else name)


def _some(names: Sequence[str], what: str) -> str:
    return words.join_words(names) if len(names) < 3 else f"{names[0]} and {len(names) - 1} other {what}"


def reasons(verdict: Verdict) -> list[str]:
    """Why it is not "augment", a sentence each: what was refuted first, then what is open."""
    evidence = verdict["evidence"]
    unmet = sorted(
        (one for one in evidence["statements"] if one["state"] != "holds"),
        key=lambda one: one["state"] != "fails",
    )
    metric = words.metric_words(evidence["metric"])
    kinds = {name: arm["kind"] for name, arm in evidence["arms"].items()}
    found = [_reason(one, metric, kinds) for one in unmet] or evidence["reasons"]
    return [words.sentence(reason) for reason in found]


def _reason(one: Verdict, metric: str, kinds: Mapping[str, str]) -> str:
    fails, border = one["state"] == "fails", f"{abs(one['border']):g}"
    subject = words.subject_words(one["subject"]) if one["what"] == "safe" else one["subject"]
    figure = words.figure_words(one["value"], one["ci_low"], one["ci_high"])
    if one["few"]:
        told = {"gain": "its gain has no interval", "cheap": f"it is not shown to be better than {subject}"}
        return f"{told.get(one['what'], f'it is not shown to be safe for {subject}')}: {one['few']}"
    if one["what"] == "gain":
        how = "lies below" if fails else "may lie below or above"
        return f"its gain {how} the {border} {metric} that would be worthwhile: {figure}"
    if one["what"] == "cheap":
        how = "is worse than" if fails else "is not shown to be better than"
        return f"it {how} {subject}{words.cheaper_words(kinds.get(subject, ''))}: {figure}"
    how = "harms" if fails else "is not shown to be safe for"
    return f"it {how} {subject}: {figure}, where a loss of up to {border} is taken for none"
