"""A planted lift is found, noise gives none, and synthetic rows never reach the test rows."""

import json
import logging
import re
from collections.abc import Callable

import numpy as np
import pyarrow.compute as pc
import pytest

from clicksmith.config import ArmConfig, Config, LiftConfig, RankerConfig
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.arms import ArmTask, Rows, copies, train_arm, weights_of
from clicksmith.lift.data import load, undecidable_slices
from clicksmith.lift.measure import Measurement, measure
from clicksmith.tables import SYNTHETIC_EXAMPLES, VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, synthetic_from, vocabulary_of

ARMS = (
    "lift.arms={none: {kind: none}, duplicate: {kind: duplicate, ratio: 2.0}, "
    "oversample_tail: {kind: oversample_tail, ratio: 0.5}, "
    "gan: {kind: synthetic, generator: gan, ratio: 8.0}, "
    "missing: {kind: synthetic, generator: autoregressive, ratio: 1.0}}"
)
SMALL = (
    "ray.num_workers=0", "lift.num_steps=80", "lift.num_bootstrap=200", "lift.num_seeds=2",
    "ranker.batch_size=256", "ranker.embedding_dim=4", "ranker.learning_rate=0.01", "lift.max_rows=400",
    "generators={gan: {preset: ctgan, max_rows: 300}, autoregressive: {preset: tabular_ar, max_rows: 300}}",
)  # fmt: skip


def _measure(config: Config, lake: Lake, labels: str) -> Measurement:
    examples = write_examples(lake, examples_with(8000, 400, labels))
    vocabulary = write_rows(
        lake, VOCABULARY, vocabulary_of(examples_with(8000, 400, labels)["item_id"].to_pylist()), "f" * 32
    )
    extra = synthetic_from(examples_with(6000, 400, labels, seed=9), "gan", config, examples)
    synthetic = {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, extra, "s" * 32, "generator=gan")}
    return measure(config, "run", examples, vocabulary, synthetic)


