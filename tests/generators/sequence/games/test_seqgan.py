"""SeqGAN and RelGAN in training: what they recover, how they resume, how ranks share a step."""

import copy
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.recipe import Recipe, Shard, StepSettings
from clicksmith.generators.sequence.games.relgan import RelGan, RelGanOptions
from clicksmith.generators.sequence.games.seqgan import SeqGan, SeqGanOptions
from clicksmith.generators.sequence.games.token_likelihood import Size, TokenLikelihood
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.rows import MemorySequences
from clicksmith.training.engine.checkpoint import dump_state, load_state
from generators.sequence.toy_sequences import (
    CHAIN_CODES,
    Coded,
    all_events,
    chain,
    coded,
    sharp,
    transitions,
)

SMALL = Size(8, 8)
GAMES = ("seqgan", "relgan")


def toy_data(num_owners: int = 60) -> Coded:
    """Owners of two kinds, of none to four events; the second code follows the first and the kind."""
    rng = np.random.default_rng(0)
    lengths, kinds = rng.integers(0, 5, num_owners), rng.integers(1, 3, num_owners)
    first = rng.integers(3, size=lengths.sum())
    return coded(np.stack([first, (first + np.repeat(kinds, lengths)) % 4], 1), lengths, kinds[:, None])


def game(kind: str, num_steps: int = 6, prepared: bool = True) -> SeqGan | RelGan:
    """A recipe whose first half is likelihood."""
    data, codec = toy_data()
    rows = MemorySequences(data, 1)
    settings = StepSettings(3, num_steps, 12, 1e-2)
    recipe: SeqGan | RelGan
    if kind == "seqgan":
        options = SeqGanOptions(
            likelihood_share=0.5, warm_steps=2, critic_steps=2, num_rollouts=3, size=SMALL
        )
        recipe = SeqGan(rows, codec, settings, options)
    else:
        relaxed = RelGanOptions(likelihood_share=0.5, critic_steps=2, num_views=4, num_filters=5, size=SMALL)
        recipe = RelGan(rows, codec, settings, relaxed)
    if prepared:
        recipe.prepare(lambda module: module)
    return recipe


def likelihood(coded: Coded, num_steps: int) -> TokenLikelihood:
    data, codec = coded
    settings = StepSettings(3, num_steps, 128, 1e-2)
    recipe = TokenLikelihood(MemorySequences(data, 1), codec, settings)
    recipe.prepare(lambda module: module)
    for step in range(num_steps):
        recipe.step(step, Shard())
    return recipe


def test_likelihood_recovers_a_planted_second_order_chain() -> None:
    """Each of the 64 transition probabilities, .8 or .067, is within .07."""
    data, truth = chain(3000, 12, seed=1)
    recipe = likelihood(data, 300)
    drawn = recipe.sampler.sample(5, np.arange(6000))
    assert (drawn.lengths == 12).all()
    assert np.abs(transitions(drawn.events.reshape(-1, 12)) - truth).max() < 0.07
    (unseen, _), _ = chain(1000, 12, seed=2)
    entropy = 2 * np.log(4) + 10 * -(0.8 * np.log(0.8) + 0.2 * np.log(0.2 / 3))
    assert float(recipe.row_nats(unseen).mean()) == pytest.approx(entropy, abs=0.4)


def test_nats_of_rows_by_the_network_whatever_their_order_and_length() -> None:
    recipe = game("seqgan")
    data = toy_data()[0].head(9)
    nats = recipe.row_nats(data)
    network = recipe.sampler.network
    for row, (start, end) in enumerate(zip(data.offsets[:-1], data.offsets[1:], strict=True)):
        events = torch.from_numpy(data.events[start:end]).long()[None]
        own = torch.from_numpy(data.owners[row : row + 1]).long()
        expected = 0.0
        if end > start:
            expected = float(network.nats(network.vocabulary.tokens(events), own).sum())
        assert float(nats[row]) == pytest.approx(expected, abs=1e-5)
    assert len(recipe.row_nats(data.head(0))) == 0


