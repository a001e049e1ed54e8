"""The page. A string, so that it is there when the package is read from a zip."""
# ruff: noqa: E501 - markup

from clicksmith.reporting.lift_section import LIFT

TEMPLATE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>clicksmith: {{ title }}</title>
<style>{{ style }}</style>
</head>
<body>
<header><div>
<h1>clicksmith · does sample augmentation help on {{ source }}?</h1>
{% for one in decisions %}
<article class="{{ one.decision }}">
<p class="task">{{ one.said.question }}</p>
<h2>{{ one.said.headline }}</h2>
<div class="halves">
<div>
<p class="lead">{{ one.said.advice }}</p>
{{ one.plot }}
<ul>
{% for line in one.reasons %}
<li>{{ line }}</li>
{% endfor %}
</ul>
{% if one.more %}
<details><summary>{{ one.more | length }} further reason{{ "s" if one.more | length > 1 }}</summary>
<ul>
{% for line in one.more %}
<li>{{ line }}</li>
{% endfor %}
</ul></details>
{% endif %}
{% for line in one.said.cautions %}
<p class="hint">{{ line }}</p>
{% endfor %}
</div>
<div>
<dl>
{% for name, text in one.said.facts.items() %}
<dt>{{ name }}</dt><dd>{{ text }}</dd>
{% endfor %}
</dl>
</div>
</div>
</article>
{% endfor %}
{% if unmeasured %}
<article>
<h2>No verdict on the shipped ranker</h2>
<p class="lead">{{ unmeasured[0] }}</p>
{% for line in unmeasured[1:] %}
<p class="hint">{{ line }}</p>
{% endfor %}
</article>
{% elif not decisions %}
<article>
<h2>No verdict yet</h2>
<p class="lead">{{ no_verdict }}</p>
<p class="hint">Run the pipeline to its end; everything that is there already is shown below.</p>
</article>
{% endif %}
</div></header>
<main>

"""
    + LIFT
    + """<section id="quality">
<h2>What was generated: quality and privacy</h2>
{% for table in quality %}
<h3>Generated {{ table.what }}</h3>
<p>Measured on {{ table.sizes | join(" or ") }} {{ table.counted }} a side. Below each figure stands the same figure
for real {{ table.what }} that no generator saw: no generator need look more real than that. A figure is what was found in
these; where chance could move it, "at worst" is the end of its 95 % interval that the gate judges. {{ table.holdout }}</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Figure</th>
{% for name in table.generators %}
<th scope="col">{{ name }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for title, unit, cells in table.rows %}
<tr><td>{{ title }} <small>{{ unit }}</small></td>
{% for cell in cells %}
<td{% if cell.broken %} class="bad" title="{{ cell.broken }}"{% endif %}>{{ cell.value }}
<small>{% if cell.worst %}at worst {{ cell.worst }}, {% endif %}real: {{ cell.ceiling }}</small></td>
{% endfor %}
</tr>
{% endfor %}
<tr><td><b>The gate</b></td>
{% for name, passed, failures in table.gate %}
<td>{% if passed %}<span class="good">published</span>{% else %}<span class="bad">withheld</span>{% endif %}</td>
{% endfor %}
</tr>
</tbody></table></div>
{% for name, passed, failures in table.gate if not passed %}
<p class="hint"><b>{{ name }}</b> was withheld: {{ failures | join("; ") }}.</p>
{% endfor %}
{% else %}
<p>Nothing that was generated has been judged yet.</p>
{% endfor %}
{% if quality and loosened %}
<p class="hint">{{ loosened }}</p>
{% endif %}
</section>

{% if shown %}
<section id="shown">
<h2>Real and generated side by side</h2>
<p>A few of each, taken without looking, and without whose the real ones are. Each line is an event: how long after the one
before, of what type, and what it was about.</p>
<div class="grid">
{% for title, sequences in shown %}
<figure><figcaption><b>{{ title }}</b></figcaption>
{% for events in sequences %}
<ol class="events">
{% for gap, type, item in events %}
<li><small>{{ gap }}</small> {{ type }} <b>{{ item }}</b></li>
{% endfor %}
</ol>
{% endfor %}
</figure>
{% endfor %}
</div>
</section>
{% endif %}

<section id="distributions">
<h2>Real against generated rows</h2>
{% if distributions %}
<p>Grey bars are the shares among real training rows, dots those of each generator. The columns that a generator
misses most come first.</p>
<p class="legend"><span><i class="box" style="background:#c9ced6"></i>real</span>
{% for name, colour in distributions.legend %}
<span><i style="background:{{ colour }}"></i>{{ name }}</span>
{% endfor %}
</p>
<div class="grid small">
{% for name, figure in distributions.first %}
<figure><figcaption><b>{{ name }}</b></figcaption>{{ figure }}</figure>
{% endfor %}
</div>
{% if distributions.rest %}
<details><summary>The other {{ distributions.rest | length }} column{{ "s" if distributions.rest | length > 1 }}</summary>
<div class="grid small">
{% for name, figure in distributions.rest %}
<figure><figcaption><b>{{ name }}</b></figcaption>{{ figure }}</figure>
{% endfor %}
</div></details>
{% endif %}
{% else %}
<p>No distributions have been recorded yet.</p>
{% endif %}
</section>

