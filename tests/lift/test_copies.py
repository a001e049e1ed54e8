"""Generated rows against as many copies, however many came out of them."""

from collections.abc import Callable
from typing import Any

import pytest

from clicksmith.config import ArmConfig, Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.kinds.ranking import RankingTask
from clicksmith.lift.kinds.roles import missing_copies
from clicksmith.lift.measure import measure
from clicksmith.lift.task import Arm
from clicksmith.lift.tasks import tasks_of
from clicksmith.tables import SYNTHETIC_EXAMPLES, VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, synthetic_from, vocabulary_of

NONE = Arm("none", "control", 0.0)


def copies(ratio: float) -> Arm:
    return Arm("duplicate", "cheap", ratio)


def generated(ratio: float) -> Arm:
    return Arm("synthetic", "generator", ratio)


def missing(arms: dict[str, Arm], **how: dict[str, Any]) -> dict[str, ArmConfig]:
    """With the settings of each arm that are not the usual ones."""
    bare = ArmConfig(kind="duplicate", ratio=0.1)
    return missing_copies(arms, {name: bare.model_copy(update=how.get(name, {})) for name in arms})


@pytest.mark.parametrize(
    ("ratio", "of_copies", "is_met"),
    [
        (0.25, 0.25, True),
        (0.06, 0.25, False),  # fewer rows were published, or are of what it chooses
        (0.25, 0.23, True),  # to within a tenth of the larger one
        (0.25, 0.22, False),
    ],
)
def test_copies_are_of_the_ratio_that_came_out(ratio: float, of_copies: float, is_met: bool) -> None:
    found = missing({"none": NONE, "copies": copies(of_copies), "gan": generated(ratio)})
    assert [(arm.kind, arm.ratio) for arm in found.values()] == ([] if is_met else [("duplicate", ratio)])


def test_one_arm_of_copies_serves_all_of_a_ratio_and_other_arms_need_none() -> None:
    arms = {
        "none": NONE,
        "tail": Arm("oversample_tail", "cheap", 0.25),
        "smote": Arm("synthetic", "cheap", 0.5),
        "crop": Arm("augmentation", "free", 0.0),
        "gan": generated(0.25),
        "ar": generated(0.26),
        "copies_0.06": Arm("oversample_label", "cheap", 0.1),
        "few": generated(0.0625),
    }
    found = missing(arms)
    assert {name: arm.ratio for name, arm in found.items()} == {"copies_0.25": 0.25, "copies_0.0625": 0.0625}
    assert "copies_0.06_again" in missing({**arms, "few": generated(0.06)}), "that name is taken"


@pytest.mark.parametrize(
    "how", [{"weight": 0.3}, {"share_of_steps": 0.5}, {"share_of_steps": 0.5, "alone": True}], ids=str
)
def test_copies_are_trained_on_as_the_rows_that_have_to_beat_them(how: dict[str, Any]) -> None:
    """The control's own rows count for more beside light ones, whatever these are."""
    arms = {"none": NONE, "copies": copies(0.25), "plain": generated(0.25), "gan": generated(0.25)}
    found = missing(arms, gan=how)
    assert found == {"copies_as_gan": ArmConfig(kind="duplicate", ratio=0.25, **how)}
    assert missing({**arms, "own": copies(0.25)}, gan=how, own=how) == {}
    assert set(missing({**arms, "again": generated(0.26)}, gan=how, again=how)) == {"copies_as_gan"}


def measured_with(make_config: Callable[..., Config], lake: Lake, arms: str) -> tuple[Config, RankingTask]:
    """400 real rows, of 300 generated ones beside them some are of the rarer outcome."""
    settings = (
        "generators={gan: {preset: ctgan, max_rows: 300}}", "lift.num_fits=1", "lift.max_rows=400",
        "lift.num_seeds=3", "ray.num_workers=0", "ranker.num_steps=2", "ranker.batch_size=16",
        "ranker.num_validations=1", "ranker.model=logistic",
    )  # fmt: skip
    config, rows = make_config(*settings, f"lift.arms={{{arms}}}"), examples_with(4000, 100, "noise")
    examples = write_examples(lake, rows)
    drawn = synthetic_from(examples_with(300, 100, "noise", seed=3), "gan", config, examples)
    inputs = {
        "training_examples": examples,
        "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32),
        "synthetic/gan": write_rows(lake, SYNTHETIC_EXAMPLES, drawn, "s" * 32, "generator=gan"),
    }
    (task,) = tasks_of(config, inputs)
    assert isinstance(task, RankingTask)
    return config, task


def test_copies_that_nobody_could_name_are_measured_all_the_same(
    make_config: Callable[..., Config], lake: Lake, tmp_path: object
) -> None:
    arms = (
        "none: {kind: none}, copies: {kind: duplicate, ratio: 0.5}, "
        "half: {kind: synthetic, generator: gan, ratio: 0.5}, "
        "more: {kind: synthetic, generator: gan, ratio: 2.0}, "
        "most: {kind: synthetic, generator: gan, ratio: 4.0}"
    )
    config, task = measured_with(make_config, lake, arms)
    assert task.arms["more"].ratio == task.arms["most"].ratio == 300 / 400
    assert set(task.arms) == {"none", "copies", "half", "more", "most", "copies_0.75"}
    assert task.arms["copies_0.75"] == Arm("duplicate", "cheap", 0.75)
    found = measure(task, config, str(tmp_path))
    against = {one.subject for one in found.verdict.statements if one.what == "cheap"}
    assert against == {"copies", "copies_0.75"}
    assert found.comparisons["test", "auc", "all"].values["copies_0.75"].shape == (1, 3)


def test_a_ratio_that_adds_not_a_row_is_no_arm(make_config: Callable[..., Config], lake: Lake) -> None:
    """300 generated rows are there: it is not the gate that is to blame."""
    arms = (
        "none: {kind: none}, tiny: {kind: synthetic, generator: gan, ratio: 0.001}, "
        "few: {kind: duplicate, ratio: 0.001}, one: {kind: synthetic, generator: gan, ratio: 0.002}"
    )
    _, task = measured_with(make_config, lake, arms)
    why = "a ratio of 0.001 adds not a single row to 400 real ones"
    assert task.skipped == {"tiny": why, "few": why}
    assert set(task.arms) == {"none", "one", "copies_0.0025"}


def test_none_are_added_without_generated_rows(make_config: Callable[..., Config], lake: Lake) -> None:
    _, task = measured_with(make_config, lake, "none: {kind: none}, twice: {kind: duplicate, ratio: 1.0}")
    assert set(task.arms) == {"none", "twice"}
