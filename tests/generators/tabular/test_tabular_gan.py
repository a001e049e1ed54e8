"""The any-order network's exact conditions and the game against its critic."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

from clicksmith.config import generator_config
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.presets import build_recipe
from clicksmith.generators.recipe import Recipe, Shard, one_cycle
from clicksmith.generators.tabular import autoregressive_network, tabular_gan
from clicksmith.generators.tabular.autoregressive_network import (
    EMBEDDING,
    NUM_KNOTS,
    AutoregressiveNetwork,
    hat_functions,
)
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.generators.tabular.rows import MemoryRows
from clicksmith.training.engine.checkpoint import dump_state, load_state
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, run_loop
from generators.mixtures import covered_modes, mixture_data
from generators.toy_joint import toy_data, toy_recipe, train


def test_hat_functions_by_hand() -> None:
    hats = hat_functions(np.arange(32)).numpy()  # missing, then 31 values: a knot at every second one
    assert hats[0].sum() == 0
    np.testing.assert_allclose(hats[1:].sum(1), 1.0, atol=1e-6)
    np.testing.assert_allclose(hats[1], np.eye(16)[0], atol=1e-6)
    np.testing.assert_allclose(hats[2], (np.eye(16)[0] + np.eye(16)[1]) / 2, atol=1e-6)
    np.testing.assert_allclose(hats[31], np.eye(16)[15], atol=1e-6)


def test_a_column_reads_those_before_it_in_the_order_and_no_other() -> None:
    codec, data = toy_data(64)
    network = AutoregressiveNetwork(codec).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    codes = torch.from_numpy(data.codes)
    order = torch.tensor([2, 0, 3, 1])
    before = network(codes, order)
    changed = codes.clone()
    changed[:, 3] = 1  # third in the order: columns 2 and 0 do not read it, column 1 does
    after = network(changed, order)
    assert torch.equal(before[[2, 0]], after[[2, 0]])
    assert not torch.equal(before[1], after[1])


def counts_of(codec: TableCodec, data: Encoded) -> Sequence[NDArray[np.int64]]:
    return MemoryRows(data, codec.cardinalities, 0).counts


def test_training_moves_what_it_is_given_to_the_networks_device() -> None:
    """The meta device refuses to mix with the CPU as a GPU does."""
    codec, data = toy_data(60)
    network = AutoregressiveNetwork(codec).to("meta")
    critic = tabular_gan.CodeCritic(codec.cardinalities).to("meta")
    codes, keep = torch.from_numpy(data.codes), torch.ones(60, 4 * EMBEDDING)
    reward = critic(codes, torch.ones(60, critic.num_dropped))
    loss = network(codes, torch.tensor([2, 0, 3, 1]), keep, (codes, torch.ones(60))).sum() + reward.sum()
    torch.autograd.backward(loss)
    assert network(codes).device.type == "meta"
    grads = [weight.grad for module in (network, critic) for weight in module.parameters()]
    assert all(grad is not None and grad.device.type == "meta" for grad in grads)


def test_heads_shrink_rare_codes_by_hand_and_embeddings_none() -> None:
    codec, data = toy_data(400)
    network = AutoregressiveNetwork(codec)
    network.set_frequencies(counts_of(codec, data))
    prices = np.bincount(data.codes[:, 3], minlength=codec.cardinalities[3])
    kinds, price = slice(3, 7), slice(sum(codec.cardinalities[:3]), None)
    assert len(prices) > 2 * NUM_KNOTS
    np.testing.assert_allclose(network.head.scale[price, 0].numpy(), prices / (prices + 100), rtol=1e-6)
    assert (network.head.scale[kinds] == 1).all()
    assert (network.embedding.scale == 1).all()


def test_calibrated_heads_give_codes_their_shares() -> None:
    codec, data = toy_data(900)
    network = AutoregressiveNetwork(codec)
    network.set_frequencies(counts_of(codec, data))
    codes = torch.from_numpy(data.codes)
    torch.manual_seed(5)
    with torch.no_grad():
        network.head_bias += 0.5 * torch.randn(len(network.head_bias))

    def drawn(column: int) -> np.ndarray:
        sample = network.sample(3, np.arange(40_000)).codes[:, column]
        return np.bincount(sample, minlength=codec.cardinalities[column]) / 40_000

    wanted = [np.bincount(data.codes[:, k], minlength=c) / 900 for k, c in enumerate(codec.cardinalities)]
    before = [np.abs(drawn(k) - wanted[k]).sum() for k in range(4)]
    network.calibrate(codes.split(100), counts_of(codec, data))
    after = [np.abs(drawn(k) - wanted[k]).sum() for k in range(4)]
    assert min(before[:3]) > 0.05
    assert after[0] < 0.01  # the first column reads nothing: exact, but for chance
    assert all(b < 0.5 * a for a, b in zip(before, after, strict=True))


def test_codes_never_seen_are_not_sampled_even_by_the_largest_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    codec, data = toy_data(400)
    network = AutoregressiveNetwork(codec)
    network.set_frequencies(counts_of(codec, data))
    monkeypatch.setattr(
        autoregressive_network,
        "counter_uniform",
        lambda _, ids, width: np.full((len(ids), width), 1 - 2**-53),
    )
    monkeypatch.setattr(autoregressive_network, "even_uniform", lambda _, ids: np.full(len(ids), 1 - 2**-53))
    last = [np.flatnonzero(np.bincount(data.codes[:, k])).max() for k in range(4)]
    assert network.sample(1, np.arange(5)).codes.tolist() == [last] * 5


def test_drawn_rows_count_by_their_rewards_in_the_order_that_they_were_drawn_in() -> None:
    codec, data = toy_data(40)
    network = AutoregressiveNetwork(codec).eval()
    codes, order = torch.from_numpy(data.codes), torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    keep = torch.ones(20, 4 * EMBEDDING)
    drawn, reward = codes[20:], torch.cat([torch.full((10,), 3.0), torch.full((10,), -1.0)])
    by_hand = (3 * network(drawn[:10]) - network(drawn[10:])) / 2
    found = network(codes[:20], order, keep, (drawn, reward)) - network(codes[:20], order, keep)
    torch.testing.assert_close(found, by_hand)
    assert not torch.allclose(network(drawn, order), network(drawn))


def test_the_game_rewards_rows_in_the_order_that_they_were_drawn_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order in which real rows are learnt. Here the real rows are the drawn ones, too."""
    recipe, _ = game(mixed_precision=False)
    assert isinstance(recipe, tabular_gan.TabularGan)
    for step in range(10):
        recipe.step(step, Shard())
    fake = torch.from_numpy(recipe.network.sample(1, np.arange(60)).codes)
    monkeypatch.setattr(recipe._rows, "batch", lambda *_: fake)
    monkeypatch.setattr(
        tabular_gan, "draw_dropout", lambda size, columns, *_: torch.ones(size, columns * EMBEDDING)
    )
    nats = []
    for order in (None, torch.tensor([3, 2, 1, 0])):
        monkeypatch.setattr(tabular_gan, "draw_order", lambda *_, order=order: order)
        before = {name: value.clone() for name, value in recipe.network.state_dict().items()}
        real = recipe.network(fake, order).sum()
        total, _ = recipe._generator_step(9, fake, Shard())
        recipe.network.load_state_dict(before)
        nats.append(float(total - real))
    assert nats[0] == pytest.approx(nats[1], abs=1e-5)