<section id="training">
<h2>How training went</h2>
{% if curves %}
<div class="grid">
{% for name, title, figure in curves %}
<figure><figcaption><b>{{ name }}</b> <span class="unit">{{ title }} by step</span></figcaption>{{ figure }}</figure>
{% endfor %}
</div>
{% else %}
<p>No model has been trained on the current table with the current settings yet.</p>
{% endif %}
</section>

<section id="recommenders">
<h2>The recommenders</h2>
{% if impressions %}
<p class="hint">{{ impressions }}</p>
{% endif %}
{% for model in recommenders %}
<div class="scroll"><table>
<thead><tr><th scope="col">{{ model.name }} <small>{{ model.preset }}</small></th>
{% for metric in model.metrics %}
<th scope="col">{{ metric }}</th>
{% endfor %}
</tr></thead><tbody>
{% for who, figures in model.rows %}
<tr><td>{{ who }}</td>
{% for figure in figures %}
<td>{{ figure }}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody></table></div>
{% if model.beaten or model.follows %}
<p class="hint">{{ model.follows }} {{ model.beaten }}</p>
{% endif %}
{% else %}
<p>No recommender has been trained {{ "as asked for" if is_stale else "yet" }}.</p>
{% endfor %}
{% if is_stale %}
<p class="hint">Models that follow a verdict are left out while it is out of date.</p>
{% endif %}
</section>

<section id="data">
<h2>The data</h2>
{% if flow %}
<p>Every row that came in is accounted for: accepted, rejected with its reasons, or a duplicate.
Reasons are counted in the first {{ "{:,}".format(max_rejected) }} rejected rows of a table.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Into</th><th scope="col">Rows in</th><th scope="col">Accepted</th>
<th scope="col">Rejected</th><th scope="col">Deduplicated</th><th scope="col">Balance</th></tr></thead><tbody>
{% for row in flow %}
<tr><td>{{ row.table }}</td><td>{{ row.rows_in }}</td>
{% for value in row.out %}
<td>{{ value }}</td>
{% endfor %}
<td>{% if row.balanced %}<span class="good">holds</span>{% else %}<span class="bad">broken</span>{% endif %}</td></tr>
{% endfor %}
</tbody></table></div>
{% else %}
<p>No data has been taken in yet.</p>
{% endif %}
{% for table, rows in reasons.items() %}
<div class="scroll"><table>
<thead><tr><th scope="col">Rejected: {{ table }}</th><th scope="col">Rows</th></tr></thead><tbody>
{% for reason, count in rows %}
<tr><td>{{ reason }}</td><td>{{ "{:,}".format(count) }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endfor %}
</section>

{% if runs %}
<section id="runs">
<h2>The jobs</h2>
<p>The longest run of each; one that finds its work done takes a moment and writes nothing.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Job</th><th scope="col" class="left">Started, UTC</th><th scope="col">Seconds</th>
<th scope="col" class="left time"></th><th scope="col">MB <small>without Spark's and Ray's</small></th>
<th scope="col" class="left">Rows written</th></tr></thead><tbody>
{% for run in runs %}
<tr><td>{{ run.job }}</td><td class="left">{{ run.started }}</td><td>{{ run.seconds }}</td>
<td class="left time"><i style="width:{{ run.share }}%"></i></td><td>{{ run.memory }}</td>
<td class="left">{% for commit in run.commits %}<small>{{ commit }}</small>{% endfor %}</td></tr>
{% endfor %}
</tbody></table></div>
</section>
{% endif %}

<section id="lineage">
<h2>Where it comes from</h2>
<p>Seed {{ seed }}. A run is named by a hash of its inputs and settings: equal names, equal rows.</p>
{% if tables %}
<details><summary>{{ tables | length }} tables and parts</summary>
<div class="scroll"><table>
<thead><tr><th scope="col">Table</th><th scope="col">Version</th><th scope="col">Rows written</th>
<th scope="col" class="left">Written by</th><th scope="col" class="left">Run</th></tr></thead><tbody>
{% for table in tables %}
<tr><td>{{ table.name }}{% if table.part %} <small>{{ table.part }}</small>{% endif %}</td><td>{{ table.version }}</td>
<td>{{ "–" if table.num_rows is none else "{:,}".format(table.num_rows) }}</td><td class="left">{{ table.job }}</td>
<td class="left mono" title="{{ table.fingerprint }}">{{ table.run_id }}</td></tr>
{% endfor %}
</tbody></table></div></details>
{% else %}
<p>The lake holds no table yet.</p>
{% endif %}
{% if models %}
<details><summary>{{ models | length }} models</summary>
<div class="scroll"><table>
<thead><tr><th scope="col">Model</th><th scope="col" class="left">Trained on</th><th scope="col">Rows</th>
<th scope="col">Workers</th><th scope="col">Seed</th><th scope="col">Seconds</th>
<th scope="col" class="left">Run</th></tr></thead><tbody>
{% for model in models %}
<tr><td>{{ model.name }} <small>{{ model.preset }}</small></td><td class="left">{{ model.table }}</td>
<td>{{ model.num_rows }}</td><td>{{ model.num_workers }}</td><td>{{ model.seed }}</td><td>{{ model.seconds }}</td>
<td class="left mono">{{ model.run_id }}</td></tr>
{% endfor %}
</tbody></table></div></details>
{% endif %}
<details><summary>Library versions</summary>
<p>{% for name, version in versions.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}</p>
</details>
<details><summary>The whole configuration</summary>
<pre>{{ config }}</pre>
</details>
</section>
</main>
</body>
</html>
"""
)
