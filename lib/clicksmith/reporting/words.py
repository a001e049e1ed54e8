"""Plain English for names and figures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_IMPRESSIONS = {
    "imputed": "The log does not say what was shown: its impressions are imputed from other events. All "
    "figures of rankers, and of what augmentation gives them, are of such impressions, not of what users "
    "truly saw.",
    "drawn": "The log has no impressions: its negatives are drawn at random beside what was taken. All "
    "figures of rankers, and of what augmentation gives them, are sampled ones: compare them with one "
    "another, not with those on logged impressions, nor with metrics over all items.",
}
_MARGINS = {"logloss": "logloss_margin", "recall@10": "recall_margin"}
"""The setting of a metric's margin, where it is not the deciding one's."""
_METRICS = {"auc": "AUC", "logloss": "log loss"}
_KINDS = {
    "none": "real rows alone",
    "same": "the control again, with other seeds",
    "shuffled": "repeats real rows, with labels that say nothing",
    "real_more": "adds real rows that the control lacks",
    "real_all": "adds all real rows that the control lacks",
    "duplicate": "repeats real rows",
    "oversample_tail": "repeats real rows of rare items",
    "oversample_label": "repeats real rows of the rarer outcome",
    "tuned": "real rows alone, with the best of the model's own settings",
    "reweight": "gives real rows of the rarer outcome a higher weight",
    "teacher": "repeats real rows, with labels of a simpler model",
    "augmentation": "changes training sequences",
    "titles": "adds words of products' titles as queries",
    "synthetic": "adds generated rows",
}
_CHEAPER = {
    "shuffled": "whose labels say nothing",
    "duplicate": "which costs nothing",
    "oversample_tail": "which costs nothing",
    "oversample_label": "which costs nothing",
    "reweight": "which costs nothing",
    "tuned": "real rows alone with better settings",
    "teacher": "real rows with labels of a simpler model",
    "augmentation": "which needs no generator",
    "titles": "which needs no generator",
    "synthetic": "rows of a generator that is a control",
}
"""What an arm has to be better than, by its kind."""
_SEGMENTS = {
    "history": ("Users by earlier events", "users with {} earlier events", "{} events"),
    "popularity": ("Items by how often they were taken", "items taken {} times before", "{} times"),
    "cold_user": ("New since the cut", "new users", "users"),
    "cold_item": ("New since the cut", "new items", "items"),
    "category": ("Items by category", "items of category {}", "{}"),
    "unknown_item": ("New or too rare to be known", "items new or too rare to be known", "items"),
    "frequency": (
        "Queries by how many products were shown with them",
        "queries shown with {} products in training",
        "{} products",
    ),
    "new_query": ("Never asked in training", "queries never asked in training", "queries"),
}
"""By kind: the group in a plot, in a sentence, in short."""


@dataclass(frozen=True)
class Segment:
    """A slice of the test rows, as a person would say it.

    Attributes:
        group: what it stands below in a plot; empty for what has no group.
        words: in a sentence.
        short: below its group.
        order: by which slices are sorted.
    """

    group: str
    words: str
    short: str
    order: tuple[int, int]


def segment(name: str) -> Segment:
    """Of a name such as ``history=0-12``, ``cold_user=yes`` or ``category=DAIRY``."""
    kind, _, value = name.partition("=")
    if kind not in _SEGMENTS:
        words = "all test rows" if name == "all" else name
        return Segment("", words, words, (-1, 0))
    group, words, short = _SEGMENTS[kind]
    start = 0
    amount = in_short = value
    if kind in ("history", "popularity", "frequency"):
        first, _, last = value.rstrip("+").partition("-")
        start = int(first) if first.isdigit() else 0
        amount = (
            first if first == last else f"{first} or more" if value.endswith("+") else f"{first} to {last}"
        )
        in_short = first if first == last else value.replace("-", "–")
    order = (list(_SEGMENTS).index(kind), start)
    return Segment(group, words.format(amount), short.format(in_short), order)


def split_subject(subject: str) -> tuple[str, str]:
    """The segment and the metric of ``history=0-4 by logloss``; no metric where it is the first one."""
    name, by, metric = subject.rpartition(" by ")
    return (name, metric) if by and (metric in _METRICS or "@" in metric) else (subject, "")


def subject_words(subject: str) -> str:
    """``history=0-4`` or ``history=0-4 by logloss`` in a sentence."""
    name, metric = split_subject(subject)
    return f"{segment(name).words}, by {metric_words(metric)}" if metric else segment(name).words


def metric_words(name: str) -> str:
    """A metric's name to read."""
    return _METRICS.get(name, name.replace("ndcg", "NDCG").replace("mrr", "MRR").replace("_", " "))


