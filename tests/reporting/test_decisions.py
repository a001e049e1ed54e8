"""The first page: each decision in words, with its reasons and what would change it."""

import json
import re
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow.compute as pc
import pytest

import toy_report
import write_report
from clicksmith.config import ArmConfig, Config, LiftConfig, load_config
from clicksmith.config.recommenders import NextItemRules, SearchRules
from clicksmith.lift.kinds.segments import segments_of
from clicksmith.lift.rows import verdict_rows
from clicksmith.lift.task import Arm
from clicksmith.lift.verdict import Verdict, confirm
from clicksmith.reporting import decisions, remedies, statements, words
from clicksmith.reporting.as_json import as_json
from clicksmith.reporting.first_page import verdict_line
from clicksmith.reporting.html import render
from clicksmith.tables import TRAINING_EXAMPLES
from reporting import toy_measured
from reporting.checker import Checker
from reporting.toy_measured import CHOSEN, FEW, LOGISTIC, NEXT_ITEM, NOISY, PLANS, RANKING, Planned
from toy_report import gathered
from training.toy_lake import toy_examples

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path / 'lake'}"])


def judged(
    plan: Planned, task: toy_measured.ToyTask = RANKING, verdict: Verdict | None = None
) -> dict[str, Any]:
    """A row of gold.verdicts as the report reads it."""
    found = toy_measured.measured(task, plan)
    (row,) = verdict_rows(
        "r", [found], {task.name: verdict or found.verdict}, {"impressions": "logged"}
    ).to_pylist()
    return {**row, "evidence": json.loads(row["evidence"])}


def test_augment_comes_first_in_plain_words(config):
    toy_report.fill(config, "augment")
    write_report.run(config)
    head = Checker.of(toy_report.page(config).read_text()).words.partition("What each arm gives")[0]
    for told in (
        "Ranking: whether an item is bought (impressions are imputed) Augment, with autoregressive_25",
        "Train with arm autoregressive_25: it adds generated rows, 0.25 a real row.",
        "Gain of autoregressive_25 +0.0043 AUC over real rows alone, 95 % interval +0.0025 to +0.0061",
        "Worthwhile from +0.001 AUC",
        "Smallest gain it could find +0.0036 AUC, which would be found worthwhile 8 times in 10",
        "dcnv2 with 3 seeds an arm, for 400 steps, on 40,000 real rows; tested by AUC on 20,000 later, real "
        "rows of 812 users. Cut Trained on what lies before 2017-06-01, 75 % of all days "
        "(features.cut_date); tested on what lies from 2017-06-21 on.",
        "Interval 95 %: it allows for chance in which users were tested, the seeds of the trainings and the "
        "fits of the generator (Student's t).",
        "earlier events, autoregressive_25 is shown to be better than real rows alone and than every cheap "
        "arm, corrected for how many segments there are.",
    ):
        assert told in head
    ranking = head.partition("Next item:")[0]
    assert "What would change it" not in ranking and "further reason" not in ranking


def test_no_gain_says_why_what_was_refuted_first(config):
    toy_report.fill(config, "no_gain")
    head = Checker.of(render(gathered(config))).words.partition("Next item: what a user takes next")[0]
    assert "No gain from augmenting Train on real rows alone" in head
    first, second = (
        "Its gain lies below the 0.001 AUC that would be worthwhile: +0.0001",
        "It harms users with",
    )
    assert 0 < head.index(first) < head.index(second) < head.index("It is not shown to be better than")
    assert (
        "It harms users with 0 to 49 earlier events: -0.0199 (-0.0208 to -0.0190), where a loss of up to "
        "0.01 AUC would be tolerated (lift.ranking.margin)."
    ) in head
    assert "What would change it Another way to augment, or another share of added rows" in head
    assert "In no single segment of users or items is autoregressive_25 shown to be better than real" in head


