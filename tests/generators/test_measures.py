"""Measures against mode collapse: rates, clipping, balance, averages. Each does what it says, and no more."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.config import load_config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.generators.balance import LOWEST, RateBalance, critic_advantage
from clicksmith.generators.presets import check_config
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular.conditions import BalancedRows, Conditions
from clicksmith.generators.tabular.gan import Adversarial
from clicksmith.generators.tabular.gan_shapes import SHAPES, WEIGHT_LIMIT
from clicksmith.generators.tabular.layout import Layout
from generators.toy_joint import toy_config, toy_data, toy_recipe, train


def adversarial(num_rows: int = 2000, **config: object) -> Adversarial:
    codec, data = toy_data(num_rows)
    recipe = toy_recipe(codec, data, **{"num_steps": 10, "batch_size": 100, **config})
    assert isinstance(recipe, Adversarial)
    return recipe


def test_the_advantage_is_the_area_under_the_roc_curve() -> None:
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0, 2.0])
    # Of six pairs: 1 > 0, 1 = 1 (half), 1 < 2, and 3 above all three.
    assert critic_advantage(real, fake).item() == pytest.approx((1 + 0.5 + 3) / 6)


@given(st.lists(st.integers(-3, 3), min_size=1), st.lists(st.integers(-3, 3), min_size=1))
def test_the_advantage_is_the_mean_over_all_pairs(real: list[int], fake: list[int]) -> None:
    pairs = [(r > f) + 0.5 * (r == f) for r in real for f in fake]
    found = critic_advantage(torch.tensor(real, dtype=torch.float32), torch.tensor(fake, dtype=torch.float32))
    assert found.item() == pytest.approx(sum(pairs) / len(pairs))


def test_the_advantage_of_many_scores_needs_no_pairs() -> None:
    real, fake = torch.linspace(0, 1, 400_000), torch.linspace(-1, 1, 400_000)
    assert critic_advantage(real, fake).item() == pytest.approx(0.75, abs=1e-5)


def test_the_advantage_is_looked_at_where_rates_follow_it() -> None:
    for adaptive in (True, False):
        figures = adversarial(preset="gan", adaptive_rates=adaptive).step(0, Shard())
        assert ("critic_advantage" in figures) is adaptive


def test_the_winner_is_slowed_down_and_never_stopped() -> None:
    balance = RateBalance()
    assert balance.factors() == (1.0, 1.0)
    for _ in range(100):
        balance.update(torch.tensor(0.9))
    generator, critic = balance.factors()
    assert generator == 1.0
    assert critic == pytest.approx((1 - 0.9) / (1 - 0.75), rel=1e-3)
    for _ in range(100):
        balance.update(torch.tensor(1.0))
    assert balance.factors() == (1.0, LOWEST)
    for _ in range(100):
        balance.update(torch.tensor(0.3))
    assert balance.factors() == (pytest.approx(0.3 / 0.5, rel=1e-3), 1.0)


def rates(recipe: Adversarial) -> tuple[float, float]:
    optimizers = recipe._generator_optimizer, recipe._critic_optimizer
    return optimizers[0].param_groups[0]["lr"], optimizers[1].param_groups[0]["lr"]


def test_adaptive_rates_follow_the_balance_of_training() -> None:
    # A generator of tiny steps against a critic that learns: the critic wins, and is slowed down.
    recipe = adversarial(preset="gan", num_steps=60, learning_rate=2e-3, adaptive_rates=True)
    for parameter in recipe.generator.parameters():
        parameter.requires_grad_(True).register_hook(lambda gradient: gradient * 0)
    train(recipe, 60)
    generator_rate, critic_rate = rates(recipe)
    assert generator_rate == 2e-3
    assert critic_rate < 0.9 * generator_rate
    assert rates(train(adversarial(preset="gan", learning_rate=2e-3), 10)) == (2e-3, 2e-3)


def test_the_rate_factor_lowers_both_rates() -> None:
    recipe = adversarial(preset="gan", learning_rate=2e-3)
    recipe.rate_factor = 0.25
    assert rates(train(recipe, 1)) == (5e-4, 5e-4)


def test_clipped_gradients_are_no_longer_than_the_limit() -> None:
    recipe = adversarial(preset="gan", gradient_clip=1e-3)
    figures = recipe.step(0, Shard())
    for name, network in (("critic", recipe.critic), ("generator", recipe.generator)):
        norm = math.sqrt(sum(float((p.grad**2).sum()) for p in network.parameters() if p.grad is not None))
        assert norm == pytest.approx(1e-3, rel=1e-3)
        assert float(figures[f"{name}_gradient_norm"]) > 1e-3, "the figure is the norm before clipping"


def test_the_average_can_be_switched() -> None:
    last = train(adversarial(preset="gan"), 5)
    for mine, theirs in zip(last.sampler.parameters(), last.generator.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
    averaged = train(adversarial(preset="gan", average_weights=True), 5)
    pairs = zip(averaged.sampler.parameters(), averaged.generator.parameters(), strict=True)
    assert any(not torch.equal(mine, theirs) for mine, theirs in pairs)
    unaveraged = adversarial(preset="ctgan", average_weights=False)
    assert unaveraged.shape.average == 0.0


@pytest.mark.parametrize("packing", [1, 2, 10])
def test_packing_can_be_set(packing: int) -> None:
    recipe = adversarial(preset="gan", packing=packing)
    assert recipe.critic.net[0].in_features == packing * recipe.layout.width
    train(recipe, 2)
    with pytest.raises(TrainingError, match=rf"multiple of {max(2, 2 * packing)}\."):
        check_config("g", toy_config(preset="gan", packing=packing, batch_size=101), num_workers=2)


def test_the_wasserstein_preset_clips_weights_and_takes_five_critic_steps() -> None:
    recipe = adversarial(preset="wgan")
    assert isinstance(recipe._critic_optimizer, torch.optim.RMSprop)
    updates = []
    recipe._critic_optimizer.register_step_post_hook(lambda *_: updates.append(1))
    recipe.step(0, Shard())
    assert len(updates) == SHAPES["wgan"].critic_steps == 5
    assert max(float(p.detach().abs().max()) for p in recipe.critic.parameters()) == pytest.approx(
        WEIGHT_LIMIT
    )


def test_balanced_rows_show_each_label_equally_often() -> None:
    labels = torch.tensor([1] * 97 + [2] * 3)
    rows = BalancedRows(labels).draw(10_000, torch.Generator().manual_seed(0))
    assert float((labels[rows] == 2).float().mean()) == pytest.approx(0.5, abs=0.02)
    assert sorted(set(rows.tolist())) == list(range(100)), "every row appears"


def test_balanced_conditions_are_half_on_the_label_and_even_there() -> None:
    codec, data = toy_data(3000)
    layout = Layout(codec)
    flat, _ = layout.split(data)
    modes, rows = Conditions(layout, flat, balanced=1).draw(20_000, torch.Generator().manual_seed(0))
    assert (flat[rows, layout.segments[modes]] == modes).all()
    mine = modes[layout.segments[modes] == 1] - layout.offsets[1]
    assert len(mine) / 20_000 == pytest.approx(0.5 + 0.5 / 4, abs=0.02)
    shares = torch.bincount(mine, minlength=4) / len(mine)
    np.testing.assert_allclose(shares, [0, 1 / 3, 1 / 3, 1 / 3], atol=0.02)


def test_samples_of_a_balanced_training_have_the_true_shares() -> None:
    codec, data = toy_data(4000)
    recipe = toy_recipe(codec, data, preset="gan", num_steps=40, batch_size=100, balance_by="kind")
    train(recipe, 40)
    codes = recipe.sampler.sample(5, np.arange(4000)).codes[:, 1]
    np.testing.assert_allclose(
        np.bincount(codes, minlength=4) / 4000, np.bincount(data.codes[:, 1]) / 4000, atol=0.03
    )
    wanted = np.full(100, 3)
    assert (recipe.sampler.sample(5, np.arange(100), {1: wanted}).codes[:, 1] == 3).all()


def test_the_label_to_balance_must_exist() -> None:
    with pytest.raises(TrainingError, match="no column of the training rows: label, kind"):
        adversarial(preset="gan", balance_by="colour")


@pytest.mark.parametrize(
    "option",
    [
        {"loss": "wgan"},
        {"packing": 2},
        {"gradient_clip": 1.0},
        {"adaptive_rates": True},
        {"average_weights": False},
        {"balance_by": "label"},
    ],
)
def test_settings_of_other_presets_are_refused(option: dict[str, object]) -> None:
    (name,) = option
    for preset in ("tabular_ar", "tvae", "independent"):
        with pytest.raises(ConfigError, match=rf"generators\.g\.{name}: unknown key"):
            load_config(None, [f"generators.g={json.dumps({'preset': preset, **option})}"])
    assert getattr(toy_config(preset="gan", **option), name) == option[name]


@pytest.mark.parametrize("preset", sorted(SHAPES))
def test_two_shards_compute_the_global_batch(preset: str) -> None:
    recipes = [adversarial(500, preset=preset, batch_size=120, packing=2) for _ in range(3)]
    whole, *halves = (
        recipe._draw(3, recipe.shape.critic_steps - 1, shard)
        for recipe, shard in zip(recipes, (Shard(), Shard(0, 2), Shard(1, 2)), strict=True)
    )
    for name in ("noise", "gumbel", "mix", "real"):
        torch.testing.assert_close(torch.cat([getattr(half, name) for half in halves]), getattr(whole, name))