def test_finds_a_planted_lift(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    result = _measure(config, lake, "interaction")
    verdict = result.verdict.to_pylist()[0]
    evidence = json.loads(verdict["evidence"])
    assert verdict["decision"] == "augment", evidence
    assert verdict["arm"] == "gan"
    assert verdict["ratio"] == 8.0
    assert set(evidence["skipped_arms"]) == {"missing"}
    assert "history=600+" in verdict["segments"] or "history=50-199" in verdict["segments"]
    lift = next(
        row
        for row in result.metrics.to_pylist()
        if (row["metric"], row["slice"], row["arm"]) == ("lift.auc", "all", "gan")
    )
    assert lift["ci_low"] > 0.01
    assert lift["ci_low"] < lift["value"] < lift["ci_high"]


def test_reports_no_lift_on_noise_and_every_figure_once(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(ARMS, *SMALL)
    result = _measure(config, lake, "noise")
    verdict = result.verdict.to_pylist()[0]
    assert verdict["decision"] == "do_not_augment"
    assert verdict["arm"] is None
    rows = result.metrics.to_pylist()
    keys = [(row["metric"], row["slice"], row["arm"], row["seed"]) for row in rows]
    assert len(keys) == len(set(keys))
    num_arms, num_slices, num_seeds = 4, 9, 2
    assert len(rows) == num_arms + num_arms * num_slices * 3 * num_seeds + (num_arms - 1) * num_slices * 2
    assert {row["slice"] for row in rows} == {
        "all", "history=0-49", "history=50-199", "history=200-599", "history=600+",
        "popularity=0-4", "popularity=5-29", "popularity=30-149", "popularity=150+",
    }  # fmt: skip


def test_a_measurement_repeats_exactly(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL, "lift.num_steps=5", "lift.num_bootstrap=20")
    first = _measure(config, lake, "interaction")
    assert first.metrics.equals(_measure(config, Lake(lake.root + "2"), "interaction").metrics)


def test_synthetic_rows_never_reach_test_rows(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    rows = examples_with(4000, 100, "noise")
    examples = write_examples(lake, rows)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    generated = synthetic_from(examples_with(1000, 100, "noise", seed=3), "gan", config, examples)
    synthetic = {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, generated, "s" * 32, "generator=gan")}
    data = load(config, examples, vocabulary, synthetic)
    num_test = pc.sum(pc.equal(rows["split"], "test")).as_py()
    assert len(data.test.labels) == num_test
    assert len(data.real.labels) == 400
    assert len(data.extra["gan"].labels) == 1000
    assert data.arms["gan"].ratio == 1000 / 400
    without = load(config, examples, vocabulary, {})
    assert np.array_equal(data.test.codes, without.test.codes)
    assert data.codec.to_json() == without.codec.to_json()
    assert data.skipped.keys() == {"missing"}


def test_din_and_lift_do_not_go_together(make_config: Callable[..., Config], lake: Lake) -> None:
    rows = examples_with(1000, 100, "noise")
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    with pytest.raises(ConfigError, match="generated examples have none"):
        load(make_config(ARMS, *SMALL, "ranker.model=din"), write_examples(lake, rows), vocabulary, {})


def test_synthetic_rows_that_claim_to_be_test_rows_are_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(ARMS, *SMALL)
    rows = examples_with(4000, 100, "noise")
    examples = write_examples(lake, rows)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    planted = synthetic_from(examples_with(2000, 100, "noise", seed=3), "gan", config, examples)
    split = planted.column_names.index("split")
    claims = np.where(np.arange(2000) % 2 == 0, "train", "test")
    planted = planted.set_column(split, planted.schema.field("split"), [claims.tolist()])
    synthetic = {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, planted, "s" * 32, "generator=gan")}
    with pytest.raises(TrainingError, match=r"has rows of the splits \['test', 'train'\]"):
        load(config, examples, vocabulary, synthetic)


def test_rows_of_a_generator_that_saw_another_table_are_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """The cut was moved and the examples were built anew: what it learnt from may be tested now."""
    config = make_config(ARMS, *SMALL)
    rows = examples_with(2000, 100, "noise")
    before = write_examples(lake, rows)
    generated = synthetic_from(examples_with(1000, 100, "noise", seed=3), "gan", config, before)
    synthetic = {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, generated, "s" * 32, "generator=gan")}
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "e" * 32)
    with pytest.raises(TrainingError, match=r"synthetic_examples version 0 holds rows of the generator gan-"):
        load(config, write_examples(lake, rows, "e" * 32), vocabulary, synthetic)


