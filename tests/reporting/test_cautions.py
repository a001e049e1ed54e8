"""What has to be known beside a decision: each sentence where it applies, and nowhere else."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

import toy_report
from clicksmith.config import SECTIONS, Config, GateConfig, load_config
from clicksmith.evaluation.gate import decide, gate_metrics
from clicksmith.evaluation.rows import Metric
from clicksmith.lift.task import Arm
from clicksmith.reporting import cautions
from clicksmith.reporting.html import render
from clicksmith.tables import VERDICTS
from reporting import toy_measured
from reporting.checker import Checker
from reporting.test_decisions import SEARCH, judged
from reporting.toy_measured import CHOSEN, NEXT_ITEM, NOISY, PLANS, RANKING
from toy_report import gathered

ROOT = Path(__file__).resolve().parents[2]
BEATEN = "popularity (NDCG@10 0.0210, popularity 0.0340)"
WEAK = ": what augmentation gives so weak a model says little of a better one."


def test_every_task_has_a_shipped_model():
    assert tuple(SECTIONS) == VERDICTS["task"].allowed
    assert set(SECTIONS.values()) <= set(Config.model_fields)


def test_a_generator_that_was_fitted_once_is_told():
    once = replace(RANKING, arms={**RANKING.arms, CHOSEN: Arm("synthetic", "generator", 0.25)})
    tasks = {"once": once, "twice": RANKING, "free": NEXT_ITEM}
    found = {name: cautions.fit_caveat(judged(PLANS["augment"], task)) for name, task in tasks.items()}
    assert found["once"].startswith("Its generator was fitted once (lift.num_fits): what was found holds for")
    assert found["twice"] == found["free"] == ""


def test_of_whom_nothing_could_be_shown_is_told():
    verdict = judged(PLANS["augment"])
    assert cautions.small_sentence(verdict, 100) == ""
    small = {
        "cold_user=yes": "80 users were tested, where lift.min_users asks for 100",
        "cold_item=yes": "all rows have the same outcome, so that nothing can be ranked",
        "popularity=9+": "all 300 users were tested on a single item, where an interval needs several",
    }
    few = {**verdict, "evidence": {**verdict["evidence"], "small": small}}
    assert cautions.small_sentence(few, 100) == (
        "Whether it is safe was not asked for new users (80 users were tested, where lift.min_users asks for "
        "100), new items (all rows have the same outcome, so that nothing can be ranked) and items taken 9 "
        "or more times before (all 300 users were tested on a single item, where an interval needs several)."
    )
    counts = {"cold_user=yes": 80, "category=food": 1}
    assert cautions.small_sentence({**few, "evidence": {**few["evidence"], "small": counts}}, 100) == (
        "Whether it is safe was not asked for new users (80 users were tested, where lift.min_users asks for "
        "100) and items of category food (1 users were tested, where lift.min_users asks for 100)."
    ), "what an earlier release wrote"
    assert cautions.small_sentence({**few, "stale": "Of other rows."}, 100) == "", (
        "the limit may have been another one"
    )
    none = {**few, "evidence": {**few["evidence"], "chosen": None}}
    assert cautions.small_sentence(none, 100) == ""


def control(*values: float) -> list[Metric]:
    """Figures of the control's trainings, beside those of others."""
    own = [Metric("arm.ranking.auc", "all", "none", value, 9, seed=seed) for seed, value in enumerate(values)]
    others = (("all", "same"), ("history=0-49", "none"))
    return [*own, *(Metric("arm.ranking.auc", where, arm, 0.51, 9, seed=0) for where, arm in others)]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ((0.55, 0.556, 0.562), "The control itself ranks hardly better than chance (AUC 0.556)"),
        ((0.49, 0.5), "The control itself ranks no better than chance (AUC 0.495)"),
        ((0.599, 0.601), ""),
        ((0.78,), ""),
        ((), ""),
    ],
)
def test_a_control_that_ranks_by_chance_is_told(values, told):
    found = cautions.weak_sentence(judged(PLANS["augment"]), control(*values), [])
    assert found == (told and told + WEAK)


