"""Shares of codes: what training starts from is not shrunk, and what ships is calibrated to exact counts."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import Shard
from clicksmith.generators.tabular.autoregressive_network import AutoregressiveNetwork
from clicksmith.generators.tabular.kind import EXAMPLES
from clicksmith.generators.tabular.rows import MemoryRows, first_rows
from clicksmith.tables import Column
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, run_loop
from generators.toy_joint import toy_data, toy_recipe

NUM_ROWS, NUM_VALUES = 200_000, 1500


def wide_rows(noise: float) -> tuple[TableCodec, Encoded]:
    """A column of 1,500 values by Zipf's law, and one that repeats it but for a share of noise."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(10, NUM_VALUES + 10)
    first, other = (rng.choice(NUM_VALUES, NUM_ROWS, p=shares / shares.sum()) for _ in range(2))
    second = np.where(rng.random(NUM_ROWS) < noise, other, first)
    names = pa.array([f"v{k:04}" for k in range(NUM_VALUES)])
    rows = pa.table({"first": names.take(pa.array(first)), "second": names.take(pa.array(second))})
    codec = TableCodec.fit(rows, [Column("first", pa.string()), Column("second", pa.string())])
    return codec, codec.encode(rows)


class Truth(AutoregressiveNetwork):
    """Knows the shares of the first column, and those of the second given the first."""

    shares: list[Tensor]
    same: Tensor
    noise: float

    def _logits(self, codes_BC: Tensor, order_C: Tensor | None, keep: Tensor | None) -> list[Tensor]:
        first = self.shares[0].repeat(len(codes_BC), 1)
        second = (self.noise * self.shares[1]).repeat(len(codes_BC), 1)
        second[torch.arange(len(codes_BC)), self.same[codes_BC[:, 0]]] += 1 - self.noise
        biases = torch.split(self.head_bias, self.cardinalities)
        return [part.log() + bias for part, bias in zip((first, second), biases, strict=True)]

    def distances(self, counts: Sequence[NDArray[np.int64]]) -> list[float]:
        """Of each column, between what is said on average of all rows and the shares: total variation."""
        contexts = torch.arange(len(counts[0]))[:, None].repeat(1, 2)
        weight = torch.from_numpy(counts[0] / NUM_ROWS).float()
        means = [weight @ logits.softmax(1) for logits in self._logits(contexts, None, None)]
        return [
            float((mean - torch.from_numpy(count / NUM_ROWS)).abs().sum()) / 2
            for mean, count in zip(means, counts, strict=True)
        ]


@pytest.mark.parametrize("noise", [1.0, 0.1], ids=["independent", "dependent"])
@torch.no_grad()
def test_a_network_that_is_right_stays_right(noise: float) -> None:
    """A third of the rows is read for it: their own shares are wrong by .035 in all."""
    codec, data = wide_rows(noise)
    rows = MemoryRows(data, codec.cardinalities, 1)
    network = Truth(codec)
    network.shares = [torch.from_numpy(count / NUM_ROWS).float() for count in rows.counts]
    network.noise = noise
    # Codes are by frequency in each column: the second's code of each value of the first.
    names = [column.values for column in codec.columns]
    network.same = torch.tensor([0, *(1 + names[1].index(name) for name in names[0])])
    network.head_bias.zero_()
    before = network.distances(rows.counts)
    network.calibrate(first_rows(rows, 4096, slice(None)), rows.counts)
    after = network.distances(rows.counts)
    assert after[0] < 1e-3, "the first column reads nothing: what is said of it is known exactly"
    assert after[1] < max(0.01, before[1] + 0.003)


@pytest.mark.parametrize("preset", ["tabular_ar", "tabular_gan"])
def test_decay_leaves_the_shares_of_codes_alone(preset: str) -> None:
    codec, data = toy_data(300)
    recipe = toy_recipe(codec, data, preset=preset, num_steps=20, batch_size=60)
    for weight in recipe.network.parameters():
        weight.register_hook(torch.zeros_like)
    own = recipe.network.embedding.own.clone()
    for steps in (range(18), range(18, 20)):  # the game is the last tenth; it starts calibrated
        recipe.step(steps[0], Shard())
        bias = recipe.network.head_bias.clone()
        for step in steps[1:]:
            recipe.step(step, Shard())
        assert torch.equal(recipe.network.head_bias, bias)
    assert recipe.network.embedding.own.norm() < own.norm(), "what is learnt of dependence does shrink"


@pytest.mark.parametrize("losses", [[3.0, 2.0, 4.0, 5.0, 6.0], [3.0, 2.0, 4.0]], ids=["stopped", "ended"])
@pytest.mark.parametrize("preset", ["tabular_ar", "tabular_gan"])
def test_the_weights_that_are_kept_are_calibrated(preset: str, losses: list[float]) -> None:
    """Their nats and the checkpoint's weights are those of the calibrated network, whenever training ends."""
    codec, data = toy_data(900)
    num_steps = 3 if len(losses) == 3 else 40
    recipe = toy_recipe(codec, data, preset=preset, num_steps=num_steps, batch_size=60)
    with torch.no_grad():
        for network in (recipe.network, recipe.sampler):
            network.head_bias += torch.linspace(-1, 1, len(network.head_bias))
    planted, true_loss = iter(np.repeat(losses, 2)), recipe.row_nats

    def row_nats(rows: Encoded) -> Tensor:
        loss = next(planted, None)
        return true_loss(rows) if loss is None else torch.full((len(rows),), loss)

    recipe.row_nats = row_nats  # type: ignore[method-assign]
    plan = Plan(num_steps, 1, Watched(data.head(50)), Watched(data.head(50)), 3, EXAMPLES.signs)
    saved: list[dict[str, Tensor]] = []
    progress = run_loop(recipe, plan, Shard(), Progress(), lambda now: saved.append(now.best_weights))
    assert progress.best_step == 2 and progress.step == (3 if num_steps == 3 else 5)
    counts = np.bincount(data.codes[:, 0], minlength=codec.cardinalities[0])
    for weights in (recipe.sampler.state_dict(), saved[-1]):
        recipe.sampler.load_state_dict(weights)
        said = recipe.sampler._logits(torch.from_numpy(data.codes), None, None)[0].softmax(1).mean(0)
        np.testing.assert_allclose(said.detach().numpy(), counts / 900, atol=0.01)
    told = progress.best_nats["held_out_nats"]
    assert told == pytest.approx(float(true_loss(plan.held_out.rows).mean()), rel=1e-6)