def test_owners_that_do_not_differ_leave_the_network_of_the_paper() -> None:
    (data, codec), _ = chain(20, 4, seed=1)
    with_owner = likelihood(coded(data.events - 1, data.lengths, np.ones((20, 1), dtype=np.int64)), 3)
    without = likelihood((data, codec), 3)
    assert not with_owner.network.owners.weight.any()
    for (name, mine), theirs in zip(
        with_owner.network.named_parameters(), without.network.parameters(), strict=True
    ):
        assert name == "owners.weight" or torch.equal(mine, theirs)


@pytest.mark.parametrize("kind", GAMES)
def test_resumed_in_any_phase_equals_undisturbed_bit_for_bit(kind: str) -> None:
    recipe, saved = game(kind), []
    for step in range(6):
        saved.append(dump_state(recipe.state_dict()))
        recipe.step(step, Shard())
    end = load_state(dump_state(recipe.state_dict()))
    for step in (1, 3, 4):  # within likelihood, before the game, within it
        other = game(kind)
        other.load_state_dict(load_state(saved[step]))
        for late in range(step, 6):
            other.step(late, Shard())
        for part in ("network", "critic"):
            for name, tensor in end[part].items():
                assert torch.equal(other.state_dict()[part][name], tensor), (step, part, name)


def gradients(kind: str, step: int, rank: int, num_ranks: int) -> dict[str, torch.Tensor]:
    """Of both networks after a step."""
    torch.set_num_threads(1)
    recipe = game(kind, prepared=False)
    if num_ranks > 1:
        recipe.prepare(lambda module: DistributedDataParallel(module, broadcast_buffers=False))
    else:
        recipe.prepare(lambda module: module)
    recipe.step(step, Shard(rank, num_ranks))
    modules = {"network": recipe.network, "critic": recipe.critic}
    return {
        f"{part}.{name}": weight.grad.clone()
        for part, module in modules.items()
        for name, weight in module.named_parameters()
        if weight.grad is not None
    }


CASES = [(kind, step) for kind in GAMES for step in (0, 3)]