def test_what_no_ranker_may_train_on_no_arm_may(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    rows = examples_with(3000, 100, "noise")
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    bought = rows["label_purchase"].to_pylist()
    place = rows.column_names.index("item_price")
    oracle = rows.set_column(place, rows.schema.field("item_price"), [[2.5 if b else 1.5 for b in bought]])
    with pytest.raises(TrainingError, match="item_price alone ranks validation rows"):
        load(config, write_examples(lake, oracle), vocabulary, {})
    carts = config.model_copy(update={"ranker": config.ranker.model_copy(update={"label": "label_cart"})})
    with pytest.raises(TrainingError, match="label_cart is never true"):
        load(carts, write_examples(lake, rows), vocabulary, {})


def test_too_few_users_or_positives_have_no_interval_and_no_verdict(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    few = ("lift.num_steps=3", "lift.num_bootstrap=20", "lift.min_users=401")
    result = _measure(make_config(ARMS, *SMALL, *few), lake, "interaction")
    verdict = result.verdict.to_pylist()[0]
    assert (verdict["decision"], verdict["arm"], verdict["segments"]) == ("inconclusive", None, [])
    reason = json.loads(verdict["evidence"])["reasons"][0]
    assert re.match(r"3\d\d users with \d+ rows of the rarer outcome were tested", reason)
    lifts = [row for row in result.metrics.to_pylist() if row["metric"] == "lift.auc"]
    assert all(row["value"] is not None and row["ci_low"] is row["ci_high"] is None for row in lifts)


def test_undecidable_slices_by_hand() -> None:
    labels = np.array([True, False, True, False, False, False])
    users = np.array([0, 0, 1, 1, 2, 2])
    slices = {"all": np.ones(6, bool), "two": np.arange(6) < 4, "one": np.arange(6) >= 4}
    found = undecidable_slices(slices, labels, users, LiftConfig(min_users=2, min_positives=2))
    assert found.keys() == {"one"}
    assert found["one"].startswith("1 users with 0 rows of the rarer outcome")
    assert undecidable_slices(slices, labels, users, LiftConfig(min_users=3, min_positives=2)).keys() == {
        "two",
        "one",
    }
    assert undecidable_slices(slices, labels, users, LiftConfig(min_users=2, min_positives=3)).keys() == {
        "all",
        "two",
        "one",
    }


@pytest.mark.parametrize(("ratio", "expected"), [(0.5, 2), (1.0, 4), (2.5, 10)])
def test_copies_come_from_the_right_pool_and_spread_evenly(ratio: float, expected: int) -> None:
    tail = np.array([True, False, True, False])
    rows = copies(ArmConfig(kind="duplicate", ratio=ratio), 4, tail, seed=1)
    assert len(rows) == expected
    counts = np.bincount(rows, minlength=4)
    assert counts.max() - counts.min() <= 1
    rare = copies(ArmConfig(kind="oversample_tail", ratio=ratio), 4, tail, seed=1)
    assert len(rare) == expected
    assert set(rare.tolist()) <= {0, 2}
    assert len(copies(ArmConfig(kind="none"), 4, tail, seed=1)) == 0


def test_a_weight_and_a_curriculum_let_real_rows_decide() -> None:
    """Added rows say the opposite of the real ones, and are as many: alike, they cancel."""
    code = np.random.default_rng(0).integers(0, 2, (2000, 1)).astype(np.int32)
    real, opposite = Rows(code, code[:, 0] == 1), Rows(code, code[:, 0] == 0)
    ranker = RankerConfig(model="logistic", batch_size=200, learning_rate=0.05)

    def gap(**settings: float) -> float:
        arm = ArmConfig(kind="synthetic", generator="g", ratio=1.0, **settings)
        task = ArmTask("a", arm, 0, 1, ranker, 200, (2,))
        low, high = train_arm(task, real, np.zeros(2000, bool), opposite, np.array([[0], [1]], np.int32))
        return float(high - low)

    assert abs(gap()) < 0.1
    # A ninth of the weight leaves nine real of ten: the chance of a click is .9 where the code says so.
    assert gap(weight=1 / 9) == pytest.approx(0.8, abs=0.1)
    assert gap(share_of_steps=0.25) > 0.5
    # Once added rows are left out, the weight that they had is nothing to the real ones.
    code, labels = np.array([[0], [1], [0]], np.int32), np.array([False, True, True])
    scores = []
    for weight in (1.0, 0.25):
        arm = ArmConfig(kind="duplicate", ratio=1.0, weight=weight, share_of_steps=0.01)
        task = ArmTask("a", arm, 0, 1, ranker, 20, (2,))
        scores.append(train_arm(task, Rows(code, labels), np.zeros(3, bool), None, code))
    assert np.array_equal(scores[0], scores[1])
    weights = weights_of(ArmConfig(kind="duplicate", ratio=0.5, weight=0.25), 4, 6)
    assert weights is not None
    assert weights.tolist() == pytest.approx([4 / 3] * 4 + [1 / 3] * 2)


@pytest.mark.slow
@pytest.mark.ray
def test_ray_tasks_give_the_same_figures(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None, caplog: pytest.LogCaptureFixture
) -> None:
    few = (*SMALL, "lift.num_steps=5", "lift.num_bootstrap=20")
    caplog.set_level(logging.INFO, "clicksmith")
    local = _measure(make_config(ARMS, *few), lake, "interaction")
    remote = _measure(make_config(ARMS, *few, "ray.num_workers=2"), Lake(lake.root + "2"), "interaction")
    assert local.metrics.equals(remote.metrics)
    assert local.verdict.equals(remote.verdict)
    (last,) = {line for line in caplog.messages if re.fullmatch(r"(\d+) of \1 trainings done", line)}
    counted = [line for line in caplog.messages if line.endswith("trainings done")]
    assert len(counted) == int(last.split()[0]) > 1
