"""A planted lift is found, noise gives none, and synthetic rows never reach the test rows."""

import json
import logging
import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from clicksmith.config import Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot, models_root
from clicksmith.lift.kinds.ranking import RankingTask, ranking_task
from clicksmith.lift.measure import Measured, measure
from clicksmith.lift.rows import metric_rows, verdict_rows
from clicksmith.lift.statistics.clusters import covariance
from clicksmith.lift.task import Training, Units, few_units
from clicksmith.reading.examples import Examples
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_EXAMPLES, VERDICTS, VOCABULARY
from clicksmith.training.ranker import Added, RankerTask, ranker_task
from clicksmith.training.runs import fit_here
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, synthetic_from, vocabulary_of

ARMS = (
    "lift.arms={none: {kind: none}, again: {kind: same}, duplicate: {kind: duplicate, ratio: 8.0}, "
    "oversample_tail: {kind: oversample_tail, ratio: 0.5}, real_all: {kind: real_all}, "
    "gan: {kind: synthetic, generator: gan, ratio: 8.0}, "
    "missing: {kind: synthetic, generator: autoregressive, ratio: 1.0}}"
)
SMALL = (
    "ray.num_workers=0", "ranker.num_steps=80", "lift.num_seeds=3", "lift.num_fits=1",
    "ranker.batch_size=256", "ranker.embedding_dim=4", "ranker.learning_rate=0.01", "lift.max_rows=400",
    "generators={gan: {preset: ctgan, max_rows: 300}, autoregressive: {preset: tabular_ar, max_rows: 300}}",
)  # fmt: skip


def prepare(
    config: Config, lake: Lake, labels: str, num_rows: int = 8000, generated: str | None = None
) -> RankingTask:
    """Toy rows; those of the generator are of the same truth, or as `generated` says."""
    rows = examples_with(num_rows, 400, labels)
    examples, vocabulary = write_examples(lake, rows), vocabulary_in(lake, rows)
    extra = synthetic_from(examples_with(6000, 400, generated or labels, seed=9), "gan", config, examples)
    synthetic = {"gan": {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, extra, "s" * 32, "generator=gan")}}
    return ranking_task(config, examples, vocabulary, synthetic)


def vocabulary_in(lake: Lake, rows: pa.Table, run: str = "f" * 32) -> Snapshot:
    return write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), run)


def measured(config: Config, task: RankingTask, folder: str = "lift") -> Measured:
    return measure(task, config, storage.join(models_root(config), "runs", folder))