@pytest.mark.parametrize(
    ("task", "name", "own", "other", "told"),
    [
        (NEXT_ITEM, "sequential", 0.021, {"popularity_ndcg@10": 0.034}, BEATEN),
        (NEXT_ITEM, "sequential", 0.034, {"popularity_ndcg@10": 0.021, "ease_ndcg@10": 0.5}, ""),
        (NEXT_ITEM, "sequential", 0.034, {}, ""),
        (SEARCH, "search", 0.41, {"bm25_ndcg@10": 0.41}, "BM25 (NDCG@10 0.4100, BM25 0.4100)"),
        (SEARCH, "sequential", 0.41, {"bm25_ndcg@10": 0.5}, ""),
    ],
)  # fmt: skip
def test_a_model_that_does_not_beat_what_learns_nothing_is_told(task, name, own, other, told):
    cards = [{"name": name, "metrics": {"test_ndcg@10": own, **other}}]
    found = cautions.weak_sentence(judged(NOISY, task), [], cards)
    assert found == (told and f"The shipped model itself does no better than {told}{WEAK}")


@pytest.mark.parametrize(
    ("changes", "few", "is_told"),
    [
        ({}, {}, True),
        ({"ci_low": -0.0001}, {}, False),
        ({"ci_low": None, "ci_high": None}, {}, False),
        ({"kind": "duplicate"}, {}, False),
        ({}, {"all": "5 users were tested"}, False),
    ],
)
def test_labels_that_say_nothing_and_help_are_told(changes, few, is_told):
    verdict = judged(PLANS["augment"])
    assert cautions.noise_sentence(verdict) == "", "they give -.0006"
    evidence = verdict["evidence"]
    figures = {"value": 0.002, "ci_low": 0.0004, "ci_high": 0.0036}
    helps = {**evidence["arms"]["shuffled_25"], **figures, **changes}
    evidence = {**evidence, "arms": {**evidence["arms"], "shuffled_25": helps}, "few": few}
    told = (
        "Labels that say nothing help as well: shuffled_25 gives +0.0020 (+0.0004 to +0.0036) AUC over real "
        "rows alone. So what helps may be mere noise, which keeps a model from overfitting, or how often "
        "items are shown, not what rows say."
    )
    assert cautions.noise_sentence({**verdict, "evidence": evidence}) == (told if is_told else "")
    nobody = {**verdict, "evidence": {**evidence, "chosen": None}}
    rung = {"what": "same", "subject": "same", "state": "fails"}
    doubted = {**verdict, "evidence": {**evidence, "statements": [*evidence["statements"], rung]}}
    assert cautions.noise_sentence(nobody) == cautions.noise_sentence(doubted) == ""


@pytest.mark.parametrize("plan", ["no_gain", "inconclusive"])
def test_labels_that_say_nothing_help_alone_where_no_gain_is_shown(plan):
    verdict = judged(PLANS[plan])
    evidence = verdict["evidence"]
    helps = {**evidence["arms"]["shuffled_25"], "value": 0.002, "ci_low": 0.0004, "ci_high": 0.0036}
    evidence = {**evidence, "arms": {**evidence["arms"], "shuffled_25": helps}}
    told = cautions.noise_sentence({**verdict, "evidence": evidence})
    assert told.startswith("Labels that say nothing help: shuffled_25 gives +0.0020 (+0.0004 to +0.0036) AUC")


def test_labels_that_say_nothing_and_help_are_told_on_the_first_page(config, monkeypatch):
    monkeypatch.setitem(toy_measured.GAINS, "shuffled_25", 0.0046)
    toy_report.fill(config)
    ranking = Checker.of(render(gathered(config))).words.partition("What each arm gives")[0]
    assert "It is not shown to be better than shuffled_25, whose labels say nothing: " in ranking
    assert "Labels that say nothing help as well: shuffled_25 gives +0.0046 (+0.002" in ranking


def card(name: str, metric: str, *values: float) -> dict:
    """Of a training with a validation every 100 steps, and losses between."""
    rounds = [{"step": 100 * (number + 1), metric: value} for number, value in enumerate(values)]
    return {"name": name, "history": [{"step": 50, "loss": 0.7}, *rounds]}


@pytest.mark.parametrize(
    ("values", "is_told"),
    [
        ((0.612, 0.6, 0.58, 0.571), True),
        ((0.6, 0.612, 0.6, 0.571), True),
        ((0.58, 0.6, 0.612, 0.571), False),  # best in the second half
        ((0.612, 0.611, 0.612, 0.607), False),  # less than a twentieth of .112
        ((0.612,), False),
        ((), False),
        ((0.49, 0.49), False),  # of what was never above chance nothing is lost
        ((0.49, 0.48, 0.3, 0.2), False),
        ((math.nan, math.nan, math.nan), False),  # validation rows of one class
    ],
)
def test_a_model_that_overfits_is_told(values, is_told):
    found = cautions.overfit_sentence(judged(PLANS["augment"]), [card("ranker", "validation_auc", *values)])
    assert (
        found.startswith("The shipped model overfits: its AUC on validation rows was best, 0.612, ")
        == is_told
    )
    if values[:1] == (0.612,) and is_told:
        assert found.endswith(
            "at step 100 of 400, whose weights are kept, and fell to 0.571 by the end. Fewer steps "
            "(ranker.num_steps), or a smaller model, may do better."
        )
    assert is_told or found == ""


