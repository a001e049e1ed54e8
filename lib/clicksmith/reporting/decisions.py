"""A verdict in plain English: the decision, what it rests on, why, and what would change it."""

from collections.abc import Mapping, Sequence
from typing import Any

from clicksmith.reporting import words
from clicksmith.reporting.cut import Cut
from clicksmith.reporting.remedies import change
from clicksmith.reporting.statements import Verdict, alarms, failing, gain_of, shows_gain, unmet

NO_VERDICT = "There is no verdict yet: measure_lift has not run on this lake."
UNMEASURED = (
    "The shipped ranker was not measured: one that reads histories of users (din) cannot be, since generated "
    "rows have none."
)
_UNTIL_THEN = (
    "Until then train_recommender stops with an error and trains nothing, unless no model is to follow a "
    "verdict."
)
_ALONE = ", without an interval"
_CORRECTED = "once corrected for all that was measured"

_TASKS = {
    "ranking": ("Ranking", "what an impression leads to", "real rows"),
    "next_item": ("Next item", "what a user takes next", "sequences of real users"),
    "search": ("Search", "which items answer a query", "real pairs"),
}
"""By task: its name, what is asked, what is trained on."""
_LABELS = {
    "label_click": ("an impression is clicked", "an item is clicked"),
    "label_cart": ("an impression leads into the cart", "an item is put into the cart"),
    "label_purchase": ("an impression leads to a purchase", "an item is bought"),
}
"""By label: what is asked of impressions that the log knows, and of those that it does not."""


def task_words(verdict: Verdict) -> str:
    """What the model is asked."""
    name, what, _ = _TASKS[verdict["task"]]
    label, impressions = (verdict["evidence"].get(key, "") for key in ("label", "impressions"))
    if label in _LABELS:
        shown, taken = _LABELS[label]
        is_known = words.impressions_sentence(impressions) is None
        what = f"whether {shown}" if is_known else f"whether {taken} (impressions are {impressions})"
    return f"{name}: {what}"


def name_words(verdict: Verdict) -> str:
    """The task, with the family where that is not the one that is shipped."""
    name = _TASKS[verdict["task"]][0]
    return name if is_shipped(verdict) else f"{name}, {verdict['model']}"


def is_shipped(verdict: Verdict) -> bool:
    """Whether it is about the family that is shipped."""
    return bool(verdict["evidence"]["name"] == verdict["task"])


