"""A verdict, and a model, of other rows or settings than are there now is not shown as if it held."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

import toy_report
import write_report
from builders import at
from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import expected_of, trace_training_set
from clicksmith.reporting.first_page import verdict_line
from clicksmith.reporting.html import render
from clicksmith.tables import JOB_RUNS, SEQUENCES, TRAINING_EXAMPLES, Table
from reporting.checker import Checker
from reporting.toy_measured import CHOSEN
from toy_report import gathered
from training.toy_lake import write_rows

ROOT = Path(__file__).resolve().parents[2]
OUT_OF_DATE = (
    "This was decided on other rows, or with other settings, than are there now: run measure_lift again. "
    "Until then train_recommender stops with an error and trains nothing, unless no model is to follow a "
    "verdict."
)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return other(tmp_path / "lake")


def other(root: Path | str, *changes: str) -> Config:
    """The demo's configuration on a lake, changed."""
    return load_config(ROOT / "conf" / "local.yaml", [f"lake.root={root}", *changes])


def rebuild(config: Config, table: Table) -> None:
    """As a job would of other rows."""
    write_rows(Lake.of(config), table, table.arrow_schema.empty_table(), "e" * 32)


def reported(config: Config) -> tuple[str, dict]:
    """The page as a reader finds it, and report.json."""
    write_report.run(config)
    folder = toy_report.page(config).parent
    return Checker.of((folder / "report.html").read_text()).words, json.loads(
        (folder / "report.json").read_text()
    )


def shown(config: Config) -> list[str]:
    return [card["name"] for card in gathered(config).recommenders]


def test_what_stands_is_advised(config):
    toy_report.fill(config)
    page, found = reported(config)
    assert "Out of date" not in page and f"Train with arm {CHOSEN}" in page
    assert [one["is_stale"] for one in found["decisions"]] == [False, False]
    assert [card["name"] for card in found["recommenders"]] == ["ranker", "sequential"]


def test_a_verdict_of_other_settings_is_out_of_date(config):
    toy_report.fill(config)
    changed = other(config.lake.root, "lift.num_seeds=7")
    page, found = reported(changed)
    head = page.partition("What each arm gives")[0]
    assert (
        "Ranking: whether an item is bought (impressions are imputed) Out of date: measure again "
        f"{OUT_OF_DATE}" in head
    )
    assert (
        f"What was decided then: Augment, with {CHOSEN}." in head and "What was decided then: Inconcl" in head
    )
    assert "Train with arm" not in page and "Until it can, train" not in head
    assert "What would change it" not in head, "of what no longer stands"
    then = head.index("What was decided then: Inconcl")
    assert then < head.index("Its gain may lie below or above"), "what follows is why it was decided so"
    assert 'class="augment"' not in render(gathered(changed))
    assert [(one["is_stale"], one["headline"]) for one in found["decisions"]] == [
        (True, "Out of date: measure again")
    ] * 2
    line = verdict_line(gathered(changed))
    assert line.startswith(f"Ranking: Out of date: measure again. {OUT_OF_DATE}") and "Augment" not in line


def test_a_verdict_of_other_rows_is_out_of_date(config):
    toy_report.fill(config)
    rebuild(config, SEQUENCES)
    assert all(one["stale"] for one in gathered(config).verdicts)


def test_a_verdict_downstream_of_other_settings_is_out_of_date(config):
    """All that was measured is as it was, but the configuration asks for other sequences."""
    lineage = trace_training_set(config, {})
    toy_report.fill(config, sequences=replace(lineage, asked_hash=expected_of(config, (SEQUENCES, None))))
    assert not any(one["is_stale"] for one in reported(config)[1]["decisions"])
    changed = other(config.lake.root, "features.num_negatives=3")
    page, found = reported(changed)
    told = (
        "gold.sequences was made with other settings (seed, features, or those of what it was made from) "
        "than are configured now: run build_training_set again, and the jobs after it. Until then "
        "train_recommender stops with an error and trains nothing, unless no model is to follow a verdict."
    )
    assert f"Out of date: measure again {told}" in page
    assert [one["is_stale"] for one in found["decisions"]] == [True, True] and shown(changed) == []


