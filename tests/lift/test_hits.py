"""Where no model names what anybody took, all differences are 0, and nothing is known."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clicksmith.config import Config
from clicksmith.lift.measure import Measured, measure
from clicksmith.lift.task import Arm, Split, Training
from clicksmith.lift.verdict import Statement
from lift.toy_task import ToyTask

ARMS = {
    "none": Arm("none", "control", 0.0),
    "copies": Arm("duplicate", "cheap", 0.25),
    "gan": Arm("synthetic", "generator", 0.25),
}
NUM_USERS = 200
SETTINGS = ("ray.num_workers=0", "lift.num_seeds=3", "lift.min_users=100", "lift.min_positives=50")


@dataclass(frozen=True)
class Hits(ToyTask):
    """By arm the users who are given what they took, the first of all, one more with each seed."""

    hits: Mapping[str, int] = field(default_factory=dict)

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        number = self.hits.get(training.arm, 0)
        said = np.zeros((1, self.num_units), np.float32)
        said[0, : number + training.seed if number else 0] = 1.0
        return {split: said for split in self.effects}


def found(make_config: Callable[..., Config], tmp_path: Path, **hits: int) -> Measured:
    task = Hits(ARMS, {"test": {}}, NUM_USERS, hits=hits)
    return measure(task, make_config(*SETTINGS), str(tmp_path))


def test_nothing_is_concluded_where_nobody_is_hit(make_config: Callable[..., Config], tmp_path: Path) -> None:
    measured = found(make_config, tmp_path)
    assert measured.verdict.decision == "inconclusive"
    assert {one.few for one in measured.verdict.statements} == {"nothing that was tested tells the two apart"}
    assert {statement.state for statement in measured.verdict.statements} == {"open"}


def test_users_are_counted_on_whom_any_seed_of_two_arms_differs(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    # Ten are hit by all arms; with the third seed the generator hits two more than with the first.
    for place, gan, why in (
        ("a", 57, "the two differ on 49 test cases, where an interval needs 50"),
        ("b", 58, ""),
    ):
        measured = found(make_config, tmp_path / place, gan=gan, none=10, copies=10)
        assert measured.why_few("all", "gan", "none") == why
        assert {one.few for one in measured.verdict.statements} == {why}


def test_arms_that_hit_the_same_users_are_not_told_apart(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Copies hit others, the generator whom the control does: of 200 users not one differs between these."""
    measured = found(make_config, tmp_path, gan=80, none=80, copies=10)
    assert measured.verdict.decision == "inconclusive"
    assert "nothing that was tested tells the two apart" in measured.verdict.reasons[0]
    assert measured.why_few("all", "gan", "copies") == ""


def test_users_on_whom_other_arms_differ_say_nothing_of_two_that_do_not(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Three of 200 with one seed or another: a few more could turn it around, whatever a ceiling gives."""
    arms = {**ARMS, "all": Arm("real_all", "ceiling", 1.0)}
    few = "the two differ on 3 test cases, where an interval needs 50"
    for place, measured_arms, hits in (("a", ARMS, {}), ("b", arms, {"all": 80})):
        task = Hits(measured_arms, {"test": {}}, NUM_USERS, hits={"none": 11, "gan": 10, **hits})
        measured = measure(task, make_config(*SETTINGS), str(tmp_path / place))
        assert measured.verdict.decision == "inconclusive" and few in measured.verdict.reasons[0]
    assert measured.why_few("all", "all", "none") == ""


def test_who_differs_hardly_anywhere_cannot_be_harmed(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Three of 200 users differ; of a loss of .05 at least ten would be expected to: P(X <= 3) = .009."""
    task = Hits({**ARMS}, {"test": {}}, NUM_USERS, hits={"none": 11, "gan": 10})
    measured = measure(task, make_config(*SETTINGS), str(tmp_path))
    found = measured.gain("score", "all", "gan", "none")
    assert found.num_moved == 3 and found.few
    assert found.p_value_of_loss(0.05) == pytest.approx(0.00905, abs=1e-5)
    states = {
        (what, margin, level): Statement(what, "all", -margin, found, found.few, level).state
        for what, margin, level in (
            ("safe", 0.05, 0.95),
            ("safe", 0.02, 0.95),
            ("safe", 0.05, 0.99),
            ("gain", 0.05, 0.95),
        )
    }
    assert list(states.values()) == ["holds", "open", "open", "open"]


def test_a_gain_of_all_users_alike_is_one(make_config: Callable[..., Config], tmp_path: Path) -> None:
    measured = found(make_config, tmp_path, gan=NUM_USERS)
    assert measured.verdict.decision == "augment"
    assert measured.gain("score", "all", "gan", "none").interval() == (1.0, 1.0)
