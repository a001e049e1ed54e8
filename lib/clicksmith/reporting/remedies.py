"""What would change a decision: more of what stands in its way."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from clicksmith.reporting import words
from clicksmith.reporting.statements import Verdict, alarms, gain_of, unmet

_ITEMS = "more test items (a longer test period has more)"
_HIDING = {"trainings": "the noise between trainings", "items": "chance in which items were tested"}
"""By what no further users take away: what hides a gain."""
_ARMS = {
    "ranking": "An arm of kind synthetic in lift.arms, whose generator is no control (independent, smote).",
    "next_item": "An arm of kind augmentation or synthetic in lift.next_item.arms.",
    "search": "An arm of kind titles in lift.search.arms, and products with titles.",
}
"""By task: what there has to be for anything to be chosen."""
_RARER = re.compile(r"([\d,]+) \w+ with ([\d,]+) rows? of the rarer outcome .* needs ([\d,]+) and ([\d,]+)")
"""Of what `lift.task.few_units` tells: units and rows that were tested, and how many an interval needs."""
_ONE_ITEM, _ALIKE, _DIFFER = "for one item", "nothing that was tested tells", "the two differ on"
"""Likewise; and of two arms that differ on too little, see `lift.statistics.comparison`."""


def change(verdict: Verdict) -> str:
    """What would change a decision; empty where it is to augment."""
    evidence, gain = verdict["evidence"], gain_of(verdict)
    if verdict["decision"] == "augment":
        return ""
    if gain is None:
        return _of_nothing(verdict)
    if verdict["decision"] == "no_gain":
        unit = evidence["unit"]
        return f"Another way to augment, or another share of added rows; more test {unit} would hardly do so."
    if alarms(verdict):
        return words.sentence(f"{_seeds(evidence)}, until arms that can have no gain show none")
    if gain["few"]:
        return words.sentence(_enough(verdict, gain, "an interval needs"))
    by_interval = any(not one["few"] for one in unmet(evidence["statements"]))
    return words.sentence(_of_open(verdict, gain)) + (_fewer_arms(evidence) if by_interval else "")


def _of_open(verdict: Verdict, gain: Verdict) -> str:
    """What would settle statements that are neither shown nor refuted, that on the gain first."""
    evidence = verdict["evidence"]
    if gain["state"] == "open":
        return _of_gain(verdict, gain)
    others = [one for one in unmet(evidence["statements"]) if one["what"] != "gain"]
    if not others:
        return _of_correction(evidence)
    wanted = words.join_words(_of_others(verdict, others))
    return f"{wanted}: the gain itself is shown, not yet all else that is asked"


def _fewer_arms(evidence: Mapping[str, Any]) -> str:
    """That a choice among fewer arms needs less of a correction; empty where there was none."""
    number = evidence.get("chosen_from", 1)
    if number < 2:
        return ""
    return f" Fewer arms to choose from ({number:,} now), named before anything is measured, would be surer."


def _of_nothing(verdict: Verdict) -> str:
    """What has to be there where no arm was there to choose: rows of a generator, or an arm at all."""
    skipped = [why for why in verdict["evidence"]["skipped_arms"].values() if "generator" in why]
    if any("the gate" in why for why in skipped):
        return "Generated rows that pass the gate, or another augmentation."
    if skipped:
        return "More generated rows (synthesis.ratio), or arms that take others of them (only)."
    return _ARMS[verdict["task"]]


def _of_gain(verdict: Verdict, gain: Verdict) -> str:
    """What would tell on which side of the worthwhile gain an open one lies."""
    evidence = verdict["evidence"]
    needed, worthwhile, unit = evidence["needed_units"], f"{evidence['worthwhile']:+g}", evidence["unit"]
    if needed is not None:
        now = f"{evidence['num_test_units']:,} were tested"
        return (
            f"about {words.about_words(needed)} test {unit}, where {now}: these would tell on which side of "
            f"{worthwhile} the gain lies"
        )
    loud = _too_loud(evidence, gain)
    wanted = words.join_words([one for kind in loud for one in _more(evidence, kind)])
    noise = words.join_words([_HIDING[kind] for kind in loud])
    hides = "hides" if len(loud) == 1 else "hide"
    return f"{wanted}: {noise} {hides} a gain of {worthwhile}, however many {unit} are tested"


def _too_loud(evidence: Mapping[str, Any], gain: Verdict) -> list[str]:
    """Of the noise that no further users take away, what hides the gain by itself; all of it where none does.

    Trainings where nothing is told of it, as by an older release.
    """
    noise = gain.get("noise", {})
    found = [kind for kind in _HIDING if noise.get(kind, 0.0) > 0]
    if not found:
        return ["trainings"]
    limit = _bearable(evidence, gain)
    return [kind for kind in found if noise[kind] >= limit] or found


def _bearable(evidence: Mapping[str, Any], gain: Verdict) -> float:
    """The variance that would still tell the gain from the worthwhile one, as in `Estimate.needed_units`.

    How many errors that takes is in the smallest gain to be found, which lies as many above the border.
    """
    worthwhile = evidence["worthwhile"]
    sizes = [size for size in (worthwhile, abs(gain["value"] - worthwhile)) if size > 0]
    reach = evidence["detectable"] - worthwhile
    return float(sum(gain["noise"].values()) * (min(sizes, default=0.0) / reach) ** 2)


def _of_others(verdict: Verdict, others: Sequence[Verdict]) -> list[str]:
    """What would most help to tell of each open statement beside the gain, once each."""
    found = []
    for one in others:
        if one["few"]:
            found.append(_enough(verdict, one, "each interval needs"))
        else:
            found += _more(verdict["evidence"], _loudest(one))
    return list(dict.fromkeys(found))


def _of_correction(evidence: Mapping[str, Any]) -> str:
    """Of what holds for one task alone: what would make the least sure of its claims surer."""
    weakest = min(evidence["statements"], key=_sureness)
    claim = {
        "gain": "its gain",
        "cheap": f"that it is better than {weakest['subject']}",
        "safe": f"that it is safe for {words.subject_words(weakest['subject'])}",
    }[weakest["what"]]
    more = words.join_words(_more(evidence, _loudest(weakest)))
    return (
        f"{more}, for what is least sure, {claim}; or fewer tasks or families, chosen before anything is "
        "measured: for this task alone all that is asked holds"
    )


def _sureness(one: Verdict) -> float:
    """How far a statement that holds lies above its border, in widths of its interval."""
    width = one["ci_high"] - one["ci_low"]
    return float((one["value"] - one["border"]) / width) if width > 0 else math.inf


def _loudest(one: Verdict) -> str:
    """The largest noise in a statement; that of units where it is not told."""
    noise = one.get("noise", {})
    return max(("units", "items", "trainings"), key=lambda kind: noise.get(kind, 0.0))


def _enough(verdict: Verdict, one: Verdict, for_what: str) -> str:
    """What would give a statement its interval: what it has too few of, where anything differs at all."""
    unit = str(verdict["evidence"]["unit"])
    if _ALIKE in one["few"] and one["what"] == "gain":
        return "longer trainings, or an arm that changes what the model gives, which this one did not"
    if _ALIKE in one["few"] or _DIFFER in one["few"]:
        return f"more test {unit}, on enough of whom the arm differs from what it is held against"
    return f"as many test {_lacking(one, unit)} as {for_what}"


def _lacking(one: Verdict, unit: str) -> str:
    """What a statement without an interval has too few of; see `_RARER`."""
    tested = ["items"] if _ONE_ITEM in one["few"] else [unit, "items"]
    if told := _RARER.search(one["few"]):
        num_units, num_rarer, min_units, min_rarer = (int(n.replace(",", "")) for n in told.groups())
        few_rarer = ["rows of the rarer outcome"] if num_rarer < min_rarer else []
        tested = [*(tested if num_units < min_units else []), *few_rarer]
    return words.join_words(tested)


def _more(evidence: Mapping[str, Any], kind: str) -> list[str]:
    """What brings a kind of noise down: of trainings with the settings and how many there were.

    One fit has no noise that could be told: a second one would add some.
    """
    if kind != "trainings":
        return [_ITEMS if kind == "items" else f"more test {evidence['unit']}"]
    num_fits = evidence["arms"][evidence["chosen"]]["num_fits"]
    fits = [f"more fits of the generator (lift.num_fits, {num_fits} measured)"] if num_fits > 1 else []
    return [_seeds(evidence), *fits]


def _seeds(evidence: Mapping[str, Any]) -> str:
    return f"more seeds (lift.num_seeds, now {evidence['num_seeds']})"