def test_another_family_is_told_beside_the_one_that_is_shipped(config):
    toy_report.fill(config, "augment", toy_measured.measured(LOGISTIC, PLANS["no_gain"]))
    data = gathered(config)
    head, _, rest = Checker.of(render(data)).words.partition("What each arm gives")
    told = "With logistic in its place no gain was found: autoregressive_25 gives +0.0001 (-0.000"
    assert told in head
    assert head.count("Ranking: whether") == 1 and "No gain from augmenting" not in head
    assert "Ranking, logistic The control is arm none" in rest
    assert verdict_line(data).startswith("Ranking: Augment, with autoregressive_25.")
    assert "logistic" not in verdict_line(data)
    assert decisions.unmeasured(data.verdicts) == [] and decisions.UNMEASURED not in head


@pytest.mark.parametrize("kept", [("ranking/logistic", "next_item"), ("ranking/logistic",)])
def test_a_ranker_that_cannot_be_measured_is_told_with_its_families(config, kept):
    """As of ranker.model din beside lift.ranking.models: the only verdicts on rankers are of others."""
    toy_report.fill(config, "augment", toy_measured.measured(LOGISTIC, PLANS["no_gain"]))
    data = gathered(config)
    data = replace(data, verdicts=[one for one in data.verdicts if one["evidence"]["name"] in kept])
    head = Checker.of(render(data)).words.partition("What each arm gives")[0]
    assert f"No verdict on the shipped ranker {decisions.UNMEASURED}" in head
    assert "With logistic in its place no gain was found: autoregressive_25 gives +0.0001 (-0.000" in head
    assert "There is no verdict yet" not in head and ("Next item" in head) == ("next_item" in kept)
    told = as_json(data)["unmeasured"]
    assert told[0] == decisions.UNMEASURED and len(told) == 2
    assert verdict_line(data).startswith(" ".join(told))
    stale = [{**one, "stale": "Of other rows."} for one in data.verdicts]
    assert decisions.unmeasured(stale)[1].startswith("Of other rows. Until then train_recommender stops")


def test_a_ranker_that_was_alone_and_cannot_be_measured_is_told(config):
    """gold.verdicts is there then, without a row."""
    assert as_json(gathered(config))["unmeasured"] == [], "an empty lake"
    toy_report.fill(config)
    data = replace(gathered(config), verdicts=[])
    page = Checker.of(render(data)).words
    assert decisions.NO_VERDICT in page and decisions.UNMEASURED not in page
    ranker = {**data.config["ranker"], "model": "din"}
    data = replace(data, config={**data.config, "ranker": ranker})
    page = Checker.of(render(data)).words
    assert decisions.UNMEASURED in page and decisions.NO_VERDICT not in page
    assert verdict_line(data) == decisions.UNMEASURED


DOUBTFUL = Planned(0.0043, 0.00002, seeds=0.00001)
"""The control's own .0002 is told from nothing."""
HARMFUL = Planned(0.0043, 0.0009, harmed="history=0-49")
"""The gain is shown, and so is a loss of some users."""


def test_who_is_harmed_is_the_headline_where_a_gain_is_shown():
    verdict = judged(HARMFUL)
    assert verdict["decision"] == "no_gain" and statements.gain_of(verdict)["state"] == "holds"
    assert decisions.headline(verdict) == "Do not augment: it harms users with 0 to 49 earlier events"
    assert decisions.advice(verdict).startswith("Train on real rows alone")
    other = decisions.family_sentence(judged(HARMFUL, LOGISTIC))
    assert other == (
        "With logistic in its place autoregressive_25 harms users with 0 to 49 earlier events; it gives "
        "+0.0043 (+0.0025 to +0.0061) AUC."
    )
    assert decisions.headline(judged(PLANS["no_gain"])) == "No gain from augmenting", "refuted, beside a harm"


def test_the_log_and_the_page_give_the_same_reasons_in_the_same_order():
    """The page names the settings of margins as well; what was refuted comes first."""
    for plan in (PLANS["no_gain"], PLANS["inconclusive"], HARMFUL, DOUBTFUL):
        verdict = judged(plan)
        page = [re.sub(r" \(lift\.\w+\.\w+\)\.$", ".", reason) for reason in statements.reasons(verdict)]
        assert page == [words.sentence(reason) for reason in verdict["evidence"]["reasons"]] and page