def test_a_rollback_to_before_the_game_enters_it_again() -> None:
    recipe, _ = game(40)  # the game is of steps 36 to 39
    assert isinstance(recipe, tabular_gan.TabularGan)
    for step in range(30):
        recipe.step(step, Shard())
    good = load_state(dump_state(recipe.state_dict()))
    for step in range(30, 38):
        recipe.step(step, Shard())
    recipe.load_state_dict(good)
    assert not recipe.critic.last.weight.any(), "untrained again"
    updates = []
    for step in (38, 39):
        recipe.step(step, Shard())
        updates.append(int(recipe._critic_optimizer.state_dict()["state"][0]["step"]))
    assert updates == [tabular_gan.NUM_WARM_STEPS + 1, tabular_gan.NUM_WARM_STEPS + 2]


def test_a_collapse_lowers_the_rates_of_likelihood_and_game() -> None:
    recipe, _ = game()
    assert isinstance(recipe, tabular_gan.TabularGan)
    recipe.rate_factor = 0.25
    optimizers = recipe._likelihood._optimizer, recipe._generator_optimizer, recipe._critic_optimizer
    rates = [
        one_cycle(3, 9, recipe.settings.learning_rate),
        tabular_gan.GENERATOR_RATE,
        tabular_gan.CRITIC_RATE,
    ]
    for step in (3, 9):
        recipe.step(step, Shard())
    for optimizer, rate in zip(optimizers, rates, strict=True):
        for group in optimizer.param_groups:
            assert group["lr"] == pytest.approx(0.25 * rate)


def game_step(rank: int, num_ranks: int) -> dict[str, torch.Tensor]:
    """Gradients of the first step of a game whose critic already tells rows apart."""
    torch.set_num_threads(1)
    codec, data = toy_data(400)
    config = {"preset": "tabular_gan", "num_steps": 2, "batch_size": 12, "mixed_precision": False}
    recipe = build_recipe(generator_config(config), 1, codec, data)
    assert isinstance(recipe, tabular_gan.TabularGan)
    if num_ranks > 1:
        recipe.prepare(lambda module: DistributedDataParallel(module, broadcast_buffers=False))
    else:
        recipe.prepare(lambda module: module)
    with torch.no_grad():
        recipe.critic.terms.weight.normal_(std=2.0, generator=torch.Generator().manual_seed(3))
    recipe.step(1, Shard(rank, num_ranks))
    return {name: p.grad.clone() for name, p in recipe.network.named_parameters() if p.grad is not None}


