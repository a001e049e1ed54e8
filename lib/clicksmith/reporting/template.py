"""The page. A string, so that it is there when the package is read from a zip."""
# ruff: noqa: E501 - markup

STYLE = """
:root{--ink:#1d2433;--soft:#5b6577;--line:#e3e7ee;--wash:#f6f8fb;--good:#0a7d4f;--bad:#b42318;--calm:#0072b2}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:#fff;font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
main{max-width:1080px;margin:0 auto;padding:0 24px 64px}
header{background:var(--wash);border-bottom:1px solid var(--line);padding:36px 0 28px;margin-bottom:8px}
header>div{max-width:1080px;margin:0 auto;padding:0 24px}
.kicker{color:var(--soft);font-size:13px;letter-spacing:.06em;text-transform:uppercase;margin:0 0 6px}
h1{font-size:34px;line-height:1.15;margin:0 0 10px;letter-spacing:-.015em}
.yes h1{color:var(--good)}.no h1{color:var(--ink)}
.lead{font-size:19px;line-height:1.45;max-width:44em;margin:0 0 12px}
header ul{margin:0;padding-left:1.1em;color:var(--soft);max-width:56em}
h2{font-size:22px;margin:44px 0 4px;letter-spacing:-.01em}
h3{font-size:15px;margin:0 0 2px}
p{margin:6px 0 12px;max-width:56em}
.hint,.unit,small{color:var(--soft)}
.unit,small{font-size:13px;font-weight:400}
.grid{display:grid;gap:22px 28px;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));margin:14px 0}
.grid.small{grid-template-columns:repeat(auto-fill,minmax(230px,1fr))}
figure{margin:0;min-width:0;break-inside:avoid}
figcaption{font-size:14px;line-height:1.35;margin-bottom:4px}
svg{display:block;width:100%;height:auto;font-family:inherit}
svg .label{font-size:12px;fill:#1d2433}svg .tick{font-size:10.5px;fill:#5b6577}
.scroll{overflow-x:auto;margin:12px 0}.wide figure{min-width:560px}
table{border-collapse:collapse;width:100%;font-size:14.5px;font-variant-numeric:tabular-nums}
th,td{text-align:right;padding:7px 12px;border-bottom:1px solid var(--line);vertical-align:top}
th:first-child,td:first-child,.left{text-align:left}
thead th{border-bottom:2px solid var(--line);font-weight:600}
td small{display:block}
code,.mono{font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
.bad{color:var(--bad);font-weight:600}.good{color:var(--good);font-weight:600}
.legend span{display:inline-block;margin-right:16px;font-size:14px}
.legend i{display:inline-block;width:11px;height:11px;border-radius:50%;margin-right:6px;vertical-align:-1px}
.legend i.box{border-radius:2px}
.time{min-width:120px}.time i{display:inline-block;height:11px;min-width:1px;border-radius:2px;background:var(--calm)}
details{margin:10px 0}summary{cursor:pointer;color:var(--calm)}
pre{background:var(--wash);border:1px solid var(--line);border-radius:6px;padding:14px;overflow-x:auto;
font:12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media(max-width:640px){h1{font-size:27px}.lead{font-size:17px}main,header>div{padding-left:16px;padding-right:16px}
th,td{padding:6px 8px}}
@media print{body{font-size:11pt}header{background:none}h2{break-after:avoid}.scroll{overflow:visible}
main,header>div{max-width:none;padding:0}tr{break-inside:avoid}}
"""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>clicksmith: {{ headline }}</title>
<style>{{ style }}</style>
</head>
<body>
<header class="{{ 'yes' if augment else 'no' }}"><div>
<p class="kicker">clicksmith · does sample augmentation help on {{ source }}?</p>
<h1>{{ headline }}</h1>
<p class="lead">{{ sentence }}</p>
<ul>
{% for line in details %}
<li>{{ line }}</li>
{% endfor %}
</ul>
</div></header>
<main>

<section id="lift">
<h2>What each arm gives</h2>
{% if lift %}
<p>Difference in AUC to training on real rows alone (arm <b>{{ lift.control }}</b>{% if lift.control_auc %},
AUC {{ "%.4f" | format(lift.control_auc) }}{% endif %}), with 95 % intervals, each taken alone: those of the verdict
above are wider, corrected for how many arms and segments there are. Right of the line is better. A filled dot: the
interval excludes zero. Arms in grey are controls: they repeat real rows and need no generator, so a
generator has to beat them.</p>
<div class="scroll wide"><figure><figcaption><b>All test rows</b></figcaption>{{ lift.overall }}</figure></div>
<h3>By the user's history and the item's popularity</h3>
<div class="grid">
{% for arm, what, figure in lift.panels %}
<figure><figcaption><b>{{ arm }}</b> <span class="unit">{{ what }}</span></figcaption>{{ figure }}</figure>
{% endfor %}
</div>
{% else %}
<p>No arm has been measured yet.</p>
{% endif %}
{% for line in skipped %}
<p class="hint">{{ line }}</p>
{% endfor %}
</section>

<section id="quality">
<h2>Generated rows: quality and privacy</h2>
{% if quality %}
<p>Measured on {{ quality.sizes | join(" or ") }} rows a side. Below each figure stands the same figure for real
rows that no generator saw: no generator need look more real than that. {{ quality.holdout }}</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Figure</th>
{% for name in quality.generators %}
<th scope="col">{{ name }}</th>
{% endfor %}
</tr></thead>
<tbody>
{% for title, unit, cells in quality.rows %}
<tr><td>{{ title }} <small>{{ unit }}</small></td>
{% for cell in cells %}
<td{% if cell.broken %} class="bad" title="{{ cell.broken }}"{% endif %}>{{ cell.value }}
<small>real: {{ cell.ceiling }}</small></td>
{% endfor %}
</tr>
{% endfor %}
<tr><td><b>The gate</b></td>
{% for name, passed, failures in gate %}
<td>{% if passed %}<span class="good">published</span>{% else %}<span class="bad">withheld</span>{% endif %}</td>
{% endfor %}
</tr>
</tbody></table></div>
{% if loosened %}
<p class="hint">{{ loosened }}</p>
{% endif %}
{% for name, passed, failures in gate if not passed %}
<p class="hint"><b>{{ name }}</b> was withheld: {{ failures | join("; ") }}.</p>
{% endfor %}
{% else %}
<p>No generated rows have been judged yet.</p>
{% endif %}
</section>

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
{% if model.beaten %}
<p class="hint">{{ model.beaten }}</p>
{% endif %}
{% else %}
<p>No recommender has been trained yet.</p>
{% endfor %}
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
