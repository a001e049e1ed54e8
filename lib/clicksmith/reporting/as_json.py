"""What the page shows, for programs."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from clicksmith.errors.redact import redact
from clicksmith.reporting import decisions, words
from clicksmith.reporting.data import ReportData
from clicksmith.reporting.first_page import said, unmeasured
from clicksmith.reporting.statements import Verdict, reasons

_CARD = (
    "name",
    "preset",
    "run_id",
    "seed",
    "training_table",
    "num_rows",
    "num_workers",
    "seconds",
    "metrics",
    "history",
)


def as_json(data: ReportData) -> dict[str, Any]:
    """The report as plain values: null where a figure has no value, no secrets."""
    found = {
        "source": words.source_words(data.config.get("source", {})),
        "seed": data.config.get("seed"),
        "impressions": data.impressions,
        "decisions": [_decision(verdict, data) for verdict in data.verdicts],
        "unmeasured": unmeasured(data),
        "figures": {
            "evaluate_synthetic": [asdict(metric) for metric in data.synthetic],
            "measure_lift": [asdict(metric) for metric in data.lift],
        },
        "generators": [_card(card) for card in data.generators],
        "recommenders": [{**_card(card), "follows": card.get("follows")} for card in data.recommenders],
        "tables": [asdict(facts) for facts in data.tables],
        "rejected": {table: dict(reasons) for table, reasons in data.reasons.items()},
        "runs": [{**run, "commits": json.loads(run["commits"])} for run in data.runs],
        "versions": data.versions,
        "config": data.config,
    }
    # JSON has no NaN and no times: the former become null, the latter text.
    plain = json.loads(json.dumps(found, default=str), parse_constant=lambda _: None)
    return dict(redact(plain))


def _decision(verdict: Verdict, data: ReportData) -> dict[str, Any]:
    """A verdict, and what the first page says of it; of other families it says a sentence elsewhere."""
    is_shipped = decisions.is_shipped(verdict)
    found = {**verdict, "is_stale": decisions.is_stale(verdict), "is_shipped": is_shipped}
    if is_shipped:
        return {**found, **asdict(said(verdict, data))}
    return {**found, "headline": decisions.headline(verdict), "reasons": reasons(verdict)}


def _card(card: Mapping[str, Any]) -> dict[str, Any]:
    return {name: card[name] for name in _CARD}