def test_no_segment_gains_where_the_control_gains_over_itself():
    """gold.verdicts has none either: with wider intervals the same gains are believed, and told."""
    verdict = judged(DOUBTFUL)
    assert statements.alarms(verdict) == ["same"] and verdict["decision"] == "inconclusive"
    assert verdict["segments"] == [] and decisions.segments_sentence(verdict) == ""
    assert judged(PLANS["augment"])["segments"] != []


def test_a_cheap_arm_that_does_better_is_the_headline():
    """real_all's figures, under the kinds of cheap arms."""
    kinds = {"real_all": "tuned", "real_more_25": "teacher"}
    arms = {name: Arm(kinds.get(name, arm.kind), arm.role, arm.ratio) for name, arm in RANKING.arms.items()}
    arms |= {name: replace(arms[name], role="cheap") for name in kinds}
    verdict = judged(Planned(0.0024, 0.0002), replace(RANKING, arms=arms))
    assert verdict["decision"] == "no_gain"
    assert decisions.headline(verdict) == "Do not augment: it is worse than real_more_25 and real_all"
    assert statements.reasons(verdict)[:2] == [
        "It is worse than real_more_25, real rows with labels of a simpler model: -0.0022 (-0.0026 to "
        "-0.0018).",
        "It is worse than real_all, real rows alone with better settings: -0.0054 (-0.0058 to -0.0050).",
    ]


def test_what_has_to_be_beaten_is_told_by_its_kind():
    found = " ".join(statements.reasons(judged(PLANS["inconclusive"])))
    assert "better than duplicate_25, which costs nothing: " in found
    assert "better than teacher_25, real rows with labels of a simpler model: " in found
    smote = {"smote_25": Arm("synthetic", "cheap", 0.25), "crop": Arm("augmentation", "free", 0.0)}
    arms = {**{name: RANKING.arms[name] for name in ("none", CHOSEN)}, **smote}
    found = " ".join(statements.reasons(judged(PLANS["inconclusive"], replace(RANKING, arms=arms))))
    assert "better than crop, which needs no generator: " in found
    worse = judged(Planned(-0.004, 0.0002), replace(RANKING, arms=arms))
    assert "It is worse than smote_25, rows of a generator that is a control: " in " ".join(
        statements.reasons(worse)
    )


def test_many_that_are_harmed_are_counted():
    harmed = ("cold_user=yes", "cold_item=yes", "history=0-4", "history=0-4 by logloss", "all by logloss")
    statement = {"what": "safe", "state": "fails"}
    evidence = {"statements": [{**statement, "subject": subject} for subject in harmed]}
    assert statements.failing({"evidence": evidence}) == "harms new users and 3 other segments"
    evidence = {"statements": [{**statement, "subject": "all by logloss"}]}
    assert statements.failing({"evidence": evidence}) == "harms all test rows, by log loss"


def test_a_gain_that_is_shown_is_told_where_not_all_else_is():
    few = {"cold_user=yes": "5 users were tested, where an interval needs 100"}
    verdict = judged(Planned(0.0043, 0.0009, few=few))
    assert verdict["decision"] == "inconclusive" and statements.gain_of(verdict)["state"] == "holds"
    assert decisions.advice(verdict) == (
        "On the whole autoregressive_25 helps, but not all else that is asked was shown. Until it is, train "
        "on real rows alone."
    )
    untold = "Whether augmenting helps could not be told. Until it can, train on real rows alone."
    assert decisions.advice(judged(PLANS["inconclusive"])) == untold
    doubted = judged(DOUBTFUL)
    assert statements.gain_of(doubted)["state"] == "holds"
    assert decisions.advice(doubted) == untold, "nothing that was measured is believed"


def test_another_family_s_gain_that_is_not_safe_is_no_sure_one():
    few = {"cold_user=yes": "5 users were tested, where an interval needs 100"}
    verdict = judged(Planned(0.0043, 0.0009, few=few), LOGISTIC)
    assert verdict["decision"] == "inconclusive"
    told = decisions.family_sentence(verdict)
    assert "a gain, but not all else that is asked, was found: autoregressive_25 gives +0.0043" in told