def shipped(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The decisions that shipped models follow."""
    return [verdict for verdict in verdicts if is_shipped(verdict)]


def families(verdict: Verdict, verdicts: Sequence[Verdict]) -> list[Verdict]:
    """What was decided on other families of the same task."""
    return [one for one in verdicts if one["task"] == verdict["task"] and not is_shipped(one)]


def unmeasured(verdicts: Sequence[Verdict]) -> list[str]:
    """That the shipped ranker was not measured, and what the families say that were; empty elsewhere."""
    found = [one for one in verdicts if one["task"] == "ranking"]
    if not found or shipped(found):
        return []
    stale = [advice(found[0])] if is_stale(found[0]) else []
    return [UNMEASURED, *stale, *map(family_sentence, found)]


def is_stale(verdict: Verdict) -> bool:
    """Whether what it was decided on differs from what is there now."""
    return bool(verdict.get("stale"))


def family_sentence(verdict: Verdict) -> str:
    """What another family says of augmenting, whose verdict no model follows."""
    evidence, gain = verdict["evidence"], gain_of(verdict)
    if gain is None:
        return f"With {verdict['model']} there was no augmentation to judge."
    told = f"With {verdict['model']} in its place"
    figure = _figure(gain, words.metric_words(evidence["metric"]))
    if found_in := alarms(verdict):
        return (
            f"{told} nothing is to be trusted: {words.join_words(found_in)} shows a gain where none can be."
        )
    if why_not := failing(verdict):
        return f"{told} {evidence['chosen']} {why_not}; it gives {figure}."
    found = {"augment": "a gain", "no_gain": "no gain"}.get(verdict["decision"], "nothing sure")
    if found == "nothing sure" and shows_gain(verdict):
        found = f"a gain, but not {'all else that is asked' if _asks_more(verdict) else _CORRECTED},"
    return f"{told} {found} was found: {evidence['chosen']} gives {figure}."


def _figure(gain: Verdict, metric: str) -> str:
    """A gain in short, with its interval where it has one."""
    if not _has_interval(gain):
        return f"{words.figure_words(gain['value'])} {metric}{_ALONE}"
    return f"{words.figure_words(gain['value'], gain['ci_low'], gain['ci_high'])} {metric}"


def _asks_more(verdict: Verdict) -> bool:
    """Whether anything that is asked is not shown; else it holds for this task alone."""
    return bool(unmet(verdict["evidence"]["statements"]))


def headline(verdict: Verdict) -> str:
    """The decision in a few words; one that is out of date is none."""
    return "Out of date: measure again" if is_stale(verdict) else _decided(verdict)


def _decided(verdict: Verdict) -> str:
    if verdict["decision"] == "augment":
        return f"Augment, with {verdict['arm']}"
    if verdict["decision"] == "inconclusive":
        return "Inconclusive"
    why_not = failing(verdict)
    return f"Do not augment: it {why_not}" if why_not else "No gain from augmenting"


def advice(verdict: Verdict) -> str:
    """What to do."""
    if is_stale(verdict):
        return f"{verdict['stale']} {_UNTIL_THEN}"
    if verdict["decision"] == "augment":
        arm = verdict["evidence"]["arms"][verdict["arm"]]
        return f"Train with arm {verdict['arm']}: it {words.arm_words(arm['kind'], verdict['ratio'])}."
    if verdict["decision"] == "inconclusive":
        return f"{_open_words(verdict)}, train on real rows alone."
    return "Train on real rows alone: augmenting does not do what was asked of it."


def _open_words(verdict: Verdict) -> str:
    """What was shown all the same, and until when nothing follows from it."""
    if not shows_gain(verdict):
        return "Whether augmenting helps could not be told. Until it can"
    chosen = verdict["evidence"]["chosen"]
    if _asks_more(verdict):
        return f"On the whole {chosen} helps, but not all else that is asked was shown. Until it is"
    return f"For this task alone {chosen} does all that is asked, but not {_CORRECTED}. Until it does"


def stale_sentence(verdict: Verdict) -> str:
    """What a verdict said that is out of date; empty where it is not."""
    return f"What was decided then: {_decided(verdict)}." if is_stale(verdict) else ""


def facts(verdict: Verdict, cost: str = "", cut: str = "") -> list[tuple[str, str]]:
    """The figures of a decision, each with its name; `cost` as of `cost_words`, `cut` as of `cut_words`."""
    evidence = verdict["evidence"]
    metric, gain = words.metric_words(evidence["metric"]), gain_of(verdict)
    found = []
    if gain is not None:
        found.append((f"Gain of {evidence['chosen']}", _gain_words(gain, metric)))
    found.append(("Worthwhile from", f"{evidence['worthwhile']:+g} {metric}"))
    if evidence["detectable"] is not None and gain is not None and not gain["few"]:
        smallest = (
            f"{words.signed(evidence['detectable'])} {metric}, which would be found worthwhile 8 times in 10"
        )
        found.append(("Smallest gain it could find", smallest))
    would_change = "" if is_stale(verdict) else change(verdict)
    found += [("Cost", cost), ("What would change it", would_change), ("Scope", scope(verdict))]
    found += [("Cut", cut), ("Tried", tried_words(verdict))]
    found.append(("Interval", words.sentence(evidence["interval"])))
    return [(name, text) for name, text in found if text]


def cost_words(
    verdict: Verdict, arms: Mapping[str, Any], generators: Sequence[Mapping[str, Any]], seconds: float | None
) -> str:
    """What the chosen augmentation takes, in rows and seconds; empty where none was chosen.

    Args:
        verdict: the verdict.
        arms: of its task, as they are configured.
        generators: the cards of all their fits.
        seconds: that measuring took, if known.
    """
    evidence = verdict["evidence"]
    chosen = evidence["chosen"]
    if chosen is None:
        return ""
    found, ratio = [], evidence["arms"][chosen]["ratio"]
    if ratio and "num_real_rows" in evidence:
        found.append(f"{round(ratio * evidence['num_real_rows']):,} added rows in each training")
    name = arms.get(chosen, {}).get("generator")
    if fits := [card for card in generators if words.generator_of(card["name"]) == name]:
        took = f"{sum(card['seconds'] for card in fits):,.0f} s to train generator {name}"
        times = f" {len(fits)} times" if len(fits) > 1 else ""
        found.append(f"{took}{times} on {fits[0]['num_rows']:,} real rows")
    if seconds is not None:
        found.append(f"{seconds:,.0f} s to measure the arms of all tasks")
    return words.sentence("; ".join(found)) if found else ""


def _gain_words(gain: Verdict, metric: str) -> str:
    figure = f"{words.figure_words(gain['value'])} {metric} over real rows alone"
    if not _has_interval(gain):
        return f"{figure}{_ALONE}"
    return f"{figure}, 95 % interval {words.signed(gain['ci_low'])} to {words.signed(gain['ci_high'])}"


def _has_interval(gain: Verdict) -> bool:
    return not gain["few"] and gain["ci_low"] is not None


def scope(verdict: Verdict) -> str:
    """What was trained and tested."""
    evidence = verdict["evidence"]
    num_rows, num_users = evidence["num_test_rows"], evidence["num_test_units"]
    steps = f", for {evidence['num_steps']:,} steps" if "num_steps" in evidence else ""
    trained = _TASKS[verdict["task"]][2]
    rows = f", on {evidence['num_real_rows']:,} {trained}" if "num_real_rows" in evidence else ""
    tested = f"{num_rows:,} later, real rows of {num_users:,} {evidence['unit']}"
    if verdict["task"] == "next_item":
        tested = f"what {num_users:,} users took later"
    if verdict["task"] == "search":
        tested = f"{num_users:,} later queries"
        if beyond := evidence.get("num_queries_beyond"):
            tested += f", but for {beyond:,} beyond the pairs that are learnt from (lift.search.max_pairs)"
    return (
        f"{verdict['model']} with {evidence['num_seeds']} seeds an arm{steps}{rows}; tested by "
        f"{words.metric_words(evidence['metric'])} on {tested}."
    )


def cut_words(verdict: Verdict, cut: Cut | None, features: Mapping[str, Any]) -> str:
    """Before which day was trained, and from which on tested; empty where that is not known.

    Args:
        verdict: the verdict; where it is out of date, other rows may be there now.
        cut: of the rows that are there.
        features: the section of the configuration.
    """
    if is_stale(verdict) or cut is None:
        return ""
    setting = "cut_fraction" if features["cut_date"] is None else "cut_date"
    return (
        f"Trained on what lies before {cut.cut}, {100 * cut.share:.0f} % of all days (features.{setting}); "
        f"tested on what lies from {cut.test} on."
    )


def tried_words(verdict: Verdict) -> str:
    """How often such models were measured on these rows, this one included; empty where nobody counted."""
    before = verdict["evidence"].get("num_measured_before")
    if before is None:
        return ""
    if before == 0:
        return "Once on these rows (gold.measurements)."
    return (
        f"{before + 1:,} times on these rows, this one included (gold.measurements): the more is tried, the "
        "likelier it is that one gain is chance."
    )


def segments_sentence(verdict: Verdict) -> str:
    """For whom it helps; empty where no arm was there to choose, or nothing that was measured is believed.

    Also where an earlier release measured it, which held segments against real rows alone.
    """
    evidence = verdict["evidence"]
    chosen = evidence["chosen"]
    if chosen is None or alarms(verdict) or "chosen_from" not in evidence:
        return ""
    found: Sequence[str] = [words.segment(name).words for name in verdict["segments"]]
    better = "shown to be better than real rows alone and than every cheap arm, corrected for how many"
    if not found:
        of = "queries" if verdict["task"] == "search" else "users or items"
        return f"In no single segment of {of} is {chosen} {better} there are."
    return f"For {words.join_words(found)}, {chosen} is {better} segments there are."
