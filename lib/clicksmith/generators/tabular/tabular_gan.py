"""An adversary for the autoregressive network: likelihood first, then a game against a critic.

Maximum likelihood spreads probability over rows that lie between the real ones. In the last part of the
training a critic learns to tell real rows from the generator's, and the generator raises the likelihood of
those of its rows that the critic takes for real: policy gradients (Williams 1992) with the critic's logit,
an estimate of log p_real / p_generated, as reward and the global batch's mean as baseline. Real rows go on
being learnt at the same time, which keeps the generator from leaving out what the critic finds hard.

Sampling is that of the autoregressive network: any exact conditions, at the same speed.
"""

from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import (
    Recipe,
    Shard,
    StepSettings,
    Wrap,
    dropout_factors,
    follow,
    step_generator,
)
from clicksmith.generators.tabular.autoregressive import (
    GRADIENT_NORM,
    Autoregressive,
    draw_dropout,
    draw_order,
    make_optimizer,
)
from clicksmith.generators.tabular.autoregressive_network import AutoregressiveNetwork
from clicksmith.generators.tabular.rows import Rows
from clicksmith.ranks import num_ranks, sum_over_ranks
from clicksmith.seeds import derive_seed

LIKELIHOOD_SHARE = 0.9
"""Of the steps; the rest is the game."""

NUM_CRITIC_STEPS = 1
NUM_WARM_STEPS = 30
"""Steps of the critic alone at the start of the game."""

CRITIC_RATE = 2e-3
GENERATOR_RATE = 5e-4
CRITIC_DECAY = 0.05
CRITIC_EMBEDDING, CRITIC_HIDDEN, CRITIC_DROPOUT = 16, 128, 0.25
MAX_REWARD = 2.0
AVERAGE_DECAY = 0.95
HELD_OUT_TOLERANCE = 0.1
"""Nats a row of held-out likelihood that the game may cost before its weights are refused."""


class CodeCritic(nn.Module):
    """The logit that a row is real, from its codes: a term for each code, and a network over embeddings.

    Args:
        cardinalities: codes of each column.
    """

    def __init__(self, cardinalities: list[int]) -> None:
        super().__init__()
        num_columns, width = len(cardinalities), CRITIC_HIDDEN
        self.offsets: Tensor
        starts = torch.tensor([0, *cardinalities[:-1]]).cumsum(0)
        self.register_buffer("offsets", starts, persistent=False)
        self.terms = nn.Embedding(sum(cardinalities), 1)
        self.embedding = nn.Embedding(sum(cardinalities), CRITIC_EMBEDDING)
        nn.init.zeros_(self.terms.weight)
        nn.init.normal_(self.embedding.weight, std=0.3)
        self.first = nn.Linear(num_columns * CRITIC_EMBEDDING, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 1)
        nn.init.zeros_(self.last.weight)  # every row starts as likely real as not
        nn.init.zeros_(self.last.bias)

    @property
    def num_dropped(self) -> int:
        """Activations of a row that dropout acts on."""
        return self.first.in_features + 2 * CRITIC_HIDDEN

    def forward(self, codes_BC: Tensor, keep: Tensor | None = None) -> Tensor:
        """Logits, (B,); `keep` (B, num_dropped) holds dropout's factors, None drops nothing.

        Arguments may lie on any device.
        """
        index_BC = codes_BC.to(self.offsets.device) + self.offsets
        x = self.embedding(index_BC).flatten(1)
        if keep is None:
            keep = x.new_ones(1, self.num_dropped)
        keep_x, keep_1, keep_2 = keep.to(x.device).split([x.shape[1], CRITIC_HIDDEN, CRITIC_HIDDEN], dim=1)
        x = F.relu(self.first(x * keep_x)) * keep_1
        x = F.relu(self.second(x)) * keep_2
        logits: Tensor = (self.last(x) + self.terms(index_BC).sum(1))[:, 0]
        return logits