def one_of_two(rank: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    gradients = game_step(rank, 2)
    if rank == 0:
        torch.save(gradients, Path(folder) / "gradients.pt")
    dist.destroy_process_group()


def test_two_ranks_play_the_game_of_one(tmp_path: Path) -> None:
    """Rewards are centred over the global batch: its halves, each by itself, would teach something else."""
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    two, one = torch.load(tmp_path / "gradients.pt", weights_only=True), game_step(0, 1)
    assert set(one) == set(two)
    length = float(sum((value**2).sum() for value in one.values())) ** 0.5
    apart = float(sum(((one[name] - two[name]) ** 2).sum() for name in one)) ** 0.5
    assert apart < 1e-3 * length


@pytest.mark.slow
@pytest.mark.parametrize("columns", [(0,), (1,), (2,), (3,), (1, 2), (2, 3), (0, 3)])
def test_given_columns_are_exact_and_the_others_follow_their_conditional_distribution(
    columns: tuple[int, ...], any_order: Recipe
) -> None:
    codec, data = toy_data(6000, seed=1)
    codes = data.codes
    # The most frequent joint value of the given columns: its conditional is known best.
    values, counts = np.unique(codes[:, columns], axis=0, return_counts=True)
    given = values[counts.argmax()]
    match = (codes[:, columns] == given).all(1)
    fixed = {column: np.full(4000, code) for column, code in zip(columns, given, strict=True)}
    sample = any_order.sampler.sample(9, np.arange(4000), fixed).codes
    assert (sample[:, columns] == given).all()
    for other in set(range(3)) - set(columns):
        size = codec.cardinalities[other]
        real = np.bincount(codes[match, other], minlength=size) / match.sum()
        drawn = np.bincount(sample[:, other], minlength=size) / 4000
        assert 0.5 * np.abs(real - drawn).sum() < 0.06 + 0.5 / np.sqrt(match.sum())


@pytest.fixture(scope="module")
def any_order() -> Recipe:
    codec, data = toy_data(6000, seed=1)
    return train(toy_recipe(codec, data, preset="tabular_ar", num_steps=500, batch_size=300), 500)


def game(num_steps: int = 10, **config: object) -> tuple[Recipe, Plan]:
    codec, data = toy_data(400)
    recipe = toy_recipe(codec, data, preset="tabular_gan", num_steps=num_steps, batch_size=60, **config)
    return recipe, Plan(num_steps, 1, Watched(data.head(50)), Watched(data.head(50)), 3, EXAMPLES.signs)


def test_resumed_within_the_game_equals_undisturbed_bit_for_bit() -> None:
    saved: list[bytes] = []
    recipe, plan = game()
    run_loop(recipe, plan, Shard(), Progress(), lambda now: saved.append(dump_state(recipe.state_dict())))
    for step in (8, 9):  # the game's first step, and its second
        other, _ = game()
        other.load_state_dict(load_state(saved[step - 1]))
        for late in range(step, 10):
            other.step(late, Shard())
        for name, tensor in load_state(saved[9])["network"].items():
            assert torch.equal(other.state_dict()["network"][name], tensor), name


def test_the_game_mends_what_likelihood_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planted: a generator that draws a kind too seldom; the critic's reward brings it back."""
    monkeypatch.setattr(tabular_gan, "GENERATOR_RATE", 5e-3)
    codec, data = toy_data(3000)
    recipe = toy_recipe(codec, data, preset="tabular_gan", num_steps=300, batch_size=300)
    for step in range(150):
        recipe.step(step, Shard())
    assert isinstance(recipe, tabular_gan.TabularGan)
    start = int(recipe.network.offsets[1])
    for network in (recipe.network, recipe.sampler):
        with torch.no_grad():
            network.head_bias[start + 1] -= 1.0

    def share() -> float:
        return float((recipe.sampler.sample(5, np.arange(6000)).codes[:, 1] == 1).mean())

    wanted, damaged = float((data.codes[:, 1] == 1).mean()), share()
    recipe.first_game_step = 150
    for step in range(150, 210):
        recipe.step(step, Shard())
    assert abs(share() - wanted) < 0.4 * abs(damaged - wanted)


@pytest.mark.slow
@pytest.mark.parametrize(("mixture", "num_modes"), [("ring", 8), ("grid", 25)])
def test_all_planted_modes_are_covered(mixture: str, num_modes: int) -> None:
    codec, data = mixture_data(mixture, 4000)
    recipe = train(toy_recipe(codec, data, preset="tabular_gan", num_steps=400, batch_size=256), 400)
    sample = recipe.sampler.sample(3, np.arange(4000))
    covered, inside = covered_modes(codec.decode(Encoded(sample.codes, sample.positions)), mixture)
    assert covered == num_modes
    assert inside > 0.85