def one_of_two(rank: int, folder: str) -> None:
    os.environ.update(MASTER_ADDR="127.0.0.1", GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", f"file://{folder}/rendezvous", rank=rank, world_size=2)
    found = [gradients(kind, step, rank, 2) for kind, step in CASES]
    if rank == 0:
        torch.save(found, Path(folder) / "gradients.pt")
    dist.destroy_process_group()


def test_two_ranks_take_the_step_of_one(tmp_path: Path) -> None:
    """In likelihood and in the game; a step of the game has a critic's updates before and after it."""
    multiprocessing.spawn(one_of_two, (str(tmp_path),), nprocs=2)
    for (kind, step), two in zip(
        CASES, torch.load(tmp_path / "gradients.pt", weights_only=True), strict=True
    ):
        one = gradients(kind, step, 0, 1)
        assert set(one) == set(two)
        assert any(name.startswith("critic") for name in one) == (step == 3)
        length = float(sum((value**2).sum() for value in one.values())) ** 0.5
        apart = float(sum(((one[name] - two[name]) ** 2).sum() for name in one)) ** 0.5
        assert apart < 1e-3 * length, (kind, step)


def test_a_constant_reward_has_no_expected_gradient() -> None:
    """Over all sequences, by their probabilities: what is drawn more often is pushed up less."""
    vocabulary = Vocabulary((), (2, 3))
    network = sharp(vocabulary)
    every = vocabulary.tokens(all_events(vocabulary, 2))
    nothing = torch.zeros(len(every), 0, dtype=torch.int64)
    nats = network.nats(every, nothing).sum(1)
    probability = (-nats.detach()).exp()
    expected = torch.autograd.grad((nats * probability).sum(), network.head.weight, retain_graph=True)[0]
    one_sample = torch.autograd.grad(nats[0], network.head.weight, retain_graph=True)[0]
    uneven = torch.linspace(0, 1, len(every))
    rewarded = torch.autograd.grad((nats * probability * uneven).sum(), network.head.weight)[0]
    assert float(expected.norm()) < 1e-5
    assert float(one_sample.norm()) > 0.1
    assert float(rewarded.norm()) > 1e-2


def constant_step(
    data: EncodedSequences, codec: SequenceCodec, seed_of_critic: int
) -> dict[str, torch.Tensor]:
    """A generator after a step of the game with a constant reward."""
    options = SeqGanOptions(likelihood_share=0.5, reward="constant", size=SMALL)
    recipe = SeqGan(MemorySequences(data, 1), codec, StepSettings(3, 2, 12, 1e-2), options)
    recipe.prepare(lambda module: module)
    torch.manual_seed(seed_of_critic)
    for weight in recipe.critic.parameters():
        torch.nn.init.normal_(weight)
    recipe.step(1, Shard())
    return recipe.network.state_dict()


def test_a_constant_reward_knows_neither_the_critic_nor_real_sequences() -> None:
    data, codec = toy_data()
    shuffled = EncodedSequences(data.owners, data.events[::-1].copy(), data.offsets)
    first = constant_step(data, codec, 1)
    for other in (constant_step(data, codec, 2), constant_step(shuffled, codec, 1)):
        for name, tensor in first.items():
            assert torch.equal(other[name], tensor), name


def test_the_policy_follows_the_generator_by_a_fifth() -> None:
    recipe = game("seqgan")
    assert isinstance(recipe, SeqGan)
    recipe.step(3, Shard())
    start = game("seqgan").network.head.weight
    expected = 0.8 * start + 0.2 * recipe.network.head.weight
    torch.testing.assert_close(recipe.policy.head.weight, expected)


def test_the_game_mends_what_likelihood_left() -> None:
    """Planted: code 1 is drawn too seldom. Critics bring it back; a constant reward does not."""
    rng = np.random.default_rng(0)
    data, codec = coded(rng.choice(CHAIN_CODES, (1800, 1), p=[0.55, 0.15, 0.15, 0.15]), np.full(600, 3))
    trained = likelihood((data, codec), 40)
    for network in (trained.network, trained.sampler.network):
        with torch.no_grad():
            network.head.bias[1] -= 1.0
    rows, settings = MemorySequences(data, 1), StepSettings(3, 80, 64, 1e-2)
    options = SeqGanOptions(
        likelihood_share=0.0,
        warm_steps=60,
        critic_steps=2,
        num_rollouts=4,
        critic_rate=1e-3,
        generator_rate=2e-3,  # at the paper's 1e-2 so small a generator swings to and fro
    )
    relaxed = RelGanOptions(likelihood_share=0.0, num_views=4, num_filters=10, rate=1e-3)
    games = {
        "seqgan": SeqGan(rows, codec, settings, options),
        "constant": SeqGan(rows, codec, settings, replace(options, reward="constant")),
        "relgan": RelGan(rows, codec, settings, relaxed),
    }

    def share(recipe: Recipe) -> float:
        return float((recipe.sampler.sample(5, np.arange(2000)).events == 1).mean())

    wanted, damaged = float((data.events == 1).mean()), share(trained)
    assert wanted - damaged > 0.15
    found = {}
    for name, recipe in games.items():
        recipe.prepare(lambda module: module)
        recipe.load_state_dict(copy.deepcopy({**recipe.state_dict(), **trained.state_dict()}))
        shares = []
        for step in range(1, 73):
            recipe.step(step, Shard())
            if step >= 32 and step % 8 == 0:  # the two sides swing around the truth
                shares.append(share(recipe))
        found[name] = (wanted - np.mean(shares)) / (wanted - damaged)  # of the damage, what is left
    assert abs(found["seqgan"]) < 0.3
    assert abs(found["relgan"]) < 0.3
    assert found["constant"] > 0.5