def test_finds_a_planted_lift(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    task = prepare(config, lake, "interaction")
    found = measured(config, task)
    assert found.verdict.decision == "augment", found.verdict.reasons
    assert found.verdict.arm == "gan" and task.arms["gan"].ratio == 8.0
    assert set(task.skipped) == {"missing"}
    gain, ceiling = (found.gain("auc", "all", arm, "none") for arm in ("gan", "real_all"))
    assert gain.interval()[0] > 0.01
    assert abs(ceiling.value - gain.value) < 0.1, "as good as real rows of the same number"
    low, high = found.gain("auc", "all", "again", "none").interval()
    assert low < 0 < high, "the control again is no gain"


def test_reports_no_lift_on_noise_and_every_figure_once(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(ARMS, *SMALL, "lift.ranking.worthwhile=0.05")
    task = prepare(config, lake, "noise")
    found = measured(config, task)
    assert found.verdict.decision != "augment"
    table = metric_rows("run", [found])
    rows = table.to_pylist()
    keys = [(row["metric"], row["slice"], row["arm"], row["seed"]) for row in rows]
    assert len(keys) == len(set(keys)) and table.schema.equals(EVALUATION_METRICS.arrow_schema)
    arms, slices, seeds = len(task.arms), len(task.units["test"].segments), 3
    assert arms == 6
    drawn = {
        (row["metric"].removeprefix("lift."), row["slice"], row["arm"])
        for row in rows
        if row["ci_low"] is not None and (row["metric"].endswith(".auc") or row["arm"] == found.verdict.arm)
    }
    for what in ("detectable.", "apart."):
        beside = [key for key in keys if key[0].startswith(what)]
        assert {(metric.removeprefix(what), *whom) for metric, *whom, _ in beside} == drawn and drawn
    assert len(rows) == arms + 2 * slices * (arms * seeds + arms - 1) + 2 * len(drawn)
    assert {row["slice"].split("=")[0] for row in rows} == {"all", "history", "popularity", "category"}
    (row,) = verdict_rows("run", [found], {"ranking": found.verdict}, {"impressions": "logged"}).to_pylist()
    assert (row["task"], row["arm"], row["ratio"]) == ("ranking", None, None)


def test_rows_that_lie_are_refused(make_config: Callable[..., Config], lake: Lake) -> None:
    """Generated rows whose labels are noise, eight to each real one."""
    config = make_config(ARMS, *SMALL)
    found = measured(config, prepare(config, lake, "interaction", generated="noise"))
    assert found.verdict.decision == "no_gain"
    assert "its gain lies below the" in found.verdict.reasons[0]


def test_what_was_trained_is_not_trained_again(
    make_config: Callable[..., Config], lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after five trainings; the figures are those of an undisturbed measurement."""
    config = make_config(ARMS, *SMALL, "ranker.num_steps=5")
    task = prepare(config, lake, "interaction")
    whole = metric_rows("run", [measured(config, task)])
    trained: list[Training] = []
    train = RankingTask.train

    def counted(self: RankingTask, training: Training) -> object:
        if len(trained) == 5:
            raise KeyboardInterrupt
        trained.append(training)
        return train(self, training)

    monkeypatch.setattr(RankingTask, "train", counted)
    with pytest.raises(KeyboardInterrupt):
        measured(config, task, "killed")
    monkeypatch.setattr(RankingTask, "train", lambda self, one: (trained.append(one), train(self, one))[1])
    again = measured(config, task, "killed")
    assert len(trained) == len(set(trained)) == 6 * 3
    assert metric_rows("run", [again]).equals(whole)


def test_synthetic_rows_never_reach_test_rows(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    rows = examples_with(4000, 100, "noise")
    examples, vocabulary = write_examples(lake, rows), vocabulary_in(lake, rows)
    generated = synthetic_from(examples_with(1000, 100, "noise", seed=3), "gan", config, examples)
    synthetic = {"gan": {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, generated, "s" * 32, "generator=gan")}}
    task = ranking_task(config, examples, vocabulary, synthetic)
    num_test = pc.sum(pc.equal(rows["split"], "test")).as_py()
    assert len(task.splits.test) == num_test == task.units["test"].num_rows
    assert len(task.splits.train) == 400
    assert len(task.stock.generated["gan"][0]) == 1000
    assert task.arms["gan"].ratio == task.arms["copies_2.5"].ratio == 1000 / 400
    without = ranking_task(config, examples, vocabulary, {})
    assert np.array_equal(task.splits.test.codes, without.splits.test.codes)
    assert task.splits.coder.codec.to_json() == without.splits.coder.codec.to_json()
    assert task.skipped.keys() == {"missing"} and without.skipped.keys() == {"missing", "gan"}
    num_train = pc.sum(pc.equal(rows["split"], "train")).as_py()
    assert task.arms["real_all"].ratio == (num_train - 400) / 400


def test_din_and_lift_do_not_go_together(make_config: Callable[..., Config], lake: Lake) -> None:
    rows = examples_with(1000, 100, "noise")
    vocabulary = vocabulary_in(lake, rows, "f" * 32)
    with pytest.raises(ConfigError, match="generated examples have none"):
        ranking_task(
            make_config(ARMS, *SMALL, "ranker.model=din"), write_examples(lake, rows), vocabulary, {}
        )


def test_synthetic_rows_that_claim_to_be_test_rows_are_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(ARMS, *SMALL)
    rows = examples_with(4000, 100, "noise")
    examples = write_examples(lake, rows)
    vocabulary = vocabulary_in(lake, rows, "f" * 32)
    planted = synthetic_from(examples_with(2000, 100, "noise", seed=3), "gan", config, examples)
    split = planted.column_names.index("split")
    claims = np.where(np.arange(2000) % 2 == 0, "train", "test")
    planted = planted.set_column(split, planted.schema.field("split"), [claims.tolist()])
    synthetic = {"gan": {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, planted, "s" * 32, "generator=gan")}}
    with pytest.raises(TrainingError, match=r"has rows of the splits \['test', 'train'\]"):
        ranking_task(config, examples, vocabulary, synthetic)


def test_rows_of_a_generator_that_saw_another_table_are_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """The cut was moved and the examples were built anew: what it learnt from may be tested now."""
    config = make_config(ARMS, *SMALL)
    rows = examples_with(2000, 100, "noise")
    before = write_examples(lake, rows)
    generated = synthetic_from(examples_with(1000, 100, "noise", seed=3), "gan", config, before)
    synthetic = {"gan": {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, generated, "s" * 32, "generator=gan")}}
    vocabulary = vocabulary_in(lake, rows, "e" * 32)
    with pytest.raises(TrainingError, match=r"synthetic_examples version 0 holds rows of the generator gan-"):
        ranking_task(config, write_examples(lake, rows, "e" * 32), vocabulary, synthetic)


def test_what_no_ranker_may_train_on_no_arm_may(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL)
    rows = examples_with(3000, 100, "noise")
    vocabulary = vocabulary_in(lake, rows, "f" * 32)
    bought = rows["label_purchase"].to_pylist()
    place = rows.column_names.index("item_price")
    oracle = rows.set_column(place, rows.schema.field("item_price"), [[2.5 if b else 1.5 for b in bought]])
    with pytest.raises(TrainingError, match="item_price alone ranks validation rows"):
        ranking_task(config, write_examples(lake, oracle), vocabulary, {})
    carts = config.model_copy(update={"ranker": config.ranker.model_copy(update={"label": "label_cart"})})
    with pytest.raises(TrainingError, match="label_cart is never true"):
        ranking_task(carts, write_examples(lake, rows), vocabulary, {})


def test_too_few_users_have_no_interval_and_no_verdict(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(ARMS, *SMALL, "ranker.num_steps=3", "lift.min_users=401")
    found = measured(config, prepare(config, lake, "interaction"))
    assert found.verdict.decision == "inconclusive"
    told = r"its gain has no interval: 3\d\d users with \d+ rows of the rarer outcome were tested, "
    assert re.match(told, found.verdict.reasons[0])
    lifts = [r for r in metric_rows("run", [found]).to_pylist() if r["metric"] == "lift.ranking.auc"]
    assert lifts and all(r["value"] is not None and r["ci_low"] is r["ci_high"] is None for r in lifts)
    row = verdict_rows("run", [found], {"ranking": found.verdict}, {})
    assert row.schema.equals(VERDICTS.arrow_schema) and row["segments"].to_pylist() == [[]]


def test_one_user_and_no_validation_rows(make_config: Callable[..., Config], lake: Lake) -> None:
    """Nothing can be told of one user; without validation rows the first augmentation is judged."""
    config = make_config(ARMS, *SMALL, "ranker.num_steps=5", "lift.min_users=2")
    rows = examples_with(8000, 400, "interaction")
    rows = rows.filter(pc.not_equal(rows["split"], "validation"))
    users = pc.if_else(pc.equal(rows["split"], "test"), "u0", rows["user_id"])
    rows = rows.set_column(rows.column_names.index("user_id"), rows.schema.field("user_id"), users)
    examples = write_examples(lake, rows)
    extra = synthetic_from(examples_with(6000, 400, "interaction", seed=9), "gan", config, examples)
    synthetic = {"gan": {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, extra, "s" * 32, "generator=gan")}}
    task = ranking_task(config, examples, vocabulary_in(lake, rows), synthetic)
    found = measured(config, task)
    assert (found.verdict.decision, found.verdict.arm) == ("inconclusive", "gan")
    assert found.verdict.reasons[0].startswith("its gain has no interval: 1 users with ")
    (row,) = verdict_rows("run", [found], {"ranking": found.verdict}, {}).to_pylist()
    assert '"chosen_on": null' in row["evidence"] and "NaN" not in row["evidence"]


def test_one_class_in_the_test_rows_has_no_verdict(make_config: Callable[..., Config], lake: Lake) -> None:
    """A rare outcome that the test split lacks: no AUC, and a verdict that says why."""
    config = make_config(ARMS, *SMALL, "ranker.num_steps=3")
    rows = examples_with(8000, 400, "interaction")
    labels = pc.and_(rows["label_purchase"], pc.not_equal(rows["split"], "test"))
    place = rows.column_names.index("label_purchase")
    rows = rows.set_column(place, rows.schema.field("label_purchase"), labels)
    examples = write_examples(lake, rows)
    extra = synthetic_from(examples_with(6000, 400, "interaction", seed=9), "gan", config, examples)
    synthetic = {"gan": {"gan": write_rows(lake, SYNTHETIC_EXAMPLES, extra, "s" * 32, "generator=gan")}}
    found = measured(config, ranking_task(config, examples, vocabulary_in(lake, rows), synthetic))
    assert (found.verdict.decision, found.verdict.arm) == ("inconclusive", "gan")
    assert "with 0 rows of the rarer outcome were tested" in found.verdict.reasons[0]
    (row,) = verdict_rows("run", [found], {"ranking": found.verdict}, {}).to_pylist()
    assert "NaN" not in row["evidence"] and "Infinity" not in row["evidence"]


def test_validation_rows_of_one_class_choose_nothing(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*SMALL, "lift.arms={none: {kind: none}, tuned: {kind: tuned}}")
    rows = examples_with(8000, 400, "interaction")
    labels = pc.and_(rows["label_purchase"], pc.not_equal(rows["split"], "validation"))
    place = rows.column_names.index("label_purchase")
    rows = rows.set_column(place, rows.schema.field("label_purchase"), labels)
    task = ranking_task(config, write_examples(lake, rows), vocabulary_in(lake, rows), {})
    assert set(task.units) == {"test"}
    assert task.skipped == {
        "tuned": "all validation rows have the same outcome, which nothing can be tuned by"
    }


def test_each_ceiling_has_its_ratio(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(
        *SMALL, "lift.arms={none: {kind: none}, more: {kind: real_more, ratio: 2.0}, "
        "less: {kind: real_more, ratio: 0.5}}",
    )  # fmt: skip
    rows = examples_with(4000, 100, "noise")
    task = ranking_task(config, write_examples(lake, rows), vocabulary_in(lake, rows), {})
    assert {name: arm.ratio for name, arm in task.arms.items()} == {"none": 0.0, "more": 2.0, "less": 0.5}
    assert len(task.stock.unseen) == 800


def test_one_fit_of_several_tells_nothing_of_another(make_config: Callable[..., Config], lake: Lake) -> None:
    """The gate withheld two of three: an interval over one fit would be narrower than over three."""
    config = make_config(ARMS, *SMALL, "lift.num_fits=3")
    rows = examples_with(4000, 100, "noise")
    examples, vocabulary = write_examples(lake, rows), vocabulary_in(lake, rows)

    def published(*fits: str) -> RankingTask:
        parts = {}
        for fit in fits:
            drawn = synthetic_from(examples_with(1000, 100, "noise", seed=3), fit, config, examples)
            parts[fit] = write_rows(lake, SYNTHETIC_EXAMPLES, drawn, "s" * 32, f"generator={fit}")
        return ranking_task(config, examples, vocabulary, {"gan": parts})

    assert published("gan", "gan.3").arms["gan"].num_fits == 2
    skipped = published("gan.2").skipped["gan"]
    assert skipped.startswith(
        "the gate published rows of one of 3 fits of generator 'gan', which cannot tell"
    )


def test_segments_too_small_to_tell_are_said(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL, "ranker.num_steps=3", "lift.min_users=300")
    found = measured(config, prepare(config, lake, "interaction"))
    small = found.task.units["test"].small
    told = re.compile(r"(\d+) users were tested, where lift\.min_users asks for 300")
    counts = [words[1] for why in small.values() if (words := told.fullmatch(why))]
    assert 0 < len(small) == len(counts) and all(0 < int(count) < 300 for count in counts)
    assert not set(small) & set(found.task.units["test"].segments)
    (row,) = verdict_rows("run", [found], {"ranking": found.verdict}, {}).to_pylist()
    assert json.loads(row["evidence"])["small"] == small


def test_few_units_by_hand() -> None:
    users = np.array([0, 0, 1, 1, 2, 2])
    masks = {"all": np.ones(6, bool), "two": np.arange(6) < 4, "one": np.arange(6) >= 4}
    units = Units((users,), masks, {"all": 2, "two": 2, "one": 0})
    found = few_units(units, 2, 2)
    assert found.keys() == {"one"} and found["one"].startswith("1 users with 0 rows of the rarer outcome")
    assert few_units(units, 3, 2).keys() == {"two", "one"}
    assert few_units(units, 2, 3).keys() == {"all", "two", "one"}
    assert few_units(Units((users,), masks, {}), 2, 99).keys() == {"one"}


def test_a_single_item_has_no_interval_and_that_is_said() -> None:
    """Whatever the number of users: exactly where the variance is not known, there is a reason."""
    users, items = np.array([0, 0, 1, 1, 2, 2]), np.array([5, 5, 5, 5, 6, 5])
    masks = {"all": np.ones(6, bool), "two": np.arange(6) < 4, "one": np.arange(6) == 4}
    units = Units((users, items), masks, {})
    found = few_units(units, 2, 2)
    assert found == {
        "two": "all of its 2 users ask for one item, where an interval needs several",
        "one": "1 users were tested, where an interval needs 2",
    }
    for name, mask in masks.items():
        shares = covariance(np.ones((1, mask.sum())), [cluster[mask] for cluster in units.clusters])
        assert np.isnan(shares.variance(np.ones(1))) == (name in found), name
    rarer = dict.fromkeys(masks, 9)
    assert few_units(Units((users, items), masks, rarer), 2, 2).keys() == found.keys()


def test_a_weight_a_curriculum_and_fine_tuning_let_real_rows_decide(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Added rows say the opposite of the real ones, and are as many: alike, they cancel."""
    config = make_config("ranker.model=logistic", "ranker.batch_size=200", "ranker.learning_rate=0.05",
                         "ranker.num_steps=200", "ranker.num_validations=1")  # fmt: skip
    rows = examples_with(3000, 100, "noise")
    mailer = [place == "mailer" for place in rows["placement"].to_pylist()]
    place = rows.column_names.index("label_purchase")
    rows = rows.set_column(place, rows.schema.field("label_purchase"), [mailer])
    config = config.model_copy(update={"ranker": config.ranker.model_copy(update={"max_feature_auc": 1.0})})
    task = ranking_task(config, write_examples(lake, rows), vocabulary_in(lake, rows), {})
    real = task.splits.train
    opposite = Examples(
        real.codes, ~real.labels, real.auxiliary, real.weights, real.users, real.items, real.facts
    )

    def gap(**settings: float) -> float:
        """How much likelier a positive row is called than a negative one."""
        trained: RankerTask = ranker_task(config.ranker, task.splits, 1, Added(opposite, **settings))  # type: ignore[arg-type]
        fit_here(trained)
        said = trained.score(task.splits.test)
        return float(said[task.splits.test.labels].mean() - said[~task.splits.test.labels].mean())

    assert abs(gap()) < 0.1
    # A ninth of the weight leaves nine real of ten: the chance of a purchase is .9 where the place says so.
    assert gap(weight=1 / 9) == pytest.approx(0.8, abs=0.1)
    assert gap(share_of_steps=0.25) > 0.5
    assert gap(share_of_steps=0.1, alone=True) > 0.5 > 0 > gap(share_of_steps=0.99, alone=True)


@pytest.mark.slow
@pytest.mark.ray
def test_ray_tasks_give_the_same_figures(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None, caplog: pytest.LogCaptureFixture
) -> None:
    few = (*SMALL, "ranker.num_steps=5")
    caplog.set_level(logging.INFO, "clicksmith")
    task = prepare(make_config(ARMS, *few), lake, "interaction")
    local = measured(make_config(ARMS, *few), task)
    remote = measured(make_config(ARMS, *few, "ray.num_workers=2"), task, "remote")
    assert metric_rows("run", [local]).equals(metric_rows("run", [remote]))
    assert local.verdict == remote.verdict
    counted = [line for line in caplog.messages if "trainings done: " in line]
    assert counted[-1] == "ranking: trainings done: 18 of 18" and len(counted) == 18
