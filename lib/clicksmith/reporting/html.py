"""From what a lake holds to the page."""

import json
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from clicksmith.evaluation.gate import read_decisions
from clicksmith.reporting import plots, sections, words
from clicksmith.reporting.data import MAX_REJECTED, ReportData
from clicksmith.reporting.template import STYLE, TEMPLATE


def render(data: ReportData) -> str:
    """The whole page, self-contained. Equal data give equal bytes."""
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE).render(
        style=Markup(STYLE),
        headline=words.verdict_headline(data.verdict),
        sentence=words.verdict_sentence(data.verdict),
        augment=data.verdict is not None and data.verdict["decision"] == "augment",
        details=_verdict_details(data),
        impressions=words.impressions_sentence(data.impressions),
        skipped=_skipped(data.verdict),
        lift=_lift(data),
        quality=sections.quality(data.synthetic),
        gate=_gate(data),
        loosened=sections.loosened(data.config["gate"]),
        curves=_curves(data),
        distributions=_distributions(data),
        recommenders=sections.recommenders(data.recommenders),
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


def _verdict_details(data: ReportData) -> list[str]:
    verdict, caveat = data.verdict, words.impressions_sentence(data.impressions)
    if verdict is None:
        return ["Run the pipeline to its end; everything that is there already is shown below."]
    found = [*words.reasons(verdict), words.segments_sentence(verdict), words.measured_sentence(verdict)]
    return found if caveat is None else [*found, caveat]


def _skipped(verdict: Mapping[str, Any] | None) -> list[str]:
    skipped = {} if verdict is None else verdict["evidence"].get("skipped_arms", {})
    return [words.sentence(f"arm {name} was not measured: {why}") for name, why in skipped.items()]


def _lift(data: ReportData) -> dict[str, Any] | None:
    """One overall plot, then one by segment for each arm, all on the arms' common axis."""
    lifts = [m for m in data.lift if m.metric == "lift.auc"]
    if not lifts:
        return None
    arms = list(dict.fromkeys(m.arm for m in lifts))
    settings = data.config["lift"]["arms"]
    order = {name: index for index, name in enumerate(settings)}
    arms.sort(key=lambda arm: (order.get(arm, len(order)), arm))
    ratios = {m.arm: m.value for m in data.lift if m.metric == "arm.ratio"}
    by_arm = {arm: sections.intervals([m for m in lifts if m.arm == arm]) for arm in arms}
    overall = [
        plots.Interval(arm, row.value, row.low, row.high, row.note)
        for arm, rows in by_arm.items()
        for row in rows[:1]
    ]
    kinds = {arm: settings.get(arm, {}).get("kind") for arm in arms}
    colours = {arm: plots.COLOURS[0] if kind == "synthetic" else "#667085" for arm, kind in kinds.items()}
    overall_plot = plots.forest(
        "Lift of each arm on all test rows",
        overall,
        plots.common_bounds(overall),
        [colours[row.label] for row in overall],
        with_notes=True,
    )
    bounds = plots.common_bounds([row for rows in by_arm.values() for row in rows])
    panels = []
    for arm, rows in by_arm.items():
        what = words.arm_words(arm, kinds[arm], ratios.get(arm))
        figure = plots.forest(f"Lift of {arm} by segment", rows, bounds, [colours[arm]] * len(rows))
        panels.append((arm, what, Markup(figure)))
    control = next((m.arm for m in data.lift if m.metric == "arm.ratio" and m.value == 0), "none")
    areas = [m.value for m in data.lift if (m.metric, m.slice, m.arm) == ("arm.auc", "all", control)]
    return {
        "control": control,
        "control_auc": sum(areas) / len(areas) if areas else None,
        "overall": Markup(overall_plot),
        "panels": panels,
    }


def _gate(data: ReportData) -> list[tuple[str, bool, list[str]]]:
    decisions = read_decisions(data.synthetic)
    return [(name, decision.passed, decision.failures) for name, decision in decisions.items()]


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


def verdict_line(data: ReportData) -> str:
    """The headline and its sentence, for a log."""
    return f"{words.verdict_headline(data.verdict)}. {words.verdict_sentence(data.verdict)}"