def margin_words(margin: float, metric: str, first: str, task: str | None) -> str:
    """Which loss a verdict lets pass.

    Args:
        margin: in the metric's own unit.
        metric: that is lost.
        first: the metric that decides.
        task: whose setting it is; None: that is not said.
    """
    name = "margin" if metric == first else _MARGINS.get(metric)
    setting = f" (lift.{task}.{name})" if task and name else ""
    return f"a loss of up to {margin:g} {metric_words(metric)} would be tolerated{setting}"


def source_words(source: Mapping[str, Any]) -> str:
    """What a lake was filled from: a data set by its name, logs of one's own by their file or folder."""
    if source.get("name") != "files":
        return str(source.get("name", "unknown"))
    parts = [part for part in str(source["events"]["path"]).split("/") if part and "*" not in part]
    return parts[-1] if parts else "files"


def impressions_sentence(impressions: str) -> str | None:
    """What the figures are of, where the log did not record what was shown."""
    return _IMPRESSIONS.get(impressions)


def holdout_sentence(num_users: int, num_rows: int, without_user: int | None) -> str:
    """Which real rows no generator saw.

    Args:
        num_users: that are held out; each row without a user counts as one.
        num_rows: likewise.
        without_user: those of the rows; None: of a lake that does not tell.
    """
    if without_user is None:
        return f"These are {num_rows:,} rows."
    if without_user == num_rows:
        return (
            f"These are {num_rows:,} rows, held out one by one since the log knows no users: a generator "
            "that gives away what several rows share, such as a person's profile, would not be seen."
        )
    known, users = num_rows - without_user, num_users - without_user
    alone = f", and {without_user:,} rows without a user, held out one by one" if without_user else ""
    return f"These are {known:,} rows of {users:,} users, of whom no generator saw anything{alone}."


def arm_words(kind: str, ratio: float | None) -> str:
    """What an arm adds."""
    what = _KINDS.get(kind, kind)
    return f"{what}, {ratio:.2f} a real row" if ratio and kind != "reweight" else what


def generator_of(fit: str) -> str:
    """The generator that a fit is of: ``gan.2`` is the second one of ``gan``; see `Config.fits`."""
    return fit.partition(".")[0]


def cheaper_words(kind: str) -> str:
    """After its name, what an arm is that has to be beaten; empty where that is not known."""
    return f", {_CHEAPER[kind]}" if kind in _CHEAPER else ""


def figure_words(value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A difference with its interval."""
    if value is None or math.isnan(value):
        return "undefined"
    if low is None or high is None or math.isnan(low):
        return signed(value)
    interval = f" ({signed(low)} to {signed(high)})"
    return f"{signed(value)}{interval}"


def signed(value: float) -> str:
    """``+0.0031``; nothing that rounds to zero is below it."""
    return f"{value:+.4f}".replace("-0.0000", "0.0000")


def smallest_words(value: float | None) -> str:
    """The gain that a measurement would most likely have found, however large the true one is."""
    return "" if value is None else f"a gain of {signed(value)} would be found 8 times in 10"


def about_words(number: float) -> str:
    """A count to two digits: ``5,400``."""
    return f"{int(float(f'{number:.2g}')):,}"


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
