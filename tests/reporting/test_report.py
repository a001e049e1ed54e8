"""The page: complete, self-contained, parseable, and the same bytes for the same lake."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import toy_report
import write_report
from clicksmith.config import Config, load_config
from clicksmith.evaluation.rows import Metric
from clicksmith.reporting import sections, words
from clicksmith.reporting.as_json import as_json
from clicksmith.reporting.html import render
from clicksmith.reporting.quality import quality
from reporting.checker import Checker
from reporting.toy_measured import NEXT_ITEM, PLANS, RANKING, measured
from toy_report import gathered

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path / 'lake'}"])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"name": "complete_journey"}, "complete_journey"),
        ({"name": "files", "events": {"path": "../logs/shop.csv"}}, "shop.csv"),
        ({"name": "files", "events": {"path": "s3://bucket/clicks/day=*/*.parquet"}}, "clicks"),
        ({"name": "files", "events": {"path": "*.csv"}}, "files"),
        ({}, "unknown"),
    ],
)
def test_logs_of_one_s_own_are_named(source, told):
    assert words.source_words(source) == told


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("source.name=complete_journey", "its impressions are imputed from other events"),
        ("source.name=movielens_100k", "its impressions are imputed from other events"),
        ("source.name=open_bandit", None),
    ],
)
def test_the_page_says_what_impressions_its_figures_are_of(tmp_path, source, says):
    config = load_config(None, [f"lake.root={tmp_path / 'lake'}", source])
    toy_report.fill(config)
    page = Checker.of(render(gathered(config))).words
    assert ("impressions are imputed" in page, "negatives are drawn" in page) == (says is not None, False)
    assert says is None or page.count(says) == 2, "beside the verdict and beside the recommenders"
    drawn = load_config(ROOT / "conf" / "retailrocket.yaml", [f"lake.root={tmp_path / 'other'}"])
    assert "its negatives are drawn at random" in Checker.of(render(gathered(drawn))).words


def test_the_page_says_what_was_held_out(config):
    assert "one by one since the log knows no users" in words.holdout_sentence(70, 70, 70)
    whole = "These are 70 rows of 7 users, of whom no generator saw anything"
    assert words.holdout_sentence(7, 70, 0) == f"{whole}."
    assert words.holdout_sentence(17, 80, 10) == f"{whole}, and 10 rows without a user, held out one by one."
    toy_report.fill(config)
    page = Checker.of(render(gathered(config))).words
    assert "These are 4,000 rows of 240 users, of whom no generator saw anything." in page


def holdout_told(config, *rows_without_user):
    """Of 100,000 rows whose users' numbers meet 12 times, with or without what a newer lake tells."""
    figures = [
        Metric("holdout.users", "all", "gan", 99_988, 100_000),
        Metric("gate.passed", "all", "gan", 1, 9),
    ]
    name = "holdout.rows_without_user"
    figures += [Metric(name, "all", "gan", number, 100_000) for number in rows_without_user]
    return quality(figures)[0].holdout


def test_whether_users_were_held_out_is_told_not_inferred(config):
    assert holdout_told(config, 100_000).startswith(
        "These are 100,000 rows, held out one by one since the log"
    )
    assert holdout_told(config, 0).startswith("These are 100,000 rows of 99,988 users, of whom no")
    assert holdout_told(config) == "These are 100,000 rows.", "an older lake does not tell"


def test_every_part_is_there(config):
    toy_report.fill(config)
    page = render(gathered(config))
    checker = Checker.of(page)
    words = checker.words
    # dense_gan leaks: withheld, with the broken bounds.
    assert words.count("published") >= 2 and words.count("withheld") >= 1
    assert (
        "AUC of a membership attack (gate.max_membership_auc) 0.9900, where at most 0.6 is allowed" in words
    )
    assert "Training rows it finds (DOMIAS) share at 1 % false alarms" in words
    assert (
        "share of training rows that an attack finds at 1 % false alarms (DOMIAS, gate.max_domias_tpr) "
        "0.7100, where at most 0.05 is allowed (an attack names training rows with hardly a false accusation)"
    ) in words
    # No generator here has a likelihood.
    assert "Likelihood lost" not in words
    # Bronze: 1,010 = 1,000 + 10; silver: 1,000 = 900 + 40 + 60; reasons counted by hand: 7 + 3 and 3.
    assert re.search(r"bronze.events 1,010 1,000 10 0 holds", words)
    assert re.search(r"silver.events 1,000 900 40 60 holds", words)
    assert "unknown event_type 10" in words and "event_ts before 1995-01-01 3" in words
    # Of each task its gain, all arms, and each but the control by segment, the chosen one by each metric;
    # two kinds of curve a GAN, one a recommender; 7 columns.
    lift = sum(2 + len(task.arms) - 2 + len(task.metrics) for task in (RANKING, NEXT_ITEM))
    assert checker.counts["svg"] == lift + 2 * len(config.fits) + 2 + 7
    assert checker.unlabelled == 0
    assert "This gate lets more through than the default one: max_c2st_auc is 1 in place of 0.99" in words
    assert "this model 0.7900 0.3100" in words and "popularity 0.6400 –" in words
    assert "gold.verdicts" in words and "pyarrow" in words and '"seed": 42' in words


