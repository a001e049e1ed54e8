"""A collapse is seen, rolled back and told; training goes on, and a resumed run does the same."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clicksmith.encoding.table import Encoded
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular.gan import Adversarial
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.training.engine.checkpoint import dump_state, load_state
from clicksmith.training.engine.collapse import is_collapse
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, dump, restore, run_loop
from generators.toy_joint import toy_data, toy_recipe

STEPS = 60


def build(max_rollbacks: int = 3, **config: object) -> tuple[Adversarial, Plan]:
    codec, data = toy_data(2000)
    settings = {"preset": "gan", "num_steps": STEPS, "batch_size": 100, **config}
    recipe = toy_recipe(codec, data, **settings)
    assert isinstance(recipe, Adversarial)
    held_out = data.head(500)
    return recipe, Plan(STEPS, 10, Watched(held_out), Watched(held_out), 3, EXAMPLES.signs, max_rollbacks)


def repeat_one_row(recipe: Adversarial) -> None:
    """The generator's head forgets its input: one row for any noise."""
    with torch.no_grad():
        for network in (recipe.generator, recipe.sampler):
            network.head.weight.zero_()
            network.head.bias.mul_(50)


class Collapsing(Adversarial):
    """Collapses in its 35th step, whatever it has learnt; or in each from there on."""

    forever = False

    def step(self, step: int, shard: Shard) -> dict[str, torch.Tensor]:
        figures = super().step(step, shard)
        if step == 34 or (self.forever and step > 34):
            repeat_one_row(self)
        return figures


def collapsing(forever: bool = False, **config: object) -> tuple[Adversarial, Plan]:
    recipe, plan = build(**config)
    recipe.__class__ = Collapsing
    recipe.forever = forever
    return recipe, plan


def test_a_collapse_is_rolled_back_told_and_training_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    recipe, plan = collapsing()
    with caplog.at_level(logging.WARNING):
        progress = run_loop(recipe, plan, Shard(), Progress(), lambda now: None)
    assert (progress.step, progress.rollbacks, progress.stopped) == (STEPS, 1, False)
    told = {entry["step"]: entry for entry in progress.history if "rolled_back_to" in entry}
    assert list(told) == [40]
    assert told[40]["diversity"] < 0.1
    assert (told[40]["rolled_back_to"], told[40]["rate_factor"]) == (30, 0.5)
    assert "Mode collapse at step 40" in caplog.text
    assert "returns to step 30 and goes on at 0.5 of the learning rates" in caplog.text
    assert progress.history[-1]["diversity"] > 3 * told[40]["diversity"]
    assert recipe._generator_optimizer.param_groups[0]["lr"] == 1e-4


def test_rolling_back_restores_every_weight_and_moment() -> None:
    recipe, plan = collapsing()
    states: dict[int, bytes] = {}

    def remember(now: Progress) -> None:
        states[now.step] = dump_state({"recipe": recipe.state_dict()})

    run_loop(recipe, plan, Shard(), Progress(), remember)
    good, after = (load_state(states[step])["recipe"] for step in (30, 40))
    for network in ("generator", "critic", "sampler"):
        for name, value in good[network].items():
            assert torch.equal(value, after[network][name]), name
    for number, moments in good["critic_optimizer"]["state"].items():
        for name, value in moments.items():
            assert torch.equal(value, after["critic_optimizer"]["state"][number][name]), name


def test_after_the_last_rollback_training_ends_with_the_last_good_weights() -> None:
    recipe, plan = collapsing(forever=True, max_rollbacks=1)
    weights: dict[int, torch.Tensor] = {}

    def remember(now: Progress) -> None:
        weights[now.step] = recipe.sampler.state_dict()["head.weight"].clone()

    progress = run_loop(recipe, plan, Shard(), Progress(), remember)
    assert (progress.step, progress.rollbacks, progress.stopped) == (50, 1, True)
    assert [entry.get("rolled_back_to") for entry in progress.history if "diversity" in entry] == [
        None, None, None, 30, 30,
    ]  # fmt: skip
    assert torch.equal(recipe.sampler.state_dict()["head.weight"], weights[30])


def test_a_learning_rate_that_is_far_too_high_is_halved_until_training_works() -> None:
    recipe, plan = build(learning_rate=0.1)
    progress = run_loop(recipe, plan, Shard(), Progress(), lambda now: None)
    diversity = [entry["diversity"] for entry in progress.history if "diversity" in entry]
    assert progress.rollbacks >= 1
    assert diversity[0] < 0.05
    assert max(diversity) > 0.4
    other, plan = build(max_rollbacks=0, learning_rate=0.1)
    unwatched = run_loop(other, plan, Shard(), Progress(), lambda now: None)
    assert unwatched.rollbacks == 0
    assert max(entry.get("diversity", 0.0) for entry in unwatched.history) < 0.1, "without rollbacks: nothing"


