"""What a measurement chooses by, judges by and holds in memory, with a task that trains nothing."""

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clicksmith.config import Config
from clicksmith.errors import ConfigError
from clicksmith.lift.measure import measure
from clicksmith.lift.task import Arm, Split, Training
from lift.toy_task import ToyTask

ARMS = {
    "none": Arm("none", "control", 0.0),
    "copies": Arm("duplicate", "cheap", 0.5),
    "gan": Arm("synthetic", "generator", 0.5),
    "ar": Arm("synthetic", "generator", 0.5),
}
LOCAL = ("ray.num_workers=0", "lift.num_seeds=3")


def test_the_arm_is_chosen_on_validation_and_judged_on_test(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Of two arms each is the better one on one of the splits."""
    effects: dict[Split, dict[str, float]] = {
        "validation": {"gan": 0.5, "ar": 0.2},
        "test": {"gan": 0.1, "ar": 0.4},
    }
    found = measure(ToyTask(ARMS, effects, 400), make_config(*LOCAL), str(tmp_path))
    assert found.verdict.arm == "gan", "the better one on validation"
    gain = found.verdict.statements[0].estimate
    assert gain.num_units == 400 and gain.value == pytest.approx(0.1, abs=0.03), "its gain on test"
    assert found.gain("score", "all", "ar", "none").value == pytest.approx(0.4, abs=0.03)
    without = ToyTask(ARMS, {"test": effects["test"]}, 400)
    judged = measure(without, make_config(*LOCAL), str(tmp_path / "without")).verdict
    assert judged.arm == "gan", "without validation the first augmentation, not the best one on test"


def test_what_holds_of_an_arm_is_corrected_for_how_many_it_was_chosen_from(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Of two: the same trainings were asked on either split, and one that was lucky is on both."""
    split_both: dict[Split, dict[str, float]] = {"validation": {"gan": 0.1}, "test": {"gan": 0.1}}
    by_data = measure(ToyTask(ARMS, split_both, 400), make_config(*LOCAL), str(tmp_path)).verdict
    by_name = measure(
        ToyTask(ARMS, {"test": split_both["test"]}, 400), make_config(*LOCAL), str(tmp_path / "first")
    ).verdict
    assert (by_data.chosen_from, by_name.chosen_from) == (2, 1)
    estimate, same = (one.statements[0].estimate for one in (by_data, by_name))
    assert estimate == same
    told = by_data.statements[0].told
    assert (told["ci_low"], told["ci_high"]) == estimate.interval(0.975)
    assert by_name.statements[0].told["ci_low"] == estimate.interval(0.95)[0]
    assert by_data.p_value == pytest.approx(2 * by_name.p_value) and by_name.p_value > 0


@dataclass(frozen=True)
class Lucky(ToyTask):
    """Candidates of which each gains just what is worthwhile; a training's luck is common to both splits."""

    case: int = 0

    def train(self, training: Training) -> dict[Split, NDArray[np.float32]]:
        arm = self.arms[training.arm]
        number = list(self.arms).index(training.arm)
        luck = np.random.default_rng([self.case, number, training.seed]).normal(0, 0.002)
        gain = self.worthwhile if arm.role == "generator" else 0.0
        said: dict[Split, NDArray[np.float32]] = {}
        for split in self.effects:
            units = np.random.default_rng([self.case, len(split)]).normal(0, 0.3, self.num_units)
            own = np.random.default_rng([self.case, len(split), number]).normal(0, 0.03, self.num_units)
            said[split] = (units + own + luck + gain)[None].astype(np.float32)
        return said


def test_the_luckiest_of_many_is_hardly_taken_for_a_good_one(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """Ten candidates; without the correction .075 of them were called "augment", where .025 may be."""
    arms = {
        "none": ARMS["none"],
        "copies": ARMS["copies"],
        **{f"gan{number}": ARMS["gan"] for number in range(10)},
    }
    config, found = make_config("ray.num_workers=0", "lift.num_seeds=5"), []
    for case in range(200):
        task = Lucky(arms, {"validation": {}, "test": {}}, 400, case=case)
        found.append(measure(task, config, str(tmp_path / str(case))).verdict)
    assert {verdict.chosen_from for verdict in found} == {10}
    assert sum(verdict.decision == "augment" for verdict in found) <= 5
    assert sum(one.statements[0].estimate.interval()[0] > 0.01 for one in found) > 5, "luck there is"


def test_a_measurement_whose_negative_control_gains_decides_nothing(
    make_config: Callable[..., Config], tmp_path: Path
) -> None:
    """The same arms decide so where it does not."""
    arms = {**ARMS, "again": Arm("same", "same", 0.0)}
    decisions = []
    for gain in (0.0, 0.2):
        task = ToyTask(arms, {"test": {"gan": 0.4, "again": gain}}, 400)
        found = measure(task, make_config(*LOCAL), str(tmp_path / str(gain))).verdict
        decisions.append((found.decision, found.reasons[:1]))
    assert decisions[0] == ("augment", ())
    assert decisions[1][0] == "inconclusive" and decisions[1][1][0].startswith("arm again shows a gain where")


def test_seeds_are_five_and_never_fewer_than_three(make_config: Callable[..., Config]) -> None:
    assert make_config().lift.num_seeds == 5
    assert make_config("lift.num_seeds=3").lift.num_seeds == 3
    with pytest.raises(ConfigError, match=r"lift\.num_seeds.* greater than or equal to 3"):
        make_config("lift.num_seeds=2")


def test_memory_is_that_of_arms_not_of_trainings(make_config: Callable[..., Config], tmp_path: Path) -> None:
    """A million users, of each of whom 20 trainings say four figures: 320 MB in their files."""
    num_users, num_figures, num_seeds = 1_000_000, 4, 5
    task = ToyTask(ARMS, {"test": {"gan": 0.1}}, num_users, num_figures)
    config = make_config("ray.num_workers=0", f"lift.num_seeds={num_seeds}")
    tracemalloc.start()
    try:
        found = measure(task, config, str(tmp_path))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A number for each arm and user twice, as it is and summed by user; eight beside them for users'
    # numbers, their order, and what one training said.
    bound = 8 * num_users * (2 * len(ARMS) + 8)
    said = 4 * num_figures * num_users * len(ARMS) * num_seeds
    assert peak < bound < said / 2, f"{peak:,} bytes, where {bound:,} are allowed"
    assert found.gain("score", "all", "gan", "none").value == pytest.approx(0.1, abs=1e-3)