def test_the_page_says_what_a_filled_dot_is_corrected_for(config):
    """Of rankers 11 arms by 11 segments, and the chosen one by log loss; of next items 5 arms by 11."""
    toy_report.fill(config)
    data = gathered(config)
    page = Checker.of(render(data)).words
    assert "Filled dots are corrected for 132 differences." in page
    assert "Filled dots are corrected for 55 differences." in page
    assert "every one taken alone: of many, some exclude zero by chance, and then the dot stays empty" in page
    lift = [one for one in data.lift if not one.metric.startswith(("apart.", "detectable."))]
    older = Checker.of(render(replace(data, lift=lift))).words
    assert older.count("did not correct for how many are drawn: no dot is filled.") == 2
    assert "Filled dots are" not in older and "8 times in 10" in older, "of the decision's own gain"


def test_the_page_of_a_control_alone_blames_no_release(config):
    """As of logs whose configuration sets no arms."""
    alone = replace(
        RANKING, name="ranking/logistic", model="logistic", arms={"none": RANKING.arms["none"]}, chosen=None
    )
    toy_report.fill(config, "augment", measured(alone, PLANS["augment"]))
    page = Checker.of(render(gathered(config))).words
    assert "No other arm was measured beside it: there is no difference to draw." in page
    assert "did not correct" not in page


def test_a_figure_is_told_apart_from_the_end_that_is_judged(config):
    """Trees' AUC and what they lose are judged at the upper end; what they reach is not."""
    figures = [
        Metric("fidelity.c2st_auc", "all", "gan", 0.71, 9, ci_low=0.69, ci_high=0.73, ceiling=0.5),
        Metric("utility.trained_auc", "all", "gan", 0.76, 9, ci_low=0.74, ci_high=0.78, ceiling=0.79),
        Metric("utility.auc_loss", "all", "gan", 0.03, 9, ci_low=0.02, ci_high=0.04),
        Metric("fidelity.shapes", "all", "gan", 0.93, 9, ceiling=0.98),
        Metric("gate.passed", "all", "gan", 1, 9),
    ]
    cells = {title: own for title, _, (own,) in quality(figures)[0].rows}
    assert [(cell.value, cell.worst, cell.ceiling) for cell in cells.values()] == [
        ("0.930", "", "0.980"),
        ("0.710", "0.730", "0.500"),
        ("0.760", "", "0.790"),
        ("0.030", "0.040", "–"),
    ]
    assert "Told apart by trees (C2ST)" in cells
    toy_report.write_metrics(config, "evaluate_synthetic", figures)
    assert "0.710 at worst 0.730, real: 0.500" in Checker.of(render(gathered(config))).words


def test_a_gate_that_lets_more_through_says_so():
    opened = {"max_c2st_auc": 1.0, "min_shapes": 0.5, "max_heldout_gap_nats": None}
    assert sections.loosened(opened) == (
        "This gate lets more through than the default one: min_shapes is 0.5 in place of 0.8, max_c2st_auc "
        "is 1 in place of 0.99 and max_heldout_gap_nats is open in place of 2."
    )
    assert sections.loosened({"max_c2st_auc": 0.8, "min_shapes": 0.9}) == ""
    assert sections.loosened({"max_rows": 50_000}) == "", "more rows are looked at: no bound"


def test_a_model_that_loses_to_what_it_has_to_beat_says_so():
    metrics = {
        "test_recall@10": 0.11, "test_ndcg@10": 0.14, "ease_recall@10": 0.12, "ease_ndcg@10": 0.2,
        "item_neighbours_recall@10": 0.11, "item_neighbours_ndcg@10": 0.15, "popularity_ndcg@10": 0.1,
    }  # fmt: skip
    ranker = {"test_logloss": 0.31, "base_rate_logloss": 0.3, "calibrated_logloss": 0.2}
    cards = [{"name": "n", "preset": "p", "metrics": found} for found in (metrics, ranker)]
    next_item, conversion = (table["beaten"] for table in sections.recommenders(cards))
    told = "Does worse here than ease (recall@10, ndcg@10) and item neighbours (ndcg@10)."
    assert next_item == told and conversion == "Does worse here than base rate (logloss)."
    (better,) = sections.recommenders([{**cards[0], "metrics": {"test_auc": 0.7, "popularity_auc": 0.6}}])
    assert better["beaten"] == ""


