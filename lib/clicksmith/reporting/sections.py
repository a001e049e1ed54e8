"""The figures of each part of the page, as rows ready to show."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clicksmith.config import GateConfig
from clicksmith.evaluation.bounds import RULES, is_minimum
from clicksmith.evaluation.rows import Metric
from clicksmith.reporting import words
from clicksmith.reporting.data import TableFacts


@dataclass(frozen=True)
class Picture:
    """A column's distribution: shares of real rows and of each generator's, by label."""

    column: str
    labels: list[str]
    real: list[float]
    others: dict[str, list[float]]


def curves(history: Sequence[Mapping[str, float]]) -> list[tuple[str, dict[str, list[tuple[float, float]]]]]:
    """A model's curves by kind: losses, held-out figures that are no loss, gradient norms apart."""
    names = sorted({name for entry in history for name in entry if name != "step"})
    groups: dict[str, list[str]] = {"loss": [], "figures on held-out rows": []}
    for name in names:
        if "gradient" in name:
            continue
        groups["loss" if "loss" in name or "nats" in name else "figures on held-out rows"].append(name)
    return [
        (title, {words.column_words(name): _points(history, name) for name in members})
        for title, members in groups.items()
        if members
    ]


def _points(history: Sequence[Mapping[str, float]], name: str) -> list[tuple[float, float]]:
    return [(float(entry["step"]), float(entry[name])) for entry in history if entry.get(name) is not None]


def distributions(metrics: Sequence[Metric]) -> list[Picture]:
    """Every column's picture, the one furthest from real rows first."""
    shares: dict[str, dict[str, dict[str, float]]] = {}
    for m in metrics:
        if m.metric.startswith("distribution."):
            arms = shares.setdefault(m.metric.removeprefix("distribution."), {})
            arms.setdefault(m.arm, {})[m.slice] = m.value
    pictures = []
    for column, arms in shares.items():
        labels = sorted(arms.get("real", {}))
        pictures.append(
            Picture(
                column=column,
                labels=[label.partition(" ")[2] for label in labels],
                real=[arms["real"][label] for label in labels],
                others={
                    arm: [found.get(label, 0.0) for label in labels]
                    for arm, found in sorted(arms.items())
                    if arm not in ("real", "holdout")
                },
            )
        )
    return sorted(pictures, key=lambda picture: (-_distance(picture), picture.column))


def _distance(picture: Picture) -> float:
    """Total variation distance of the worst generator."""
    return max(
        (sum(abs(a - b) for a, b in zip(picture.real, o, strict=True)) / 2 for o in picture.others.values()),
        default=0.0,
    )


_RECOMMENDER_METRICS = ("weighted_auc", "grouped_auc", "auc", "logloss", "recall@10", "ndcg@10", "mrr")