SEARCH = replace(
    NEXT_ITEM,
    name="search",
    model="two_tower",
    chosen="titles_50",
    unit="queries",
    arms={"none": Arm("none", "control", 0.0), "titles_50": Arm("titles", "free", 0.5)},
)


def test_search_has_words_of_its_own():
    verdict = {**judged(Planned(0.0043, 0.0009), SEARCH), "segments": ["frequency=1-4", "new_query=yes"]}
    assert decisions.advice(verdict) == (
        "Train with arm titles_50: it adds words of products' titles as queries, 0.50 a real row."
    )
    assert decisions.scope(verdict).endswith("tested by NDCG@10 on 812 later queries.")
    some = {**verdict, "evidence": {**verdict["evidence"], "num_queries_beyond": 1234}}
    assert decisions.scope(some).endswith(
        "812 later queries, but for 1,234 beyond the pairs that are learnt from (lift.search.max_pairs)."
    )
    assert decisions.segments_sentence(verdict) == (
        "For queries shown with 1 to 4 products in training and queries never asked in training, titles_50 "
        "is shown to be better than real rows alone and than every cheap arm, corrected for how many "
        "segments there are."
    )
    assert "no single segment of queries is" in decisions.segments_sentence({**verdict, "segments": []})


def test_a_weight_is_no_share_of_added_rows():
    """The ratio of an arm that weighs is of the rows that weigh more."""
    assert words.arm_words("reweight", 0.08) == "gives real rows of the rarer outcome a higher weight"
    assert words.arm_words("oversample_label", 0.08).endswith("of the rarer outcome, 0.08 a real row")


def test_every_kind_of_arm_and_of_segment_has_words():
    kinds = get_args(ArmConfig.model_fields["kind"].annotation)
    assert "titles" in kinds
    assert [kind for kind in kinds if words.arm_words(kind, None) == kind] == []
    number, flag = np.arange(40), np.ones(40, bool)
    facts = dict.fromkeys(("history", "popularity", "frequency"), number)
    facts |= dict.fromkeys(("cold_user", "cold_item", "unknown_item", "new_query"), flag)
    names = segments_of({**facts, "category": np.array(["food"] * 40, object)})
    assert "frequency=0-9" in names and "new_query=yes" in names
    assert [name for name in names if words.segment(name).words == name] == []


def test_costs_are_told_in_rows_and_seconds():
    """A quarter of 40,000 real rows; a free augmentation adds none and needs no generator."""
    arms = {CHOSEN: {"generator": "autoregressive"}}
    cards = [{"name": "autoregressive", "seconds": 29.4, "num_rows": 72_196}]
    verdict = judged(PLANS["augment"])
    assert decisions.cost_words(verdict, arms, cards, 75.5) == (
        "10,000 added rows in each training; 29 s to train generator autoregressive on 72,196 real rows; "
        "76 s to measure the arms of all tasks."
    )
    assert ("Cost", "x") in decisions.facts(verdict, "x") and "Cost" not in dict(decisions.facts(verdict))
    assert decisions.cost_words(judged(NOISY, NEXT_ITEM), {}, cards, None) == ""
    others = [("autoregressive.2", 31.0), ("autoregressive.3", 30.1), ("gan", 500.0), ("gan.2", 500.0)]
    cards += [{"name": name, "seconds": seconds, "num_rows": 72_196} for name, seconds in others]
    assert decisions.cost_words(verdict, arms, cards, None) == (
        "10,000 added rows in each training; 90 s to train generator autoregressive 3 times on 72,196 "
        "real rows."
    ), "all of its fits: 29.4 + 31.0 + 30.1"


