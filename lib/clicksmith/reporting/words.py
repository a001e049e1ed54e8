"""Plain English for figures and decisions."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

NO_VERDICT = "There is no verdict yet: measure_lift has not run on this lake."

_LABELS = {
    "label_click": "whether an impression is clicked",
    "label_cart": "whether an impression leads into the cart",
    "label_purchase": "whether an impression leads to a purchase",
}
_IMPRESSIONS = {
    "imputed": "The log does not say what was shown: its impressions are imputed from other events. All "
    "figures of rankers here, and so the lift, are of such impressions, not of what users truly saw.",
    "drawn": "The log has no impressions: its negatives are drawn at random beside what was taken. All "
    "figures of rankers here, and so the lift, are sampled ones: compare them with one another, not with "
    "those on logged impressions, nor with metrics over all items.",
}
_SEGMENTS = {"history": "users with {} earlier events", "popularity": "items bought {} times before"}


def source_words(source: Mapping[str, Any]) -> str:
    """What a lake was filled from: a data set by its name, logs of one's own by their file or folder."""
    if source.get("name") != "files":
        return str(source.get("name", "unknown"))
    parts = [part for part in str(source["events"]["path"]).split("/") if part and "*" not in part]
    return parts[-1] if parts else "files"


def verdict_headline(verdict: Mapping[str, Any] | None) -> str:
    """The decision in a few words."""
    if verdict is None:
        return "No verdict yet"
    if verdict["decision"] == "augment":
        return f"Augment, with {verdict['arm']}"
    return "Too little data to tell" if verdict["decision"] == "inconclusive" else "Do not augment"


def verdict_sentence(verdict: Mapping[str, Any] | None) -> str:
    """The decision, its arm, ratio and evidence in one or two sentences."""
    if verdict is None:
        return NO_VERDICT
    evidence = verdict["evidence"]
    best = evidence.get("best_arm")
    subject = _LABELS.get(evidence.get("label", ""), "the label")
    if verdict["decision"] == "augment":
        lift = evidence["arms"][best]["lift"]
        return (
            f"Add {ratio_words(verdict['ratio'])} from arm {verdict['arm']}: on real test rows it predicts "
            f"{subject} better than training without it, by {figure_words(lift)} AUC."
        )
    if verdict["decision"] == "inconclusive":
        return (
            f"Whether generated rows help to predict {subject} cannot be told: the real test rows are too "
            "few. Until more are there, train on real rows alone."
        )
    if best is None:
        return "Train on real rows alone: no generated rows were there to measure."
    lift = evidence["arms"][best]["lift"]
    return (
        f"Train on real rows alone: the best generated rows, arm {best}, change how well the model predicts "
        f"{subject} by {figure_words(lift)} AUC, which is not enough."
    )


def reasons(verdict: Mapping[str, Any] | None) -> list[str]:
    """Why the best arm did not pass, one sentence a reason."""
    if verdict is None or verdict["decision"] == "augment":
        return []
    found = verdict["evidence"].get("reasons", [])
    return [
        sentence(re.sub(r"the segment (\w+=[\d.+-]+)", lambda m: segment_words(m[1]), reason))
        for reason in found
    ]


def segments_sentence(verdict: Mapping[str, Any]) -> str:
    """For whom it helps, and of whom too few were tested to tell."""
    segments = [segment_words(name) for name in verdict["segments"]]
    gain = (
        f"A gain is certain for {join_words(segments)}."
        if segments
        else "In no single segment of users or items is a gain certain, corrected for how many there are."
    )
    few = [segment_words(name) for name in verdict["evidence"].get("undecidable", {}) if name != "all"]
    if not few:
        return gain
    return f"{gain} Too few were tested to show that it does no harm for {join_words(few)}."


def measured_sentence(verdict: Mapping[str, Any]) -> str:
    """What the decision rests on."""
    evidence = verdict["evidence"]
    return (
        f"Every arm trained a {evidence.get('model', 'ranker')} model {evidence.get('num_seeds', '?')} times "
        f"for {evidence.get('num_steps', 0):,} steps on {evidence.get('num_real_rows', 0):,} real rows plus "
        f"its own; all were tested on the same {evidence.get('num_test_rows', 0):,} later, real rows of "
        f"{evidence.get('num_test_users', 0):,} users. Intervals: "
        f"{evidence.get('interval', 'paired bootstrap over users')}."
    )


def impressions_sentence(impressions: str) -> str | None:
    """What the figures are of, where the log did not record what was shown."""
    return _IMPRESSIONS.get(impressions)


def holdout_sentence(num_users: int, num_rows: int) -> str:
    """Which real rows no generator saw; as many users as rows where rows were held out one by one."""
    if num_users == num_rows:
        return (
            f"These are {num_rows:,} rows, held out one by one since the log knows no users: a generator "
            "that gives away what several rows share, such as a person's profile, would not be seen."
        )
    return f"These are {num_rows:,} rows of {num_users:,} users, of whom no generator saw anything."


def arm_words(name: str, kind: str | None, ratio: float | None) -> str:
    """What an arm adds."""
    if kind == "none":
        return "real rows alone"
    what = {
        "duplicate": "repeats real rows",
        "oversample_tail": "repeats real rows of rare items",
        "synthetic": "adds generated rows",
    }.get(kind or "", name)
    return what if ratio is None else f"{what}, {ratio:.2f} a real row"


def ratio_words(ratio: float | None) -> str:
    """A ratio of added rows."""
    return "generated rows" if ratio is None else f"{ratio:.2f} generated rows to each real row"


def segment_words(name: str) -> str:
    """``history=0-4`` as a person would say it."""
    kind, equals, bounds = name.partition("=")
    if not equals or kind not in _SEGMENTS:
        return "all test rows" if name == "all" else name
    amount = f"{bounds[:-1]} or more" if bounds.endswith("+") else bounds.replace("-", " to ")
    return _SEGMENTS[kind].format(amount)


def figure_words(figure: Mapping[str, Any]) -> str:
    """A difference with its interval."""
    if figure.get("value") is None or math.isnan(figure["value"]):
        return "undefined"
    words = f"{figure['value']:+.4f}"
    if figure.get("ci_low") is not None and figure.get("ci_high") is not None:
        words += f" ({figure['ci_low']:+.4f} to {figure['ci_high']:+.4f})"
    return words


def column_words(name: str) -> str:
    """A column's name to read."""
    return name.replace("_", " ")


def join_words(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    text = text.strip()
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith('.') else '.'}"
