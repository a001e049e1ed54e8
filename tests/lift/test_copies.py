"""Generated rows against copies in their ratio: the one that was asked for, or that which came of it."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.measure import measure
from clicksmith.lift.statistics.fits import Part
from clicksmith.lift.statistics.intervals import Estimate
from clicksmith.lift.task import Arm, Metric, Split
from clicksmith.lift.tasks import tasks_of
from clicksmith.lift.verdict import candidates, choose, decide, has_copies, without_copies
from clicksmith.tables import SYNTHETIC_EXAMPLES, VOCABULARY
from lift.toy_task import ToyTask
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, synthetic_from, vocabulary_of

NONE = Arm("none", "control", 0.0)


def copies(ratio: float) -> Arm:
    return Arm("duplicate", "cheap", ratio, asked=ratio)


def generated(asked: float, ratio: float) -> Arm:
    return Arm("synthetic", "generator", ratio, asked=asked)


def gain(metric: str, segment: str, arm: str, against: str) -> Estimate:
    """The later an arm's name in the alphabet, the larger its gain; all of them are shown."""
    return Estimate(ord(arm[0]) / 1000, (Part(1e-6, 1e9),), 1000, 10_000)


@pytest.mark.parametrize(
    ("asked", "ratio", "of_copies", "is_met"),
    [
        (0.25, 0.25, 0.25, True),
        (0.25, 0.06, 0.25, True),  # fewer rows were published, or are of what it chooses
        (0.25, 0.06, 0.06, True),
        (0.25, 0.06, 0.12, False),
        (0.25, 0.06, 1.0, False),
        (0.25, 0.25, 0.23, True),  # to within a tenth of the larger one
        (0.25, 0.25, 0.22, False),
    ],
)
def test_copies_meet_what_was_asked_for_or_what_came_of_it(
    asked: float, ratio: float, of_copies: float, is_met: bool
) -> None:
    arms = {"none": NONE, "copies": copies(of_copies), "gan": generated(asked, ratio)}
    assert has_copies(arms["gan"], arms) == is_met
    assert without_copies(arms) == ([] if is_met else ["gan"])
    verdict = decide("gan", arms, gain, {"auc": Metric(1, 0.01)}, 0.001, ["all"], {})
    assert verdict.decision == ("augment" if is_met else "inconclusive")
    if not is_met:
        assert verdict.reasons[0].endswith("add an arm {kind: duplicate, ratio: 0.25}"), "as it is asked for"


def test_other_arms_are_no_copies_and_need_none() -> None:
    arms = {
        "none": NONE,
        "tail": Arm("oversample_tail", "cheap", 0.25, asked=0.25),
        "smote": Arm("synthetic", "cheap", 0.25, asked=0.25),
        "crop": Arm("augmentation", "free", 0.0),
        "gan": generated(0.25, 0.25),
    }
    assert without_copies(arms) == ["gan"] and candidates(arms) == ["crop"]


def test_what_may_be_called_a_gain_is_chosen_first() -> None:
    """The one without copies gives more; it is chosen where there is no other one."""
    arms = {"none": NONE, "copies": copies(0.25), "z": generated(1.0, 1.0), "gan": generated(0.25, 0.1)}
    assert gain("auc", "all", "z", "none").value > gain("auc", "all", "gan", "none").value
    assert choose(arms, gain, "auc") == "gan"
    assert choose({**arms, "more": copies(1.0)}, gain, "auc") == "z"
    assert choose({"none": NONE, "z": arms["z"]}, gain, "auc") == "z"


def test_a_measurement_judges_an_arm_that_has_copies(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    arms = {"none": NONE, "copies": copies(0.5), "gan": generated(1.0, 1.0), "ar": generated(0.5, 0.2)}
    config = make_config("ray.num_workers=0", "lift.num_seeds=3")
    splits: tuple[tuple[Split, ...], ...] = (("test",), ("validation", "test"))
    for own in splits:
        task = ToyTask(arms, {split: {"gan": 0.5, "ar": 0.3} for split in own}, 400)
        found = measure(task, config, str(tmp_path / own[0])).verdict
        assert (found.decision, found.arm) == ("augment", "ar"), own


def test_arms_without_copies_are_told_before_anything_is_trained(
    make_config: Callable[..., Config], lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    """In one line for all families; what is asked for counts, however few rows are there."""
    settings = (
        "generators={gan: {preset: ctgan, max_rows: 300}}", "lift.num_fits=1", "lift.max_rows=400",
        "lift.ranking.models=[logistic]",
    )  # fmt: skip
    arms = (
        "none: {kind: none}, copies: {kind: duplicate, ratio: 0.5}, "
        "few: {kind: synthetic, generator: gan, ratio: 0.5, only: rare_outcome}, "
        "more: {kind: synthetic, generator: gan, ratio: 2.0}, "
        "most: {kind: synthetic, generator: gan, ratio: 4.0}"
    )
    config, rows = make_config(*settings, f"lift.arms={{{arms}}}"), examples_with(4000, 100, "noise")
    examples = write_examples(lake, rows)
    drawn = synthetic_from(examples_with(300, 100, "noise", seed=3), "gan", config, examples)
    inputs = {
        "training_examples": examples,
        "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32),
        "synthetic/gan": write_rows(lake, SYNTHETIC_EXAMPLES, drawn, "s" * 32, "generator=gan"),
    }
    caplog.set_level(logging.WARNING, "clicksmith")
    tasks = tasks_of(config, inputs)
    assert [task.name for task in tasks] == ["ranking", "ranking/logistic"]
    found = tasks[0].arms
    assert {name: found[name].asked for name in ("few", "more", "most")} == {
        "few": 0.5, "more": 2.0, "most": 4.0
    }  # fmt: skip
    assert found["few"].ratio < 0.4 and found["more"].ratio == found["most"].ratio == 300 / 400
    assert [line for line in caplog.messages if "no copies" in line] == [
        "no copies are measured in the ratio of more and most, without which their verdict cannot be to "
        "augment: add arms of kind duplicate with a ratio of 2 and 4"
    ]
    caplog.clear()
    met = make_config(*settings, "lift.arms={none: {kind: none}, copies: {kind: duplicate, ratio: 0.5}}")
    tasks_of(met, inputs)
    assert not [line for line in caplog.messages if "no copies" in line]