def test_the_cut_is_told_by_the_rows_that_were_measured(config):
    """The toy's examples are of 199 days, of which 150 train and 20 validate."""
    assert gathered(config).cut is None, "an empty lake"
    toy_report.fill(config)
    cut = gathered(config).cut
    assert (cut.first, cut.cut, cut.test, cut.last) == (
        date(2017, 1, 2), date(2017, 6, 1), date(2017, 6, 21), date(2017, 7, 19),
    )  # fmt: skip
    verdict, by_share = judged(PLANS["augment"]), {"cut_date": None}
    assert decisions.cut_words(verdict, cut, by_share) == (
        "Trained on what lies before 2017-06-01, 75 % of all days (features.cut_fraction); tested on what "
        "lies from 2017-06-21 on."
    )
    assert decisions.cut_words(verdict, None, by_share) == ""
    assert decisions.cut_words({**verdict, "stale": "Of other rows."}, cut, by_share) == ""
    examples = toy_examples(500)
    trained = examples.filter(pc.equal(examples["split"], "train"))
    untested = load_config(None, [f"lake.root={config.lake.root}/untested"])
    toy_report.write(untested, TRAINING_EXAMPLES, trained)
    assert gathered(untested).cut is None, "there is nothing that is tested"


def test_how_often_the_same_rows_were_tried_is_told(config):
    verdict = judged(PLANS["augment"])
    assert decisions.tried_words(verdict) == "", "of a release that did not count"
    for before, told in (
        (0, "Once on these rows (gold.measurements)."),
        (1, "2 times on these rows, this one included (gold.measurements): the more is tried, the likelier"),
        (1234, "1,235 times on these rows, "),
    ):
        again = {**verdict, "evidence": {**verdict["evidence"], "num_measured_before": before}}
        assert decisions.tried_words(again).startswith(told)
    toy_report.fill(config)
    ranking, next_item = Checker.of(render(gathered(config))).articles
    assert ranking[ranking.index("Tried") + 1].startswith("3 times on these rows")
    assert next_item[next_item.index("Tried") + 1] == "Once on these rows (gold.measurements)."


@pytest.mark.parametrize(
    ("label", "impressions", "told"),
    [
        ("label_purchase", "logged", "whether an impression leads to a purchase"),
        ("label_purchase", "drawn", "whether an item is bought (impressions are drawn)"),
        ("label_cart", "drawn", "whether an item is put into the cart (impressions are drawn)"),
        ("label_click", "imputed", "whether an item is clicked (impressions are imputed)"),
        ("", "drawn", "what an impression leads to"),
    ],
)
def test_nothing_is_asked_of_impressions_that_were_not_seen(label, impressions, told):
    verdict = judged(PLANS["augment"])
    evidence = {**verdict["evidence"], "label": label, "impressions": impressions}
    assert decisions.task_words({**verdict, "evidence": evidence}) == f"Ranking: {told}"


@pytest.mark.parametrize(
    ("task", "first", "metric", "setting"),
    [
        ("ranking", "auc", "auc", "0.01 AUC would be tolerated (lift.ranking.margin)"),
        ("ranking", "auc", "logloss", "0.01 log loss would be tolerated (lift.ranking.logloss_margin)"),
        ("search", "ndcg@10", "recall@10", "0.01 recall@10 would be tolerated (lift.search.recall_margin)"),
        (None, "auc", "auc", "0.01 AUC would be tolerated"),
    ],
)
def test_a_margin_is_told_with_its_setting(task, first, metric, setting):
    assert words.margin_words(0.01, metric, first, task) == f"a loss of up to {setting}"
    if task is not None:
        section, _, name = re.search(r"lift\.(.*)\)", setting)[1].partition(".")
        assert name in type(getattr(Config().lift, section)).model_fields


def test_inconclusive_says_how_many_users_would_tell(config):
    toy_report.fill(config, "inconclusive")
    head = Checker.of(render(gathered(config))).words.partition("Next item: what a user takes next")[0]
    assert "Inconclusive Whether augmenting helps could not be told." in head
    assert (
        "Its gain may lie below or above the 0.001 AUC that would be worthwhile: +0.0014 (-0.0019 to" in head
    )
    assert (
        "test users, where 812 were tested: these would tell on which side of +0.001 the gain lies."
    ) in head
    assert f"It is not shown to be safe for new users: {FEW['cold_user=yes']}." in head
    assert f"It is not shown to be safe for new users, by log loss: {FEW['cold_user=yes']}." in head