def test_a_model_says_what_it_was_trained_on_and_by_whose_word():
    card = {"name": "n", "preset": "p", "metrics": {}}
    unmeasured = {"asked": "verdict", "decision": "not measured", "verdict": None, "arm": None}
    follows = [
        unmeasured,
        {**unmeasured, "decision": "inconclusive", "verdict": "fba1"},
        {**unmeasured, "decision": "augment", "verdict": "fba1", "arm": "gan_25"},
        {"asked": "gan_25", "decision": None, "verdict": None, "arm": "gan_25"},
        {"asked": "none", "decision": None, "verdict": None, "arm": None},
    ]
    cards = [card, *({**card, "follows": told} for told in follows)]
    assert [table["follows"] for table in sections.recommenders(cards)] == [
        "",
        "Trained on real rows alone: nothing was measured that could say otherwise.",
        "Trained on real rows alone: the verdict of the measurement fba1 is inconclusive.",
        "Trained on real rows with gan_25: the verdict of the measurement fba1 is augment.",
        "Trained on real rows with gan_25, as its setting augment says (gan_25).",
        "Trained on real rows alone, as its setting augment says (none).",
    ]


def test_reasons_are_counted_in_so_many_rows(config, monkeypatch):
    """Of ten rejected rows the first seven have one reason, the last three two."""
    toy_report.fill(config)
    monkeypatch.setattr("clicksmith.reporting.data.MAX_REJECTED", 8)
    assert gathered(config).reasons["bronze.events_rejected"] == [
        ("unknown event_type", 8),
        ("event_ts before 1995-01-01", 1),
    ]


def test_the_page_needs_nothing_else(config):
    toy_report.fill(config)
    page = render(gathered(config))
    assert Checker.of(page).references == []
    assert "http" not in page
    assert "@import" not in page and "url(" not in page and "<script" not in page


def test_the_same_lake_gives_the_same_bytes(config):
    toy_report.fill(config)
    write_report.run(config)
    first = toy_report.page(config).read_bytes()
    write_report.run(config)
    assert toy_report.page(config).read_bytes() == first
    assert not list(toy_report.page(config).parent.glob("*.partial"))


def test_an_empty_lake_is_said_in_sentences(config):
    write_report.run(config)
    words = Checker.of(toy_report.page(config).read_text()).words
    for sentence in (
        "There is no verdict yet: measure_lift has not run on this lake.",
        "No arm has been measured yet.",
        "Nothing that was generated has been judged yet.",
        "No distributions have been recorded yet.",
        "No model has been trained on the current table with the current settings yet.",
        "No recommender has been trained yet.",
        "No data has been taken in yet.",
        "The lake holds no table yet.",
    ):
        assert sentence in words


def test_cards_of_other_settings_are_not_shown(config):
    toy_report.fill(config)
    other = load_config(
        ROOT / "conf" / "local.yaml", [f"lake.root={config.lake.root}", "generators.gan.num_steps=7"]
    )
    assert "gan" not in [card["name"] for card in gathered(other).generators]
    assert "gan" in [card["name"] for card in gathered(config).generators]
    assert gathered(load_config(None, [f"lake.root={config.lake.root}", "seed=7"])).generators == []


def test_the_search_model_is_shown_where_there_is_one(config):
    own = load_config(None, [f"lake.root={config.lake.root}", "search={num_steps: 20}"])
    toy_report.fill(own)
    assert [card["name"] for card in gathered(own).recommenders] == ["ranker", "sequential"]
    settings = {"search": own.search.model_dump(mode="json")}
    toy_report.write_card(own, "recommenders", "search", settings, toy_report.loss_history())
    data = gathered(own)
    assert [card["name"] for card in data.recommenders] == ["ranker", "sequential", "search"]
    assert (
        "search search ndcg@10 mrr this model 0.5200 0.4700 bm25 0.4400 0.4100"
        in Checker.of(render(data)).words
    )
    assert as_json(data)["recommenders"][-1]["metrics"]["test_mrr"] == 0.47
    without = load_config(None, [f"lake.root={config.lake.root}"])
    assert "search" not in [card["name"] for card in gathered(without).recommenders]


def test_hostile_names_are_text(config):
    toy_report.fill(config)
    data = gathered(config)
    evil = "<script>alert(1)</script>"
    reasons = {evil: [(evil, 3)]}
    metrics = [
        type(m)(**{**vars(m), "slice": f"00 {evil}"}) if m.metric == "distribution.item_category" else m
        for m in data.synthetic
    ]
    page = render(type(data)(**{**vars(data), "reasons": reasons, "synthetic": metrics}))
    Checker.of(page)
    assert "<script" not in page


def test_the_report_imports_neither_spark_nor_ray():
    import subprocess
    import sys

    code = (
        "import sys; sys.path[:0] = ['lib', 'jobs'];"
        "[sys.modules.__setitem__(m, None) for m in ('pyspark', 'ray', 'torch', 'delta', 'sklearn')];"
        "import write_report; print('ok')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "ok\n", done.stderr


def test_secrets_of_the_configuration_stay_out(tmp_path: Path) -> None:
    key = "spark.hadoop.fs.azure.account.key.lake.dfs.core.windows.net"
    extra = json.dumps({key: "hunter2hunter2", "spark.hadoop.fs.s3a.endpoint": "https://u:pass99@store"})
    config = load_config(None, [f"lake.root={tmp_path / 'lake'}", f"spark.extra={extra}"])
    toy_report.fill(config)
    page = render(gathered(config))
    assert key in page and "https://u:***@store" in page
    assert "hunter2" not in page and "pass99" not in page