@pytest.mark.parametrize("resume_at", [20, 30, 40, 50])
def test_resumed_equals_undisturbed_across_a_rollback(resume_at: int) -> None:
    saved: dict[int, bytes] = {}
    recipe, plan = collapsing(adaptive_rates=True, average_weights=True, gradient_clip=1.0)
    undisturbed = run_loop(
        recipe, plan, Shard(), Progress(), lambda now: saved.update({now.step: dump_state(dump(recipe, now))})
    )
    assert undisturbed.rollbacks == 1
    other, _ = collapsing(adaptive_rates=True, average_weights=True, gradient_clip=1.0)
    progress = restore(other, load_state(saved[resume_at]))
    resumed = run_loop(other, plan, Shard(), progress, lambda now: None)
    assert resumed.history == undisturbed.history
    for (name, mine), (_, theirs) in zip(
        other.sampler.state_dict().items(), recipe.sampler.state_dict().items(), strict=True
    ):
        assert torch.equal(mine, theirs), name


def test_diversity_is_one_of_real_rows_and_falls_with_each_sign() -> None:
    _, data = toy_data(1000)
    real, other = (Encoded(data.codes[part], data.positions[part]) for part in (slice(500), slice(500, 1000)))
    assert EXAMPLES.signs(other, real)["diversity"] > 0.95
    few = Encoded(np.repeat(other.codes[:5], 100, axis=0), np.repeat(other.positions[:5], 100, axis=0))
    assert EXAMPLES.signs(few, real)["diversity"] < 0.1
    narrow = Encoded(other.codes.copy(), other.positions)
    narrow.codes[:, 3] = narrow.codes[0, 3]
    assert EXAMPLES.signs(narrow, other)["entropy_ratio"] == pytest.approx(0.75), "one column of four"
    assert EXAMPLES.signs(narrow, real)["diversity"] < 0.8


def test_a_table_without_frequent_codes_is_judged_by_the_other_signs() -> None:
    codes = np.arange(300)[:, None] % 250
    rows = Encoded(codes, np.full(codes.shape, 0.5, np.float32))
    assert EXAMPLES.signs(rows, rows)["diversity"] == 1.0


def test_few_real_rows_and_no_real_rows_judge_nothing() -> None:
    _, data = toy_data(1000)
    assert "diversity" not in EXAMPLES.signs(data, data.head(50))
    none = EXAMPLES.signs(data, Encoded(data.codes[:0], data.positions[:0]))
    assert set(none) == {"coverage", "duplicate_rate"}


@pytest.mark.parametrize(
    ("diversity", "best", "expected"),
    [
        (0.2, 0.0, False),
        (0.05, 0.0, False),
        (0.02, 0.0, True),
        (0.2, 0.45, False),
        (0.2, 0.5, True),
        (0.3, 0.5, False),
    ],
)
def test_a_collapse_is_a_fall_from_a_good_checkpoint_or_next_to_nothing(
    diversity: float, best: float, expected: bool
) -> None:
    assert is_collapse(diversity, best) is expected


@pytest.mark.slow
def test_two_ranks_roll_back_together_and_keep_the_same_weights(tmp_path: Path) -> None:
    tests = Path(__file__).parents[2]
    paths = os.pathsep.join([str(tests.parent / "lib"), str(tests)])
    processes = [
        subprocess.Popen(
            [sys.executable, str(tests / "training" / "one_rank.py"), str(rank), "2",
             str(tmp_path / "meet"), str(tmp_path / f"state{rank}")],
            env={**os.environ, "PYTHONPATH": paths},
        )
        for rank in range(2)
    ]  # fmt: skip
    assert [process.wait(timeout=900) for process in processes] == [0, 0]
    one, other = (load_state((tmp_path / f"state{rank}").read_bytes()) for rank in range(2))
    assert one["progress"]["rollbacks"] >= 1
    assert one["progress"]["history"] == other["progress"]["history"]
    assert one["recipe"]["balance"] == other["recipe"]["balance"]
    for network in ("generator", "critic", "sampler"):
        for name, value in one["recipe"][network].items():
            assert torch.equal(value, other["recipe"][network][name]), name