def test_tasks_come_in_their_order_each_with_its_own_words(config):
    toy_report.fill(config)
    data = gathered(config)
    assert [one["task"] for one in data.verdicts] == ["ranking", "next_item"], "written the other way round"
    head = Checker.of(render(data)).words.partition("What each arm gives")[0]
    next_item = head.partition("Next item: what a user takes next Inconclusive")[2]
    assert (
        "sasrec with 3 seeds an arm, for 400 steps, on 40,000 sequences of real users; tested by NDCG@10 on "
        "what 812 users took later."
    ) in next_item
    assert (
        "More seeds (lift.num_seeds, now 3): the noise between trainings hides a gain of +0.001, however "
        "many users are tested."
    ) in next_item
    assert "impressions are imputed" not in next_item, "a caveat of rankers"
    assert verdict_line(data).startswith("Ranking: Augment, with autoregressive_25. Train")
    assert "Next item: Inconclusive. Whether" in verdict_line(data)
    assert verdict_line(replace(data, verdicts=[])) == decisions.NO_VERDICT


@pytest.mark.parametrize("decision", ["augment", "no_gain", "inconclusive"])
def test_no_page_claims_more_than_was_shown(config, decision):
    toy_report.fill(config, decision)
    page = Checker.of(render(gathered(config))).words
    assert "certain" not in page.lower() and " nan" not in page.lower() and "None" not in page
    assert "Intervals are 95 % each, every one taken alone" in page
    assert "chosen on validation rows, where there are any, and judged on test rows" in page


def test_few_reasons_are_shown_and_the_others_are_folded_away(config):
    toy_report.fill(config)
    next_item = (
        render(gathered(config)).partition("Next item: what a user takes next")[2].partition("<dl>")[0]
    )
    shown, fold, rest = next_item.partition("<details>")
    num_reasons = len(statements.reasons(judged(NOISY, NEXT_ITEM)))
    assert shown.count("<li>") == 3 and fold and rest.count("<li>") == num_reasons - 3 > 0
    assert f"{num_reasons - 3} further reasons" in rest


def test_too_few_users_for_any_interval():
    few = {"all": "5 users were tested, where an interval needs 100"}
    verdict = judged(Planned(0.0014, 0.0017, few=few))
    assert statements.reasons(verdict)[:2] == [
        "Its gain has no interval: 5 users were tested, where an interval needs 100.",
        "It is not shown to be better than shuffled_25: 5 users were tested, where an interval needs 100.",
    ]
    facts = dict(decisions.facts(verdict))
    assert facts[f"Gain of {CHOSEN}"] == "+0.0014 AUC over real rows alone, without an interval"
    assert facts["What would change it"] == "As many test users and items as an interval needs."
    other = decisions.family_sentence(judged(Planned(0.0014, 0.0017, few=few), LOGISTIC))
    assert other == (
        "With logistic in its place nothing sure was found: autoregressive_25 gives +0.0014 AUC, without an "
        "interval."
    )


def test_no_smallest_gain_is_told_of_too_few_users():
    """An older lake has one all the same, of the interval that there is not."""
    few = {"all": "5 users were tested, where an interval needs 100"}
    verdict = judged(Planned(0.0014, 0.0017, few=few))
    assert verdict["evidence"]["detectable"] is None
    older = {**verdict, "evidence": {**verdict["evidence"], "detectable": 0.0062}}
    for one in (verdict, older):
        assert "Smallest gain it could find" not in dict(decisions.facts(one))
    assert "Smallest gain it could find" in dict(decisions.facts(judged(Planned(0.0014, 0.0017))))


NOTHING = Verdict("inconclusive", None)
"""Where no arm was there to choose."""


