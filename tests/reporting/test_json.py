"""report.json: the same as the page, for programs."""

import json
import math
from collections import Counter
from pathlib import Path

import pytest

import toy_report
import write_report
from clicksmith.config import load_config
from clicksmith.evaluation.rows import Metric
from clicksmith.reporting.as_json import as_json
from reporting import toy_measured
from reporting.checker import Checker
from reporting.toy_measured import BAD, CHOSEN
from toy_report import gathered

ROOT = Path(__file__).resolve().parents[2]


def load(root: Path) -> dict:
    """Refuses what JSON does not know."""
    text = (root / "_reports" / "report.json").read_text()
    return json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_it_holds_decisions_figures_and_versions(tmp_path):
    config = load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path}"])
    toy_report.fill(config, "no_gain")
    write_report.run(config)
    found = load(tmp_path)
    ranking, next_item = found["decisions"]
    assert (ranking["task"], ranking["decision"], ranking["arm"]) == ("ranking", "no_gain", None)
    assert ranking["headline"] == "No gain from augmenting" and next_item["headline"] == "Inconclusive"
    assert ranking["evidence"]["chosen"] == CHOSEN and ranking["evidence"]["arms"][BAD]["role"] == "generator"
    assert any(
        reason.startswith("It harms users with 0 to 49 earlier events") for reason in ranking["reasons"]
    )
    bad = [
        row["value"]
        for row in found["figures"]["measure_lift"]
        if (row["metric"], row["slice"], row["arm"]) == ("lift.ranking.auc", "all", BAD)
    ]
    assert bad == [pytest.approx(-0.31)]
    assert {"clicksmith", "python", "pyarrow"} <= found["versions"].keys()
    assert found["rejected"]["bronze.events_rejected"] == {
        "event_ts before 1995-01-01": 3,
        "unknown event_type": 10,
    }
    assert [card["name"] for card in found["recommenders"]] == ["ranker", "sequential"]


def sentences(decision: dict) -> list[str]:
    """All that report.json says of a decision in words."""
    facts = [text for fact in decision["facts"].items() for text in fact]
    lines = [*decision["reasons"], *decision["cautions"], *facts]
    return [decision["question"], decision["headline"], decision["advice"], *lines]


@pytest.mark.parametrize("found", ["augment", "no_gain", "inconclusive"])
@pytest.mark.parametrize("changes", [(), ("lift.num_seeds=7",)], ids=["standing", "out of date"])
def test_the_first_page_says_what_the_file_says(tmp_path, found, changes):
    """Sentence by sentence, either way; with another family, and what the gate withheld."""
    arm = "lift.arms.dense={kind: synthetic, generator: dense_gan, ratio: 0.25}"
    config = load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path}", arm])
    toy_report.fill(
        config, found, toy_measured.measured(toy_measured.LOGISTIC, toy_measured.PLANS["no_gain"])
    )
    changed = load_config(ROOT / "conf" / "local.yaml", [f"lake.root={tmp_path}", arm, *changes])
    write_report.run(changed)
    decisions = load(tmp_path)["decisions"]
    page = Checker.of(toy_report.page(changed).read_text())
    shipped = [one for one in decisions if one["is_shipped"]]
    assert [one["task"] for one in shipped] == ["ranking", "next_item"] and len(decisions) == 3
    for decision, article in zip(shipped, page.articles, strict=True):
        assert Counter(sentences(decision)) == Counter(" ".join(text.split()) for text in article)
        assert decision["is_stale"] == bool(changes)
        assert {"Cost", "Scope", "Worthwhile from", "Interval"} <= decision["facts"].keys() or (
            decision["task"] == "next_item"  # a free augmentation costs nothing
        )
        would_change = decision["decision"] != "augment" and not changes
        assert ("What would change it" in decision["facts"]) == would_change
        assert ("Cut" in decision["facts"]) != decision["is_stale"]
    (other,) = (one for one in decisions if not one["is_shipped"])
    assert other["headline"] == ("Out of date: measure again" if changes else "No gain from augmenting")


def test_a_figure_without_a_value_is_null(tmp_path):
    config = load_config(None, [f"lake.root={tmp_path}"])
    toy_report.write_metrics(config, "evaluate_synthetic", [Metric("m", "all", "gan", math.nan, 0)])
    write_report.run(config)
    (figure,) = load(tmp_path)["figures"]["evaluate_synthetic"]
    assert figure["metric"] == "m" and figure["value"] is None


def test_an_empty_lake_and_equal_bytes(tmp_path):
    config = load_config(None, [f"lake.root={tmp_path}"])
    write_report.run(config)
    first = (tmp_path / "_reports" / "report.json").read_bytes()
    write_report.run(config)
    assert (tmp_path / "_reports" / "report.json").read_bytes() == first
    assert load(tmp_path)["decisions"] == [] and load(tmp_path)["tables"] == []


def test_secrets_stay_out(tmp_path):
    extra = json.dumps({"spark.hadoop.fs.azure.account.key.lake": "hunter2hunter2"})
    config = load_config(None, [f"lake.root={tmp_path}", f"spark.extra={extra}"])
    assert "hunter2" not in json.dumps(as_json(gathered(config)))