class TabularGan(Recipe[Encoded]):
    """The recipe; its first steps are those of `Autoregressive`.

    Args:
        rows: training rows.
        codec: their codec.
        settings: of the run.
    """

    sampler: AutoregressiveNetwork

    def __init__(self, rows: Rows, codec: TableCodec, settings: StepSettings) -> None:
        self.settings = settings
        self.rate_factor: float = 1.0
        self.first_game_step = max(1, round(LIKELIHOOD_SHARE * settings.num_steps))
        likelihood = replace(settings, num_steps=self.first_game_step)
        self._likelihood = Autoregressive(rows, codec, likelihood)
        self.network, self.sampler = self._likelihood.network, self._likelihood.sampler
        torch.manual_seed(derive_seed(settings.seed, "critic"))
        self.critic = CodeCritic(codec.cardinalities)
        self._rows, self._num_columns = rows, len(codec.cardinalities)
        self._in_game = False

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._likelihood.prepare(wrap)
        self._parallel, self._parallel_critic = self._likelihood.parallel, wrap(self.critic)
        self._generator_optimizer = make_optimizer(self.network, GENERATOR_RATE)
        self._critic_optimizer = torch.optim.AdamW(
            self.critic.parameters(), CRITIC_RATE, weight_decay=CRITIC_DECAY, fused=True
        )

    def held_out_tolerance(self, step: int) -> float:
        """See `Recipe.held_out_tolerance`."""
        return HELD_OUT_TOLERANCE if step > self.first_game_step else 0.0

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        if step < self.first_game_step:
            self._likelihood.rate = self.settings.learning_rate * self.rate_factor
            return self._likelihood.step(step, shard)
        if not self._in_game:  # also when a collapse was rolled back to before the game
            self._enter_game(step, shard)
        for number in range(NUM_CRITIC_STEPS):
            critic_loss, fake = self._critic_step(step, number, shard)
        nats, norm = self._generator_step(step, fake, shard)
        follow(self.sampler, self.network, AVERAGE_DECAY, step)
        return {"nats": nats, "gradient_norm": norm, "critic_loss": critic_loss}

    def _enter_game(self, step: int, shard: Shard) -> None:
        """The game starts from the averaged weights, calibrated, with a critic that has seen some rows."""
        self.finish(shard)
        self.network.load_state_dict(self.sampler.state_dict())
        for number in range(-NUM_WARM_STEPS, 0):
            self._critic_step(step, number, shard)
        self._in_game = True

    def finish(self, shard: Shard) -> None:
        """See `Recipe.finish`."""
        self._likelihood.finish(shard)

    def _critic_step(self, step: int, number: int, shard: Shard) -> tuple[Tensor, Tensor]:
        """One update of the critic; returns its loss and the generated rows it was shown."""
        size = self.settings.batch_size
        mine = shard.slice(size)
        stream = step_generator(self.settings.seed, step, "critic", number)
        real = self._rows.batch(self._batch_number(step, number), size, mine)
        first, second = (
            dropout_factors(size, self.critic.num_dropped, CRITIC_DROPOUT, stream, mine) for _ in range(2)
        )
        row_ids = torch.arange(size)[mine].numpy()
        noise = derive_seed(self.settings.seed, "fakes", step, number)
        fake = torch.from_numpy(self.network.sample(noise, row_ids).codes)
        for group in self._critic_optimizer.param_groups:
            group["lr"] = CRITIC_RATE * self.rate_factor
        self._critic_optimizer.zero_grad(set_to_none=True)
        both = torch.cat([real, fake])
        real_logit, fake_logit = self._parallel_critic(both, torch.cat([first, second])).chunk(2)
        loss = F.softplus(-real_logit).mean() + F.softplus(fake_logit).mean()
        torch.autograd.backward(loss)
        self._critic_optimizer.step()
        return loss.detach(), fake

    def _generator_step(self, step: int, fake: Tensor, shard: Shard) -> tuple[Tensor, Tensor]:
        """Likelihood of real rows, and of generated ones as far as the critic takes them for real."""
        size, num_columns = self.settings.batch_size, self._num_columns
        mine = shard.slice(size)
        stream = step_generator(self.settings.seed, step)
        order = draw_order(num_columns, stream)
        keep = draw_dropout(size, num_columns, stream, mine)
        real = self._rows.batch(self._batch_number(step, NUM_CRITIC_STEPS), size, mine)
        with torch.no_grad():
            reward = self.critic(fake).clamp(-MAX_REWARD, MAX_REWARD)
            reward -= sum_over_ranks(reward.mean()) / num_ranks()
        # Falls to nothing over the second half, so that the game ends at rest.
        share = (step - self.first_game_step) / (self.settings.num_steps - self.first_game_step)
        for group in self._generator_optimizer.param_groups:
            group["lr"] = GENERATOR_RATE * self.rate_factor * min(1.0, 2.0 * (1.0 - share))
        self.network.train()
        self._generator_optimizer.zero_grad(set_to_none=True)
        loss_C = self._parallel(real, order, keep, (fake, reward))
        torch.autograd.backward(loss_C.sum())
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self._generator_optimizer.step()
        return loss_C.detach().sum(), norm

    def _batch_number(self, step: int, number: int) -> int:
        """The batch for the critic's update `number`; after the last of these comes the generator's."""
        game_step = step - self.first_game_step
        return self.first_game_step + NUM_WARM_STEPS + game_step * (NUM_CRITIC_STEPS + 1) + number

    def row_nats(self, rows: Encoded) -> Tensor:
        """See `Recipe.row_nats`."""
        return self._likelihood.row_nats(rows)

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        own = {name: part.state_dict() for name, part in self._parts().items()}
        return {**self._likelihood.state_dict(), **own, "in_game": self._in_game}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self._likelihood.load_state_dict(state)
        self._in_game = bool(state["in_game"])
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "critic": self.critic,
            "generator_optimizer": self._generator_optimizer,
            "critic_optimizer": self._critic_optimizer,
        }
