"""What a reader has to know beside a decision, a sentence each; empty where it does not apply."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from clicksmith.config import SECTIONS
from clicksmith.evaluation.gate import Decision, read_decisions
from clicksmith.evaluation.rows import Metric
from clicksmith.reporting import words
from clicksmith.reporting.decisions import is_stale
from clicksmith.reporting.forests import control_value
from clicksmith.reporting.statements import Verdict, alarms, shows_gain

WEAK_AUC = 0.6
"""Below it a control ranks hardly better than chance."""
FALL = 0.05
"""A validation figure that fell by more than this part of what it was above chance has fallen."""

_BASELINES = {"next_item": ("popularity", "popularity"), "search": ("bm25", "BM25")}
"""By task: what a card calls a figure of what has learnt nothing, and what people do."""
_CHANCE = {"auc": 0.5}
_SO_WEAK = "what augmentation gives so weak a model says little of a better one"


def small_sentence(verdict: Verdict, min_units: int) -> str:
    """Of whom nothing could be shown, and why, or nothing of a verdict under other settings.

    Args:
        verdict: the verdict; one of an earlier release tells of each such segment how many units it has.
        min_units: that an interval needs, as it is configured.
    """
    small = verdict["evidence"].get("small", {})
    if not small or verdict["evidence"]["chosen"] is None or is_stale(verdict):
        return ""
    unit, told = verdict["evidence"]["unit"], []
    for name, why in small.items():
        if isinstance(why, int):
            why = f"{why:,} {unit} were tested, where lift.min_users asks for {min_units:,}"
        told.append(f"{words.segment(name).words} ({why})")
    return words.sentence(f"whether it is safe was not asked for {words.join_words(told)}")


def weak_sentence(verdict: Verdict, figures: Sequence[Metric], cards: Sequence[Mapping[str, Any]]) -> str:
    """That the model which is to be augmented has hardly learnt.

    Args:
        verdict: the verdict.
        figures: of measure_lift, with those of the control.
        cards: of the shipped models, with those of their baselines.
    """
    evidence = verdict["evidence"]
    metric = words.metric_words(evidence["metric"])
    if verdict["task"] == "ranking":
        found = control_value(evidence, figures)
        if found is None or evidence["metric"] != "auc" or not round(found, 3) < WEAK_AUC:
            return ""
        how = "hardly" if found > _CHANCE["auc"] else "no"
        return f"The control itself ranks {how} better than chance ({metric} {found:.3f}): {_SO_WEAK}."
    baseline, name = _BASELINES[verdict["task"]]
    told = _card(verdict, cards).get("metrics", {})
    own, other = told.get(f"test_{evidence['metric']}"), told.get(f"{baseline}_{evidence['metric']}")
    if own is None or other is None or math.isnan(own) or own > other:
        return ""
    return (
        f"The shipped model itself does no better than {name} ({metric} {own:.4f}, {name} {other:.4f}): "
        f"{_SO_WEAK}."
    )


def noise_sentence(verdict: Verdict) -> str:
    """That labels which say nothing help; empty where nothing that was measured is believed."""
    evidence = verdict["evidence"]
    if evidence["chosen"] is None or alarms(verdict) or "all" in evidence.get("few", {}):
        return ""
    helping = [
        f"{name} gives {words.figure_words(arm['value'], arm['ci_low'], arm['ci_high'])}"
        for name, arm in evidence["arms"].items()
        if arm["kind"] == "shuffled" and arm["ci_low"] is not None and arm["ci_low"] > 0
    ]
    if not helping:
        return ""
    told, metric = words.join_words(helping), words.metric_words(evidence["metric"])
    too = " as well" if shows_gain(verdict) else ""
    return (
        f"Labels that say nothing help{too}: {told} {metric} over real rows alone. So what helps may be "
        "mere noise, which keeps a model from overfitting, or how often items are shown, not what rows say."
    )


def overfit_sentence(verdict: Verdict, cards: Sequence[Mapping[str, Any]]) -> str:
    """That the shipped model was best in the first half of its training, and fell since."""
    metric = verdict["evidence"]["metric"]
    rounds = [
        (row["step"], row[f"validation_{metric}"])
        for row in _card(verdict, cards).get("history", ())
        if not math.isnan(row.get(f"validation_{metric}") or math.nan)
    ]
    if not rounds:
        return ""
    (step, best), (last_step, last) = max(rounds, key=lambda one: one[1]), rounds[-1]
    above_chance = best - _CHANCE.get(metric, 0.0)
    if step > last_step / 2 or above_chance <= 0 or best - last <= FALL * above_chance:
        return ""
    setting = f"{SECTIONS[verdict['task']]}.num_steps"
    return (
        f"The shipped model overfits: its {words.metric_words(metric)} on validation rows was best, "
        f"{best:.3f}, at step {step:,.0f} of {last_step:,.0f}, whose weights are kept, and fell to "
        f"{last:.3f} by the end. Fewer steps ({setting}), or a smaller model, may do better."
    )


def _card(verdict: Verdict, cards: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The card of a task's shipped model; empty where there is none."""
    return next((card for card in cards if card["name"] == SECTIONS[verdict["task"]]), {})


def withheld_sentence(
    verdict: Verdict, figures: Sequence[Metric], arms: Mapping[str, Mapping[str, Any]]
) -> str:
    """Which generators' rows the gate kept from being measured, and the first bound that each broke.

    Args:
        verdict: the verdict.
        figures: of evaluate_synthetic.
        arms: of its task, as they are configured: of other generators nothing would be measured anyway.
    """
    wanted = {arm.get("generator") for arm in arms.values()}
    if is_stale(verdict):
        return ""
    fits: dict[str, list[Decision]] = {}
    for fit, decision in read_decisions(figures).items():
        if words.generator_of(fit) not in wanted:
            continue
        fits.setdefault(words.generator_of(fit), []).append(decision)
    told = [_withheld(name, decisions) for name, decisions in fits.items()]
    found = [text for text in told if text]
    return f"Withheld by the gate, and so not measured: {'; '.join(found)}." if found else ""


def _withheld(generator: str, fits: Sequence[Decision]) -> str:
    """Of one generator; empty where all of its fits passed."""
    broken = [bound for fit in fits for bound in fit.bounds if not bound.passed]
    if not broken:
        return ""
    num_withheld = sum(not fit.passed for fit in fits)
    which = generator if len(fits) == 1 else f"{num_withheld} of {len(fits)} fits of {generator}"
    return f"the rows of {which}, by {broken[0].figures()}"


def caveat(verdict: Verdict) -> str:
    """What impressions a ranker's figures are of."""
    if verdict["task"] != "ranking":
        return ""
    return words.impressions_sentence(verdict["evidence"].get("impressions", "")) or ""


def fit_caveat(verdict: Verdict) -> str:
    """That a generator was fitted once, where one was chosen."""
    chosen = verdict["evidence"]["arms"].get(verdict["evidence"]["chosen"])
    if chosen is None or chosen["role"] != "generator" or chosen["num_fits"] > 1:
        return ""
    return (
        "Its generator was fitted once (lift.num_fits): what was found holds for the rows of this fit, and "
        "another one may give more or less."
    )
