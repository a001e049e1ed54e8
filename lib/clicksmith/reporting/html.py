"""From what a lake holds to the page."""

import json
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from clicksmith.reporting import decisions, forests, plots, sections, statements, words
from clicksmith.reporting.data import MAX_REJECTED, ReportData
from clicksmith.reporting.first_page import said, unmeasured
from clicksmith.reporting.quality import quality
from clicksmith.reporting.shown import event_words
from clicksmith.reporting.style import STYLE
from clicksmith.reporting.template import TEMPLATE

NUM_REASONS = 3
"""Shown of each decision; the others are folded away."""


def render(data: ReportData) -> str:
    """The whole page, self-contained. Equal data give equal bytes."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE).render(
        style=Markup(STYLE),
        title="; ".join(map(decisions.headline, decisions.shipped(data.verdicts))) or "no verdict",
        no_verdict=decisions.NO_VERDICT,
        unmeasured=unmeasured(data),
        decisions=[_decision(verdict, data) for verdict in decisions.shipped(data.verdicts)],
        lift=[_lift(verdict, data) for verdict in data.verdicts],
        impressions=words.impressions_sentence(data.impressions),
        quality=quality(data.synthetic),
        shown=[(title, [event_words(one) for one in some]) for title, some in data.shown.items()],
        loosened=sections.loosened(data.config["gate"]),
        curves=_curves(data),
        distributions=_distributions(data),
        recommenders=sections.recommenders(data.recommenders),
        is_stale=any(map(decisions.is_stale, data.verdicts)),
        flow=sections.flow(data.tables),
        reasons=data.reasons,
        max_rejected=MAX_REJECTED,
        runs=sections.runs(data.runs),
        tables=data.tables,
        models=sections.models([*data.generators, *data.recommenders]),
        versions=data.versions,
        config=json.dumps(data.config, indent=2, sort_keys=True),
        seed=data.config.get("seed"),
        source=words.source_words(data.config.get("source", {})),
    )


def _decision(verdict: statements.Verdict, data: ReportData) -> dict[str, Any]:
    """The part of the first page that is about one task."""
    gain, words_for = statements.gain_of(verdict), said(verdict, data)
    return {
        "decision": "stale" if decisions.is_stale(verdict) else verdict["decision"],
        "said": words_for,
        "reasons": words_for.reasons[:NUM_REASONS],
        "more": words_for.reasons[NUM_REASONS:],
        "plot": "" if gain is None else Markup(forests.gain_plot(verdict["evidence"], gain)),
    }


def _lift(verdict: statements.Verdict, data: ReportData) -> dict[str, Any]:
    """A task's plots of arms."""
    found = forests.measurement(verdict, data.lift)
    return {
        "task": decisions.name_words(verdict),
        "measured": found,
        "chosen": verdict["evidence"]["chosen"],
        "shown": [(caption, Markup(plot)) for caption, plot in found.chosen.items()],
        "others": [(caption, Markup(plot)) for caption, plot in found.others.items()],
    }


def _curves(data: ReportData) -> list[tuple[str, str, Markup]]:
    return [
        (card["name"], title, Markup(plots.lines(f"{card['name']}: {title}", series)))
        for card in [*data.generators, *data.recommenders]
        for title, series in sections.curves(card["history"])
    ]


def _distributions(data: ReportData, num_first: int = 8) -> dict[str, Any] | None:
    """Pictures of each column, those that the generators miss most first."""
    pictures = sections.distributions(data.synthetic)
    if not pictures:
        return None
    generators = sorted({arm for picture in pictures for arm in picture.others})
    drawn = [
        (
            words.column_words(p.column),
            Markup(plots.bars(words.column_words(p.column), p.labels, p.real, p.others)),
        )
        for p in pictures
    ]
    legend = [(name, plots.COLOURS[index % len(plots.COLOURS)]) for index, name in enumerate(generators)]
    return {"first": drawn[:num_first], "rest": drawn[num_first:], "legend": legend}


def page_bytes(data: ReportData) -> bytes:
    """The page as it is written."""
    return render(data).encode()
