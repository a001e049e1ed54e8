"""What a verdict's statements say: the gain, why it is not to augment, what was refuted."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from clicksmith.reporting import words

Verdict = Mapping[str, Any]
"""A row of gold.verdicts, its evidence parsed."""

NOTHING = "no augmentation was there to judge, only what one is held against"
"""Why it is not "augment" where no arm was there to choose."""


def gain_of(verdict: Verdict) -> Verdict | None:
    """The statement on the gain of the chosen arm; None where no arm was there to choose."""
    return next((one for one in verdict["evidence"]["statements"] if one["what"] == "gain"), None)


def shows_gain(verdict: Verdict) -> bool:
    """Whether the gain itself is shown, whatever else is not, and can be believed."""
    gain = gain_of(verdict)
    return gain is not None and gain["state"] == "holds" and not alarms(verdict)


def alarms(verdict: Verdict) -> list[str]:
    """Arms of the control again that show a gain, where there can be none: nothing is believed then."""
    return [one["subject"] for one in verdict["evidence"]["statements"] if one["what"] == "same"]


def failing(verdict: Verdict) -> str:
    """Whom an arm harms, or what does better, where its gain is not what was refuted; empty elsewhere.

    Also where the control again shows a gain: nothing is believed then.
    """
    refuted = [one for one in verdict["evidence"]["statements"] if one["state"] == "fails"]
    if not refuted or alarms(verdict) or any(one["what"] == "gain" for one in refuted):
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


def unmet(statements: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those that do not hold, as they are told: first that nothing is believed, then what was refuted."""
    open_or_refuted = (one for one in statements if one["state"] != "holds")
    return sorted(open_or_refuted, key=lambda one: (one["what"] != "same", one["state"] != "fails"))


def reasons(verdict: Verdict) -> list[str]:
    """Why it is not "augment", a sentence each, in the order of `unmet`."""
    evidence = verdict["evidence"]
    if not evidence["statements"]:
        return [words.sentence(NOTHING)]
    kinds = {name: arm["kind"] for name, arm in evidence["arms"].items()}
    found = unmet(evidence["statements"])
    told = [reason_words(one, evidence["metric"], kinds, verdict["task"]) for one in found]
    return [words.sentence(reason) for reason in told or evidence["reasons"]]


def reason_words(
    one: Mapping[str, Any], metric: str, kinds: Mapping[str, str], task: str | None = None
) -> str:
    """Why a statement does not hold, for a page and for a log.

    Args:
        one: a statement of a verdict's evidence that does not hold.
        metric: that decides.
        kinds: of the arms, by name.
        task: of the verdict: with it the setting of a margin is named.
    """
    if one["few"]:
        return _few_reason(one)
    fails, figure = one["state"] == "fails", words.figure_words(one["value"], one["ci_low"], one["ci_high"])
    if one["what"] == "same":
        return (
            f"arm {one['subject']} shows a gain where there can be none, {figure}: the measurement is not to "
            "be trusted; take more seeds (lift.num_seeds)"
        )
    if one["what"] == "gain":
        how, worthwhile = "lies below" if fails else "may lie below or above", f"{one['border']:g}"
        return (
            f"its gain {how} the {worthwhile} {words.metric_words(metric)} that would be worthwhile: {figure}"
        )
    if one["what"] == "cheap":
        how = "is worse than" if fails else "is not shown to be better than"
        return f"it {how} {one['subject']}{words.cheaper_words(kinds.get(one['subject'], ''))}: {figure}"
    how = "harms" if fails else "is not shown to be safe for"
    lost = words.split_subject(one["subject"])[1] or metric
    tolerated = words.margin_words(-one["border"], lost, metric, task)
    return f"it {how} {words.subject_words(one['subject'])}: {figure}, where {tolerated}"


def _few_reason(one: Mapping[str, Any]) -> str:
    """Of a statement without an interval."""
    told = {
        "gain": "its gain has no interval",
        "cheap": f"it is not shown to be better than {one['subject']}",
        "safe": f"it is not shown to be safe for {words.subject_words(one['subject'])}",
    }
    return f"{told[one['what']]}: {one['few']}"
