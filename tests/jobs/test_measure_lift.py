"""measure_lift and train_recommender on toy gold tables: figures and verdict once, whatever is run twice."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import measure_lift
import train_recommender
from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reading.snapshot import load_table
from clicksmith.tables import (
    EVALUATION_METRICS,
    SEQUENCES,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    VERDICTS,
    VOCABULARY,
)
from training.toy_lake import write_examples, write_rows
from training.toy_lift import cycle_sequences, examples_with, synthetic_from, vocabulary_of

QUICK = (
    "ray.num_workers=0", "lift.num_seeds=3", "lift.num_fits=1", "lift.max_rows=300",
    "generators={gan: {preset: ctgan, max_rows: 200}}", "lift.min_users=5",
    "ranker.num_steps=3", "ranker.num_validations=1", "ranker.batch_size=64",
    "sequential.num_steps=3", "sequential.batch_size=8", "sequential.num_validations=1",
    "lift.arms={none: {kind: none}, duplicate: {kind: duplicate, ratio: 0.5}, "
    "gan: {kind: synthetic, generator: gan, ratio: 1.0}}",
    "lift.next_item.arms={none: {kind: none}, crop: {kind: augmentation, operations: [crop]}}",
    "lift.ranking.models=[logistic]", "lift.next_item.models=[gru4rec]",
)  # fmt: skip


@pytest.fixture
def gold(lake: Lake) -> Lake:
    rows = examples_with(3000, 100, "interaction")
    write_examples(lake, rows)
    sequences = cycle_sequences(20, 10, 8)
    walked = [item for part in sequences["item_ids"].to_pylist() for item in part]
    items = rows["item_id"].to_pylist() + walked
    write_rows(lake, VOCABULARY, vocabulary_of(items), "f" * 32)
    write_rows(lake, SEQUENCES, sequences, "f" * 32)
    return lake


def verdicts(lake: Lake) -> dict[str, dict[str, str]]:
    """By the task's name."""
    rows = load_table(lake.get(VERDICTS), ["run_id", "task", "model", "decision", "evidence"]).to_pylist()
    return {json.loads(row["evidence"])["name"]: row for row in rows}


@pytest.mark.spark
def test_figures_and_verdict_are_written_once_and_again_when_samples_are_published(
    spark: object, gold: Lake, make_config: Callable[..., Config]
) -> None:
    config = make_config(*QUICK)
    measure_lift.run(config)
    first = verdicts(gold)
    assert set(first) == {"ranking", "ranking/logistic", "next_item", "next_item/gru4rec"}
    assert {(row["task"], row["model"]) for row in first.values()} == {
        ("ranking", "dcnv2"), ("ranking", "logistic"), ("next_item", "sasrec"), ("next_item", "gru4rec"),
    }  # fmt: skip
    assert list(json.loads(first["ranking"]["evidence"])["skipped_arms"]) == ["gan"]
    figures = load_table(gold.get(EVALUATION_METRICS), ["run_id", "arm"], {"job": "measure_lift"})
    assert set(figures["run_id"].to_pylist()) == {first["ranking"]["run_id"]}
    assert set(figures["arm"].to_pylist()) == {"none", "duplicate", "crop"}

    versions = [gold.get(table).version for table in (EVALUATION_METRICS, VERDICTS)]
    measure_lift.run(config)
    assert [gold.get(table).version for table in (EVALUATION_METRICS, VERDICTS)] == versions

    examples, drawn = gold.get(TRAINING_EXAMPLES), examples_with(400, 100, "interaction", seed=9)
    published = synthetic_from(drawn, "gan", config, examples)
    write_rows(gold, SYNTHETIC_EXAMPLES, published, "s" * 32, "generator=gan")
    measure_lift.run(config)
    second = verdicts(gold)["ranking"]
    evidence = json.loads(second["evidence"])
    assert second["run_id"] != first["ranking"]["run_id"]
    ratios = {name: arm["ratio"] for name, arm in evidence["arms"].items()}
    # Nobody named copies in the generator's ratio: they are measured all the same.
    assert ratios == {"none": 0.0, "duplicate": 0.5, "gan": 1.0, "copies_1": 1.0}
    counts = [json.loads(row["evidence"])["num_measured_before"] for row in verdicts(gold).values()]
    assert counts == [1, 1, 1, 1], "the one without samples is counted, for each task"


def test_samples_learnt_before_the_cut_was_moved_are_refused(
    gold: Lake, make_config: Callable[..., Config]
) -> None:
    """The examples alone were built anew: the published rows' generator has seen what is tested now."""
    config = make_config(*QUICK)
    rows, before = examples_with(3000, 100, "interaction"), gold.get(TRAINING_EXAMPLES)
    published = synthetic_from(examples_with(400, 100, "interaction", seed=9), "gan", config, before)
    write_rows(gold, SYNTHETIC_EXAMPLES, published, "s" * 32, "generator=gan")
    write_examples(gold, rows, "e" * 32)
    write_rows(gold, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "e" * 32, mode="overwrite")
    with pytest.raises(TrainingError, match="train_generator, synthesize_samples and evaluate"):
        measure_lift.run(config)
    assert gold.find(VERDICTS) is None


def test_both_recommenders_are_trained_once(gold: Lake, make_config: Callable[..., Config]) -> None:
    config = make_config(*QUICK)
    train_recommender.run(config)
    cards = {path: path.stat().st_mtime_ns for path in _cards(gold)}
    assert sorted(path.parent.name.split("-")[0] for path in cards) == ["ranker", "sequential"]
    train_recommender.run(config)
    assert {path: path.stat().st_mtime_ns for path in _cards(gold)} == cards


def _cards(lake: Lake) -> list[Path]:
    return sorted(Path(lake.root, "_models", "recommenders").glob("*/card.json"))


@pytest.mark.spark
def test_a_ranker_of_histories_is_not_measured_and_stands_in_no_other_s_way(
    spark: object, gold: Lake, make_config: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    config = make_config(*QUICK, "ranker.model=din", "lift.ranking.models=[]")
    measure_lift.run(config)
    assert set(verdicts(gold)) == {"next_item", "next_item/gru4rec"}
    assert "ranking: din is not measured: it reads histories, which generated rows lack" in caplog.messages
    train_recommender.run(config)
    alone = make_config(*QUICK, "ranker.model=din", "lift.ranking.models=[]", "lift.next_item.arms={}")
    measure_lift.run(alone)
    assert verdicts(gold) == {}