@pytest.mark.parametrize(
    ("task", "skipped", "told"),
    [
        (
            RANKING,
            {"gan_25": "the gate published rows of one of 3 fits of generator 'gan', which cannot tell"},
            "Generated rows that pass the gate, or another augmentation.",
        ),
        (
            RANKING,
            {"cold": "generator 'gan' published no rows of cold_items"},
            "More generated rows (synthesis.ratio), or arms that take others of them (only).",
        ),
        (
            RANKING,
            {"real_all": "there are no more real training rows than the control has"},
            "An arm of kind synthetic in lift.arms, whose generator is no control (independent, smote).",
        ),
        (NEXT_ITEM, {}, "An arm of kind augmentation or synthetic in lift.next_item.arms."),
        (
            SEARCH,
            {"titles": "no product has a title"},
            "An arm of kind titles in lift.search.arms, and products with titles.",
        ),
    ],
)
def test_what_is_missing_is_told_where_nothing_was_there_to_choose(task, skipped, told):
    """Rows that were withheld, or an arm that adds anything: of the kinds that a task may have."""
    verdict = judged(PLANS["augment"], replace(task, skipped=skipped), NOTHING)
    assert remedies.change(verdict) == told


def test_kinds_of_arms_that_are_asked_for_may_be_configured():
    cropped = {"kind": "augmentation", "operations": ["crop"]}
    generated = {"kind": "synthetic", "generator": "gan", "ratio": 0.25}
    for rules, added in (
        (LiftConfig, generated),
        (NextItemRules, cropped),
        (SearchRules, {"kind": "titles", "ratio": 0.25}),
    ):
        assert rules.model_validate({"arms": {"none": {"kind": "none"}, "added": added}})


def test_without_generated_rows_there_is_nothing_to_tell():
    verdict = judged(PLANS["augment"], verdict=NOTHING)
    assert statements.reasons(verdict) == [
        "No augmentation was there to judge, only what one is held against."
    ]
    assert remedies.change(verdict) == "Generated rows that pass the gate, or another augmentation."
    assert decisions.segments_sentence(verdict) == "" and statements.gain_of(verdict) is None
    assert [name for name, _ in decisions.facts(verdict)] == [
        "Worthwhile from", "What would change it", "Scope", "Interval",
    ]  # fmt: skip


def test_what_holds_for_one_task_alone_is_told_with_the_reason_of_its_correction():
    """Every statement holds: the reason is not one of theirs."""
    weak = toy_measured.measured(RANKING, Planned(0.0043, 0.0016)).verdict
    assert weak.decision == "augment"
    others = {f"other{i}": Verdict("inconclusive", None) for i in range(5)}
    verdict = judged(Planned(0.0043, 0.0016), verdict=confirm({"ranking": weak, **others})["ranking"])
    assert decisions.headline(verdict) == "Inconclusive"
    assert statements.reasons(verdict) == [
        "It holds for this task alone, not once corrected for all tasks that were measured."
    ]
    assert remedies.change(verdict).startswith("More test users, for what is least sure, ")
    assert remedies.change(verdict).endswith("for this task alone all that is asked holds.")
    assert decisions.advice(verdict) == (
        "For this task alone autoregressive_25 does all that is asked, but not once corrected for all that "
        "was measured. Until it does, train on real rows alone."
    )
    assert "a gain, but not once corrected for all that was measured, was found: " in (
        decisions.family_sentence(verdict)
    )


def test_fits_of_a_generator_make_noise_too():
    assert remedies.change(judged(NOISY)) == (
        "More seeds (lift.num_seeds, now 3) and more fits of the generator (lift.num_fits, 2 measured): the "
        "noise between trainings hides a gain of +0.001, however many users are tested."
    )


def test_a_free_augmentation_adds_no_rows():
    verdict = judged(PLANS["augment"], NEXT_ITEM)
    assert decisions.headline(verdict) == "Augment, with crop"
    assert decisions.advice(verdict) == "Train with arm crop: it changes training sequences."


def test_a_gain_at_the_border_takes_many_users_to_tell():
    found = remedies.change(judged(Planned(0.0011, 0.0002, seeds=0.00001)))
    number = int(re.match(r"About ([\d,]+) test users, where 812 were tested", found)[1].replace(",", ""))
    assert 20_000 < number < 40_000, "the gain is a tenth of the worthwhile one from it"