def test_overfitting_is_told_of_each_task_s_own_model_and_metric():
    cards = [card("sequential", "validation_ndcg@10", 0.04, 0.038, 0.03)]
    assert "(sequential.num_steps)" in cautions.overfit_sentence(judged(NOISY, NEXT_ITEM), cards)
    assert cautions.overfit_sentence(judged(PLANS["augment"]), cards) == ""


def judgement(fit: str, **changes: float) -> list[Metric]:
    """What the gate found of a fit; an interval reaches .02 to either side."""
    figures = {
        "fidelity.shapes": 0.9, "fidelity.pairs": 0.9, "fidelity.c2st_auc": 0.6, "privacy.dcr_share": 0.5,
        "privacy.nndr_ratio": 1.0, "privacy.membership_auc": 0.5, "privacy.domias_auc": 0.5,
        "privacy.domias_tpr": 0.01, "privacy.identical_share": 0.0,
        **{name.replace("__", "."): value for name, value in changes.items()},
    }  # fmt: skip
    own = [
        Metric(name, "all", fit, value, 9, ci_low=value - 0.02, ci_high=value + 0.02)
        if name == "fidelity.c2st_auc"
        else Metric(name, "all", fit, value, 9)
        for name, value in figures.items()
    ]
    return gate_metrics(decide(fit, own, GateConfig(max_c2st_auc=0.7)), 9)


ARMS = {"none": {"generator": None}} | {name: {"generator": name} for name in ("ar", "gan", "smote")}
C2ST = "AUC of trees that tell the rows from real ones (C2ST, gate.max_c2st_auc)"


def test_what_the_gate_withheld_is_told_with_the_first_bound():
    bad = {"fidelity__c2st_auc": 0.71, "privacy__dcr_share": 0.9}
    verdict = judged(PLANS["augment"])
    figures = [
        *judgement("ar"),
        *judgement("gan", **bad),
        *judgement("gan.2", **bad),
        *judgement("smote", **bad),
        *judgement("idle", **bad),  # no arm takes its rows
    ]
    told = f"{C2ST} 0.7100, at worst 0.7300 (95 %), where at most 0.7 is allowed"
    assert cautions.withheld_sentence(verdict, figures, ARMS) == (
        f"Withheld by the gate, and so not measured: the rows of 2 of 2 fits of gan, by {told}; the rows of "
        f"smote, by {told}."
    )
    some = [*judgement("gan"), *judgement("gan.2", **bad), *judgement("gan.3")]
    assert "measured: the rows of 1 of 3 fits of gan, by AUC" in cautions.withheld_sentence(
        verdict, some, ARMS
    )
    assert cautions.withheld_sentence(verdict, judgement("gan"), ARMS) == ""
    assert cautions.withheld_sentence({**verdict, "stale": "Of other rows."}, figures, ARMS) == ""
    of_users = judged(NOISY, NEXT_ITEM)
    assert cautions.withheld_sentence(of_users, figures, ARMS) == cautions.withheld_sentence(
        verdict, figures, ARMS
    ), "users are generated, too"
    assert cautions.withheld_sentence(of_users, figures, {"none": {"kind": "none"}}) == ""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path / 'lake'}"])


def test_the_first_page_has_what_applies_and_nothing_else(config, tmp_path):
    """The last fit leaks; the toy's control has an AUC of .781, and its models beat popularity."""
    toy_report.fill(config)
    assert "Withheld by the gate" not in render(gathered(config)), "no arm takes the last fit's rows"
    arm = "lift.arms.dense={kind: synthetic, generator: dense_gan, ratio: 0.25}"
    config = load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path / 'other'}", arm])
    toy_report.fill(config)
    page = render(gathered(config))
    ranking = Checker.of(page).words.partition("What each arm gives")[0].partition("Next item:")[0]
    assert (
        "Withheld by the gate, and so not measured: the rows of dense_gan, by share of the rows " in ranking
    )
    assert page.count("Withheld by the gate") == 1
    assert "says little of a better one" not in page and "overfits" not in page
