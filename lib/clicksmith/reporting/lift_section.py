"""The section of the page that draws what was measured."""
# ruff: noqa: E501 - markup

LIFT = """<section id="lift">
<h2>What each arm gives</h2>
{% if lift %}
<p>How much better a model is that was trained with an arm's rows than one of real rows alone: right of the line
is better, whatever the metric. The dashed line is the gain from which on augmentation is worthwhile, or, by
segment, the margin: the largest loss that would be tolerated. A filled dot: the difference is told from zero, even once
corrected (Holm) for all that are drawn of its task: that a single one of them is filled by chance happens in at most
5 of 100 such measurements. An arrow: the interval goes on beyond the axis.</p>
<p class="hint">Intervals are 95 % each, every one taken alone: of many, some exclude zero by chance, and then the dot
stays empty. The arm that a decision is about was chosen on validation rows, where there are any, and judged on test
rows. The same trainings were asked both: where there was more than one to choose from, its interval on the first page is
corrected for their number (Bonferroni), and wider than here. Segments that a decision lists as gains were corrected likewise, and among
themselves (Holm){% if lift | length > 1 %}, and so were the decisions to augment, for the
tasks that were measured{% endif %}.</p>
{% for one in lift %}
<h3>{{ one.task }}</h3>
<p>The control is arm <b>{{ one.measured.control }}</b>, real rows alone{% if one.measured.control_value is not none %}:
{{ one.measured.metric }} {{ "%.4f" | format(one.measured.control_value) }}{% endif %}.
{{ one.measured.correction }}</p>
<div class="grid">
{% for caption, figure in one.shown %}
<figure><figcaption><b>{{ caption }}</b></figcaption>{{ figure }}</figure>
{% endfor %}
</div>
{% if one.others %}
<details><summary>The other arms by segment</summary>
<div class="grid">
{% for caption, figure in one.others %}
<figure><figcaption><b>{{ caption }}</b></figcaption>{{ figure }}</figure>
{% endfor %}
</div></details>
{% endif %}
<details><summary>What each arm adds and gives, and the smallest gain that could be found</summary>
<p class="hint">The smallest gain is one that would be found above zero 8 times in 10, taken alone.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Arm</th><th scope="col" class="left">What it adds</th>
<th scope="col">Fits <small>of its generator</small></th><th scope="col">Gain, {{ one.measured.metric }}</th>
<th scope="col">Smallest gain</th></tr></thead><tbody>
{% for name, what, num_fits, gain, smallest in one.measured.arms %}
<tr><td>{{ name }}</td><td class="left">{{ what }}</td><td>{{ num_fits }}</td><td>{{ gain }}</td><td>{{ smallest }}</td></tr>
{% endfor %}
</tbody></table></div>
{% if one.measured.segments %}
<div class="scroll"><table>
<thead><tr><th scope="col">{{ one.chosen }} for</th><th scope="col" class="left">By</th>
<th scope="col">Gain</th><th scope="col">Smallest gain</th><th scope="col">Rows</th></tr></thead><tbody>
{% for whom, metric, gain, smallest, rows in one.measured.segments %}
<tr><td>{{ whom }}</td><td class="left">{{ metric }}</td><td>{{ gain }}</td><td>{{ smallest }}</td><td>{{ rows }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
</details>
{% for line in one.measured.skipped %}
<p class="hint">{{ line }}</p>
{% endfor %}
{% endfor %}
{% else %}
<p>No arm has been measured yet.</p>
{% endif %}
</section>

"""
