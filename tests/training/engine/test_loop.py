"""The training loop: resume equals undisturbed, early stopping, divergence; all in this process."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clicksmith.errors import TrainingError
from clicksmith.generators.recipe import Recipe, Shard
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.training.engine.checkpoint import dump_state, load_state
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import PATIENCE, Plan, Progress, dump, restore, run_loop
from generators.toy_joint import TABULAR, toy_data, toy_recipe

STEPS = 6


def build(preset: str, **config: object) -> tuple[Recipe, Plan]:
    codec, data = toy_data(400)
    settings = {"preset": preset, "num_steps": STEPS, "batch_size": 60, **config}
    held_out = data.head(50)
    return toy_recipe(codec, data, **settings), Plan(
        STEPS, 2, Watched(held_out), Watched(data.head(50)), 3, EXAMPLES.signs
    )


@pytest.mark.parametrize("preset", TABULAR)
@pytest.mark.parametrize("checkpoint", [0, 1])
def test_resumed_equals_undisturbed_bit_for_bit(preset: str, checkpoint: int) -> None:
    saved: list[bytes] = []
    recipe, plan = build(preset)
    undisturbed = run_loop(
        recipe, plan, Shard(), Progress(), lambda now: saved.append(dump_state(dump(recipe, now)))
    )

    other, _ = build(preset)
    progress = restore(other, load_state(saved[checkpoint]))
    assert progress.step == 2 * (checkpoint + 1)
    resumed = run_loop(other, plan, Shard(), progress, lambda now: None)
    assert resumed.history == undisturbed.history
    assert resumed.step == STEPS
    for (name, mine), (_, theirs) in zip(
        other.sampler.state_dict().items(), recipe.sampler.state_dict().items(), strict=True
    ):
        assert torch.equal(mine, theirs), name


def test_a_checkpoint_loads_without_pickled_code() -> None:
    recipe, plan = build("ctgan")
    run_loop(recipe, replace(plan, num_steps=2), Shard(), Progress(), lambda now: None)
    state = load_state(dump_state(dump(recipe, Progress(step=2))))
    parts = {"generator", "sampler", "critic", "generator_optimizer", "critic_optimizer"}
    assert set(state["recipe"]) == parts


def test_history_tells_losses_norms_and_signs_of_collapse() -> None:
    recipe, plan = build("ctgan")
    history = run_loop(recipe, plan, Shard(), Progress(), lambda now: None).history
    assert [entry["step"] for entry in history] == [1, 2, 3, 4, 5, 6]
    losses = {
        "critic_loss",
        "generator_loss",
        "condition_loss",
        "critic_gradient_norm",
        "generator_gradient_norm",
    }
    assert losses <= set(history[0])
    assert {"duplicate_rate", "coverage"} <= set(history[1])
    assert all(type(value) in (int, float) for entry in history for value in entry.values())


def test_training_stops_when_the_held_out_loss_no_longer_falls_and_keeps_the_best_weights() -> None:
    recipe, plan = build("tabular_ar")
    losses = iter(np.repeat([5.0, 3.0, 4.0, 4.0, 4.0, 1.0], 2))  # of held-out and of training rows
    recipe.row_nats = lambda rows: torch.full((len(rows),), next(losses))  # type: ignore[method-assign]
    weights: list[torch.Tensor] = []

    def remember(now: Progress) -> None:
        weights.append(recipe.sampler.state_dict()["project"].clone())  # the heads are calibrated at the end

    progress = run_loop(
        recipe, replace(plan, num_steps=20, checkpoint_every=1), Shard(), Progress(), remember
    )
    assert progress.stopped
    assert (progress.best_step, progress.step) == (2, 2 + PATIENCE)
    assert progress.best_loss == 3.0
    assert torch.equal(recipe.sampler.state_dict()["project"], weights[1])


def test_a_phase_whose_held_out_loss_no_longer_falls_gives_way_to_the_next_from_the_best_weights() -> None:
    recipe, plan = build("tabular_ar")
    recipe.phases = (10,)
    losses = iter(np.repeat([5.0, 3.0, 4.0, 4.0, 4.0, 4.0, 2.0, 4.0, 4.0, 4.0, 4.0], 2))
    recipe.row_nats = lambda rows: torch.full((len(rows),), next(losses))  # type: ignore[method-assign]
    steps, begun, kept = [], [], []
    take = recipe.step

    def step(number: int, shard: Shard) -> dict[str, torch.Tensor]:
        steps.append(number)
        begun.append(recipe.sampler.state_dict()["project"].clone())
        return take(number, shard)

    recipe.step = step  # type: ignore[method-assign]

    def remember(now: Progress) -> None:
        kept.append(recipe.sampler.state_dict()["project"].clone())

    plan = replace(plan, num_steps=20, checkpoint_every=1)
    progress = run_loop(recipe, plan, Shard(), Progress(), remember)
    assert steps == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14]
    assert torch.equal(begun[5], kept[1]), "the best of the first phase, after two steps"
    assert progress.stopped
    assert (progress.best_step, progress.best_loss, progress.step) == (12, 2.0, 15)


def test_divergence_is_one_clear_error() -> None:
    recipe, plan = build("dense_gan", learning_rate=1e30)
    with pytest.raises(TrainingError, match="diverged at step"):
        run_loop(recipe, plan, Shard(), Progress(), lambda now: None)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", "truncated", "foreign"])
def test_damaged_and_foreign_checkpoints_are_one_clear_error(content: bytes | str) -> None:
    recipe, _ = build("ctgan")
    if content == "truncated":
        content = dump_state(dump(recipe, Progress()))[:2000]
    elif content == "foreign":
        content = dump_state(dump(build("tabular_ar")[0], Progress()))
    assert isinstance(content, bytes)
    with pytest.raises(TrainingError, match="checkpoint cannot be loaded"):
        restore(recipe, load_state(content))


def test_the_sample_that_shows_collapse_does_not_disturb_training() -> None:
    often, plan = build("ctgan")
    rarely, _ = build("ctgan")
    run_loop(often, replace(plan, checkpoint_every=1), Shard(), Progress(), lambda now: None)
    run_loop(rarely, replace(plan, checkpoint_every=6), Shard(), Progress(), lambda now: None)
    np.testing.assert_array_equal(
        often.sampler.sample(1, np.arange(20)).codes, rarely.sampler.sample(1, np.arange(20)).codes
    )
