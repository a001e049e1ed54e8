"""What would change a decision: more of what stands in its way."""

from collections.abc import Mapping, Sequence
from typing import Any

from clicksmith.reporting import words
from clicksmith.reporting.statements import COPIES, Verdict, alarms, gain_of, unmet

_MISSING = "an arm of copies in the ratio of the generated rows"
_ITEMS = "more test items (a longer test period has more)"


def change(verdict: Verdict) -> str:
    """What would change a decision; empty where it is to augment."""
    evidence, gain = verdict["evidence"], gain_of(verdict)
    if verdict["decision"] == "augment":
        return ""
    if gain is None:
        return "Generated rows that pass the gate, or another augmentation."
    if verdict["decision"] == "no_gain":
        unit = evidence["unit"]
        return f"Another way to augment, or another share of added rows; more test {unit} would hardly do so."
    if alarms(verdict):
        return words.sentence(f"{_seeds(evidence)}, until arms that can have no gain show none")
    missing, others = _in_the_way(verdict)
    if gain["state"] == "open":
        copies = f"; and {_MISSING}" if missing else ""
        return words.sentence(f"{_of_gain(verdict, gain)}{copies}")
    if missing and not others:
        return words.sentence(f"{_MISSING}: the gain itself is shown")
    wanted = words.join_words([*([_MISSING] if missing else []), *_of_others(verdict, others)])
    return words.sentence(f"{wanted}: the gain itself is shown, not yet all else that is asked")


def _in_the_way(verdict: Verdict) -> tuple[bool, list[Verdict]]:
    """Whether copies are missing, and the other statements beside that on the gain that do not hold."""
    found = [one for one in unmet(verdict["evidence"]["statements"]) if one["what"] != "gain"]
    others = [one for one in found if one["subject"] != COPIES]
    return len(others) < len(found), others


def _of_gain(verdict: Verdict, gain: Verdict) -> str:
    """What would tell on which side of the worthwhile gain an open one lies."""
    evidence = verdict["evidence"]
    needed, worthwhile, unit = evidence["needed_units"], f"{evidence['worthwhile']:+g}", evidence["unit"]
    if gain["few"]:
        return f"as many test {_tested(verdict)} as an interval needs"
    if needed is not None:
        now = f"{evidence['num_test_units']:,} were tested"
        return (
            f"about {words.about_words(needed)} test {unit}, where {now}: these would tell on which side of "
            f"{worthwhile} the gain lies"
        )
    remedy, noise = _trainings(evidence), "the noise between trainings"
    if _loudest(gain, ("trainings", "items")) == "items":
        remedy, noise = _ITEMS, "chance in which items were tested"
    return f"{remedy}: {noise} hides a gain of {worthwhile}, however many {unit} are tested"


def _of_others(verdict: Verdict, others: Sequence[Verdict]) -> list[str]:
    """What would most help to tell of each open statement beside the gain, once each."""
    evidence = verdict["evidence"]
    told = {
        "few": f"as many test {_tested(verdict)} as each interval needs",
        "units": f"more test {evidence['unit']}",
        "items": _ITEMS,
        "trainings": _trainings(evidence),
    }
    kinds = ["few" if one["few"] else _loudest(one, ("units", "items", "trainings")) for one in others]
    return [told[kind] for kind in dict.fromkeys(kinds or ["units"])]


def _loudest(one: Verdict, kinds: Sequence[str]) -> str:
    """Of these kinds of noise, the largest in a statement; the first one where that is not told."""
    noise = one.get("noise", {})
    return max(kinds, key=lambda kind: noise.get(kind, 0.0))


def _tested(verdict: Verdict) -> str:
    """What an interval needs several of."""
    unit = str(verdict["evidence"]["unit"])
    return unit if verdict["task"] == "search" else f"{unit} and items"


def _trainings(evidence: Mapping[str, Any]) -> str:
    """More of what makes the noise between trainings, with the settings and how many there were."""
    arm = evidence["arms"][evidence["chosen"]]
    if arm["role"] != "generator":
        return _seeds(evidence)
    return f"{_seeds(evidence)} and more fits of the generator (lift.num_fits, {arm['num_fits']} measured)"


def _seeds(evidence: Mapping[str, Any]) -> str:
    return f"more seeds (lift.num_seeds, now {evidence['num_seeds']})"
