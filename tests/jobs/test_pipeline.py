"""The whole road on a sliver of real data: every table, balanced counts, nothing done twice."""

import json
import logging
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
import pytest

import pipeline
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.lineage import asked_of
from clicksmith.lakehouse.steps import expected_of, outdated, read_by
from clicksmith.tables import (
    ALL_TABLES,
    BRONZE_EVENTS,
    EVALUATION_METRICS,
    EVENT_FILES,
    RECOMMENDATIONS,
    SEQUENCES,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    VERDICTS,
    VOCABULARY,
)

ASKING = ("clean_events", "evaluate_synthetic", "measure_lift", "score_candidates")

pytestmark = [pytest.mark.soak, pytest.mark.spark, pytest.mark.ray]


def test_every_table_exists_with_its_contract(finished_lake: Path):
    for table in ALL_TABLES:
        # Which files a batch holds is written down where source.incremental is.
        assert Lake(str(finished_lake)).open(table) is not None or table is EVENT_FILES
        found = pipeline.rows(finished_lake, table)
        assert found.column_names == table.column_names
        for column in table.columns:
            if not column.nullable:
                assert found[column.name].null_count == 0, f"{table.name}.{column.name}"
        if table.key:
            keys = {tuple(row.values()) for row in found.select(list(table.key)).to_pylist()}
            assert len(keys) == found.num_rows, f"{table.name}: keys repeat"


def test_all_of_it_is_as_configured(finished_lake: Path):
    config, lake = pipeline.config(finished_lake), Lake(str(finished_lake))
    parts = [part for job in ("build_training_set", *ASKING) for part in read_by(config, job)]
    assert all(asked_of(lake.get(*part)) == expected_of(config, part) is not None for part in parts)
    assert outdated(config, lake, parts) == []


def test_rows_balance_from_source_to_silver(finished_lake: Path):
    lake = Lake(str(finished_lake))
    counts = lake.get(SILVER_EVENTS).metadata["counts"]
    assert counts["rows_in"] == pipeline.rows(finished_lake, BRONZE_EVENTS).num_rows
    assert counts["rows_in"] == counts["accepted"] + counts["rejected"] + counts["deduplicated"]
    assert counts["accepted"] == pipeline.rows(finished_lake, SILVER_EVENTS).num_rows
    assert counts["rejected"] == pipeline.rows(finished_lake, SILVER_REJECTED).num_rows
    sessions = pipeline.rows(finished_lake, SILVER_SESSIONS)
    assert pc.sum(sessions["num_events"]).as_py() == counts["accepted"]


def test_an_example_is_an_impression(finished_lake: Path):
    events = pipeline.rows(finished_lake, SILVER_EVENTS)
    shown = events.filter(pc.equal(events["event_type"], "impression"))
    examples = pipeline.rows(finished_lake, TRAINING_EXAMPLES)
    assert set(examples["example_id"].to_pylist()) == set(shown["event_id"].to_pylist())
    assert 0 < pc.sum(examples["label_purchase"].cast("int64")).as_py() < examples.num_rows


def test_the_split_is_one_cut_in_time(finished_lake: Path):
    examples = pipeline.rows(finished_lake, TRAINING_EXAMPLES)
    spans = {}
    for split in ("train", "validation", "test"):
        times = examples.filter(pc.equal(examples["split"], split))["event_ts"]
        spans[split] = pc.min_max(times).as_py()
    assert spans["train"]["max"] < spans["validation"]["min"]
    assert spans["validation"]["max"] < spans["test"]["min"]


def test_synthetic_rows_are_training_rows_of_known_items(finished_lake: Path):
    published = pipeline.rows(finished_lake, SYNTHETIC_EXAMPLES)
    assert published.num_rows > 0
    assert published.num_rows <= pipeline.rows(finished_lake, SYNTHETIC_CANDIDATES).num_rows
    assert set(published["split"].to_pylist()) == {"train"}
    examples = pipeline.rows(finished_lake, TRAINING_EXAMPLES)
    trained = examples.filter(pc.equal(examples["split"], "train"))
    assert set(published["item_id"].to_pylist()) <= set(trained["item_id"].to_pylist())
    assert pc.max(published["event_ts"]).as_py() <= pc.max(trained["event_ts"]).as_py()
    assert set(pipeline.rows(finished_lake, VOCABULARY)["field"].to_pylist()) == {"item_id"}


def test_every_user_has_a_list(finished_lake: Path):
    rows = pipeline.rows(finished_lake, RECOMMENDATIONS).to_pylist()
    ranks = Counter(row["user_id"] for row in rows)
    assert ranks.keys() == set(pipeline.rows(finished_lake, SEQUENCES)["user_id"].to_pylist())
    assert set(ranks.values()) == {20}
    known = set(pipeline.rows(finished_lake, VOCABULARY)["value"].to_pylist())
    assert {row["item_id"] for row in rows} <= known
    assert {row["model_id"].split("-")[0] for row in rows} == {"sequential"}


def test_there_is_a_verdict_a_task_with_evidence(finished_lake: Path):
    verdicts = pipeline.rows(finished_lake, VERDICTS).to_pylist()
    assert sorted(verdict["task"] for verdict in verdicts) == ["next_item", "ranking"]
    for verdict in verdicts:
        assert verdict["decision"] in ("augment", "no_gain", "inconclusive")
        assert json.loads(verdict["evidence"])["statements"]
    jobs = set(pipeline.rows(finished_lake, EVALUATION_METRICS)["job"].to_pylist())
    assert jobs == {"evaluate_synthetic", "measure_lift"}


def test_the_report_is_written(finished_lake: Path):
    html = (finished_lake / "_reports" / "report.html").read_text()
    assert "<html" in html and "svg" in html
    examples = pipeline.rows(finished_lake, TRAINING_EXAMPLES)
    cut, tested = (
        pc.min(examples.filter(pc.equal(examples["split"], split))["event_ts"]).as_py().date()
        for split in ("validation", "test")
    )
    for decision in json.loads((finished_lake / "_reports" / "report.json").read_text())["decisions"]:
        assert f"before {cut}, " in decision["facts"]["Cut"]
        assert decision["facts"]["Cut"].endswith(f"from {tested} on.")


def test_run_again_nothing_is_done_twice(finished_lake: Path, caplog: pytest.LogCaptureFixture):
    before = pipeline.versions(finished_lake)
    caplog.set_level(logging.INFO, "clicksmith")
    pipeline.run_here(finished_lake)
    log = caplog.text
    assert "already done" in log
    assert pipeline.versions(finished_lake) == before
    assert ": version" not in log.replace("is already of this run", ""), "a table was written"
    assert "step " not in log, "a model was trained"