def recommenders(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each recommender's figures beside its baselines', which its card names ``BASELINE_METRIC``."""
    tables = []
    for card in cards:
        found: dict[str, dict[str, float]] = {}
        for key, value in card["metrics"].items():
            metric = next((m for m in _RECOMMENDER_METRICS if key.endswith(f"_{m}")), None)
            if metric is not None:
                found.setdefault(key.removesuffix(f"_{metric}"), {})[metric] = value
        metrics = [m for m in _RECOMMENDER_METRICS if any(m in figures for figures in found.values())]
        # The model itself first; its own figures are named test_METRIC.
        order = sorted(found, key=lambda who: (who != "test", who))
        tables.append(
            {
                "name": card["name"],
                "preset": card["preset"],
                "metrics": [m.replace("_", " ") for m in metrics],
                "beaten": _beaten(found),
                "follows": _follows(card),
                "rows": [
                    (
                        "this model" if who == "test" else words.column_words(who),
                        [number(found[who].get(m), 4) for m in metrics],
                    )
                    for who in order
                ],
            }
        )
    return tables


def _follows(card: Mapping[str, Any]) -> str:
    """What a model was trained on, and by whose word; empty where its card does not say."""
    told = card.get("follows")
    if not told:
        return ""
    rows = "real rows alone" if told["arm"] is None else f"real rows with {told['arm']}"
    if told["asked"] != "verdict":
        return f"Trained on {rows}, as its setting augment says ({told['asked']})."
    if told["verdict"] is None:
        return f"Trained on {rows}: nothing was measured that could say otherwise."
    return f"Trained on {rows}: the verdict of the measurement {told['verdict']} is {told['decision']}."


_OWN = ("test", "calibrated")
"""Whose figures are a model's own, not a baseline's."""


def _beaten(found: Mapping[str, Mapping[str, float]]) -> str:
    """Which baselines do better than a model, and on what; empty where none does."""
    model, better = found.get("test", {}), []
    for who in sorted(set(found) - set(_OWN)):
        lost = [m for m, value in found[who].items() if m in model and _is_better(m, value, model[m])]
        if lost:
            names = ", ".join(metric.replace("_", " ") for metric in lost)
            better.append(f"{words.column_words(who)} ({names})")
    return f"Does worse here than {words.join_words(better)}." if better else ""


def _is_better(metric: str, value: float, other: float) -> bool:
    return value < other if metric == "logloss" else value > other


def loosened(gate: Mapping[str, Any]) -> str:
    """Which bounds of a lake's gate let more through than the defaults; empty where none does."""
    found = []
    defaults = GateConfig().model_dump()
    for name in RULES:
        default = _at(defaults, name)
        limit = _at(gate, name, default)
        if limit == default:
            continue
        if limit is None or (limit < default if is_minimum(name) else limit > default):
            found.append(f"{name} is {'open' if limit is None else f'{limit:g}'} in place of {default:g}")
    return f"This gate lets more through than the default one: {words.join_words(found)}." if found else ""


def _at(section: Mapping[str, Any], name: str, default: Any = None) -> Any:
    """A value of a section, or of one inside it; the default where an older lake has none."""
    *parents, last = name.split(".")
    for parent in parents:
        section = section.get(parent, {})
    return section.get(last, default)


def flow(tables: Sequence[TableFacts]) -> list[dict[str, Any]]:
    """For each table that counted its input: rows in, and where each went."""
    rows = []
    for facts in tables:
        counts = facts.counts
        if "rows_in" not in counts:
            continue
        out = {name: counts.get(name, 0) for name in ("accepted", "rejected", "deduplicated")}
        rows.append(
            {
                "table": facts.name,
                "rows_in": f"{counts['rows_in']:,}",
                "out": [f"{value:,}" for value in out.values()],
                "balanced": counts["rows_in"] == sum(out.values()),
            }
        )
    return rows


def runs(found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each job took and committed; `share` of the longest run's time."""
    longest = max((run["seconds"] for run in found), default=1.0)
    return [
        {
            "job": run["job"],
            "started": f"{run['started_ts']:%Y-%m-%d %H:%M}",
            "seconds": f"{run['seconds']:,.1f}",
            "share": round(100 * run["seconds"] / longest),
            "memory": f"{run['peak_memory_mb']:,.0f}",
            "commits": [
                f"{commit['table']}{' ' + commit['part'] if commit['part'] else ''}"
                + ("" if commit["rows"] is None else f": {commit['rows']:,}")
                for commit in json.loads(run["commits"])
            ],
        }
        for run in found
    ]


def models(cards: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What each model was trained from, and how."""
    return [
        {
            "name": card["name"],
            "preset": card["preset"],
            "table": f"{card['training_table']['name']}, version {card['training_table']['version']}",
            "num_rows": f"{card['num_rows']:,}",
            "num_workers": card["num_workers"],
            "seed": card["seed"],
            "seconds": f"{card['seconds']:,.0f}",
            "run_id": card["run_id"],
        }
        for card in cards
    ]


def number(value: float | None, digits: int = 3) -> str:
    """A figure, or a dash where there is none."""
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}"