def test_a_lake_that_lacks_a_table_has_a_report(config):
    toy_report.fill(config)
    shutil.rmtree(Path(config.lake.root) / "gold" / "vocabulary")
    page, found = reported(config)
    assert "It cannot be held against what is there now: gold.vocabulary was not found in the lake" in page
    assert found["decisions"][0]["is_stale"] and found["recommenders"] == []


def test_models_are_shown_as_train_recommender_would_train_them(config):
    """It refuses to follow what is out of date; who asks no verdict need not care."""
    toy_report.fill(config)
    stale = other(config.lake.root, "lift.num_seeds=7")
    assert shown(stale) == []
    assert "No recommender has been trained as asked for." in Checker.of(render(gathered(stale))).words
    alone = other(config.lake.root, "lift.num_seeds=7", "sequential.augment=none")
    settings = {"sequential": alone.sequential.model_dump(mode="json")}
    toy_report.write_card(
        alone, "recommenders", "sequential", settings, toy_report.loss_history(), SEQUENCES, run_id="a" * 16
    )
    assert shown(alone) == ["sequential"]
    rebuild(alone, SEQUENCES)
    assert shown(alone) == [], "it was trained on other sequences"


def named(config: Config) -> str:
    return next(card["run_id"] for card in gathered(config).recommenders if card["name"] == "ranker")


def test_a_model_of_a_named_arm_is_of_its_settings(config):
    """The arm's name stays; its ratio, and the share of steps that its rows take, do not."""
    toy_report.fill(config)
    changes = {"b": (), "c": ("ratio=0.5",), "a": ("share_of_steps=0.5",)}
    configs = {
        run: other(
            config.lake.root, f"ranker.augment={CHOSEN}", *(f"lift.arms.{CHOSEN}.{c}" for c in changed)
        )
        for run, changed in changes.items()
    }
    for run, own in configs.items():
        arm = own.lift.arms[CHOSEN].model_dump(mode="json")
        told = {"arm": CHOSEN, **arm, "fit": "autoregressive", "verdict": None}
        settings = {"ranker": own.ranker.model_dump(mode="json"), "augmented": told}
        toy_report.write_card(
            own, "recommenders", "ranker", settings, toy_report.loss_history(), run_id=run * 16
        )
    assert {run: named(own)[0] for run, own in configs.items()} == {run: run for run in changes}


def test_of_several_models_the_newest_table_s_is_shown(config):
    toy_report.fill(config)
    (card,) = [card for card in gathered(config).recommenders if card["name"] == "ranker"]
    for run_id, version in (("f" * 16, 3), ("1" * 16, 12), ("e" * 16, 9)):
        table = {**card["training_table"], "version": version}
        toy_report.write_card(
            config,
            "recommenders",
            "ranker",
            card["settings"],
            card["history"],
            run_id=run_id,
            training_table=table,
        )
    assert named(config) == "1" * 16


def measuring(run_id: str, seconds: float) -> dict:
    return {
        "run_uuid": f"{run_id}{seconds}", "job": "measure_lift", "started_ts": at(), "seconds": seconds,
        "outcome": "done", "run_id": run_id, "commits": "[]", "peak_memory_mb": 1.0, "library_version": "1",
    }  # fmt: skip


def test_the_seconds_are_those_of_the_run_that_decided(config):
    """The verdicts are of run r; another one took longer."""
    toy_report.fill(config)
    assert "s to measure" not in Checker.of(render(gathered(config))).words
    rows = [measuring("earlier", 4000.0), measuring("r", 75.5), {**measuring("", 0.3), "run_id": None}]
    table = pa.Table.from_pylist(rows, schema=JOB_RUNS.arrow_schema)
    write_deltalake(Lake.of(config).uri(JOB_RUNS), table, mode="append")
    head = Checker.of(render(gathered(config))).words.partition("What each arm gives")[0]
    assert "; 76 s to measure the arms of all tasks." in head and "4,000 s" not in head


def test_the_table_that_is_trained_on_is_its_newest(config):
    toy_report.fill(config)
    rebuild(config, TRAINING_EXAMPLES)
    data = gathered(config)
    assert data.generators == [] and data.recommenders == [] and data.verdicts[0]["stale"]
