"""A report's page: one file of HTML that needs nothing else."""
# ruff: noqa: E501 - markup

from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from clicksmith.reporting import plots, sections, words
from clicksmith.reporting.style import STYLE

if TYPE_CHECKING:
    from clicksmith.standalone.report import Report

_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>clicksmith: generated {{ what }}</title>
<style>{{ style }}</style>
</head>
<body>
<header><div><h1>clicksmith · how good are the generated {{ what }}?</h1></div></header>
<main>
<h2>Quality and privacy</h2>
<p>Measured on {{ size }} {{ counted }} a side. Beside each figure stands the same figure for real {{ what }}
that the generator never saw: no generator need look more real than that. Where chance could move a figure, its
95 % interval is told.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Figure</th><th scope="col">generated</th><th scope="col">real</th></tr></thead>
<tbody>
{% for title, unit, value, interval, ceiling in lines %}
<tr><td>{{ title }} <small>{{ unit }}</small></td>
<td>{{ value }}{% if interval %} <small>{{ interval }}</small>{% endif %}</td><td>{{ ceiling }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if columns %}
<h2>Columns</h2>
<p>Shapes of single columns, 1 is best, the least alike first.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Column</th><th scope="col">generated</th><th scope="col">real</th></tr></thead>
<tbody>
{% for name, value, ceiling in columns %}
<tr><td>{{ name }}</td><td>{{ value }}</td><td>{{ ceiling }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if pictures %}
<h2>Real against generated rows</h2>
<p class="legend"><span><i class="box" style="background:{{ grey }}"></i>real</span>
<span><i style="background:{{ colour }}"></i>generated</span></p>
<div class="grid">
{% for name, figure in pictures %}
<figure><figcaption><b>{{ name }}</b></figcaption>{{ figure }}</figure>
{% endfor %}
</div>
{% endif %}
</main>
</body>
</html>
"""


def render(report: "Report") -> str:
    """The page. Equal figures give equal text."""
    what, counted = report.subject
    shapes = sorted(
        (m for m in report.figures if m.metric == "fidelity.shapes" and m.slice != "all"),
        key=lambda m: (m.value, m.slice),
    )
    pictures = [
        (words.column_words(p.column), Markup(plots.bars(p.column, p.labels, p.real, p.others)))
        for p in sections.distributions(report.figures)
    ]
    lines = [
        (title, unit, sections.number(m.value), _interval(m.ci_low, m.ci_high), sections.number(m.ceiling))
        for title, unit, m in report.lines
    ]
    sizes = {f"{m.num_rows:,}" for _, _, m in report.lines}
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_TEMPLATE).render(
        style=Markup(STYLE),
        what=what,
        counted=counted,
        size=words.join_words(sorted(sizes)) or "no",
        lines=lines,
        columns=[(m.slice, sections.number(m.value), sections.number(m.ceiling)) for m in shapes],
        pictures=pictures,
        grey=plots.GREY,
        colour=plots.COLOURS[0],
    )


def _interval(low: float | None, high: float | None) -> str:
    if low is None or high is None or low != low:
        return ""
    return f"{sections.number(low)} to {sections.number(high)}"
