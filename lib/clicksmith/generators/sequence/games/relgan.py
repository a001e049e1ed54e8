"""RelGAN (Nie et al. 2019, ICLR): gradients through Gumbel-softmax, a relativistic critic of many views.

The generator is the LSTM of `seqgan_network`, one of the two that they tried, not their relational memory. A
token is drawn by the Gumbel-max trick and read next as it is; the critic sees the softmax of its perturbed
logits times an inverse temperature that grows over the game, so that it comes to see nearly single codes.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.recipe import (
    Recipe,
    RowOrder,
    Shard,
    StepSettings,
    Wrap,
    dropout_factors,
    follow,
    step_generator,
)
from clicksmith.generators.sequence.games.relgan_networks import RelaxedGenerator, ViewsCritic
from clicksmith.generators.sequence.games.sampling import TokenSampler
from clicksmith.generators.sequence.games.seqgan import GAME_EVENTS, game_tolerance
from clicksmith.generators.sequence.games.token_likelihood import (
    GRADIENT_NORM,
    Size,
    TokenLikelihood,
    from_the_start,
    make_optimizer,
    update,
)
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.rows import MemorySequences
from clicksmith.seeds import derive_seed

DROPOUT = 0.25


@dataclass(frozen=True)
class RelGanOptions:
    """How the game is played.

    Attributes:
        likelihood_share: of the steps; the rest is the game.
        critic_steps: updates of the critic a step.
        temperature: the inverse one at the end of the game; it grows from 1 by the same factor every step.
        num_views: of the critic, R.
        num_filters: of each width; 300 in the paper, at nine times the cost.
        rate: of Adam for both networks in the game.
        size: of the network.
    """

    likelihood_share: float = 0.9
    critic_steps: int = 5
    temperature: float = 100.0
    num_views: int = 64
    num_filters: int = 100
    rate: float = 1e-4
    size: Size = field(default_factory=Size)


class RelGan(Recipe[EncodedSequences]):
    """The recipe; its first steps are those of `TokenLikelihood`.

    Args:
        rows: training sequences.
        codec: of them.
        settings: of the run.
        options: of the game.
    """

    sampler: TokenSampler

    def __init__(
        self,
        rows: MemorySequences,
        codec: SequenceCodec,
        settings: StepSettings,
        options: RelGanOptions | None = None,
    ) -> None:
        self.settings, self.options, self._data = settings, options or RelGanOptions(), rows.data
        self.rate_factor: float = 1.0
        self.first_game_step = max(1, round(self.options.likelihood_share * settings.num_steps))
        self.phases = (self.first_game_step,)
        self._likelihood = TokenLikelihood(rows, codec, settings, self.options.size)
        self.network, self.sampler = self._likelihood.network, self._likelihood.sampler
        torch.manual_seed(derive_seed(settings.seed, "critic"))
        longest = min(GAME_EVENTS, int(rows.data.lengths.max(initial=1)))
        vocabulary = Vocabulary.of(codec)
        self.critic = ViewsCritic(
            vocabulary, longest * len(vocabulary.events), self.options.num_views, self.options.num_filters
        )
        self.critic.owners.requires_grad_(self.sampler.owners.differ)
        self._order = RowOrder(len(rows.data), derive_seed(settings.seed, "game"))
        self._in_game = False

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._likelihood.prepare(wrap)
        self._parallel, self._parallel_critic = wrap(RelaxedGenerator(self.network)), wrap(self.critic)
        self._generator_optimizer = make_optimizer(self.network, self.options.rate)
        self._critic_optimizer = make_optimizer(self.critic, self.options.rate)

    def held_out_tolerance(self, step: int) -> float:
        """See `Recipe.held_out_tolerance`."""
        return game_tolerance(self._likelihood.mean_tokens) if step > self.first_game_step else 0.0

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        if step < self.first_game_step:
            self._likelihood.rate = self.settings.learning_rate * self.rate_factor
            return self._likelihood.step(step, shard)
        if not self._in_game:  # from the weights kept so far, also after a collapse was rolled back
            self.network.load_state_dict(self.sampler.network.state_dict())
            self._in_game = True
        generator_loss, norm = self._update(step, -1, shard)
        figures = {"generator_loss": generator_loss, "gradient_norm": norm}
        for number in range(self.options.critic_steps):
            figures["critic_loss"], _ = self._update(step, number, shard)
        follow(self.sampler.network, self.network, self.options.size.average, step)
        return figures

    def _update(self, step: int, number: int, shard: Shard) -> tuple[Tensor, Tensor]:
        """One of the critic, or number -1: of the generator. Returns the loss and the gradient's norm."""
        size, of_critic = self.settings.batch_size, number >= 0
        mine, game_step = shard.slice(size), step - self.first_game_step
        stream = step_generator(self.settings.seed, step, "game", number)
        keep = [
            dropout_factors(size, self.options.num_views * self.critic.num_features, DROPOUT, stream, mine)
            for _ in range(2)
        ]
        seed = derive_seed(self.settings.seed, "fakes", step, number)
        drawn = self.sampler.draw_owners(seed, np.arange(size)[mine], Given())
        owners, lengths = (torch.from_numpy(part) for part in drawn)
        sizes = lengths.clamp(max=GAME_EVENTS)
        rows = self._order.rows(game_step * (self.options.critic_steps + 1) + number + 1, size)[mine].numpy()
        real = from_the_start(self._data, rows, GAME_EVENTS)
        temperature = self.options.temperature ** (
            game_step / max(1, self.settings.num_steps - self.first_game_step)
        )
        with torch.set_grad_enabled(not of_critic):
            shares = self._parallel(owners, max(1, int(sizes.max())), temperature, stream, mine, size)
        critic = self._parallel_critic if of_critic else self._frozen
        real_logits = critic(list(real.events.unbind(2)), real.owners, real.sizes, keep[0])
        fake_logits = critic(shares, owners, sizes, keep[1])
        apart = real_logits - fake_logits
        rate = self.options.rate * self.rate_factor
        if of_critic:
            loss = F.softplus(-apart).mean()
            norm = update(self._critic_optimizer, self.critic, loss, rate, GRADIENT_NORM)
        else:
            loss = F.softplus(apart).mean()
            norm = update(self._generator_optimizer, self.network, loss, rate, GRADIENT_NORM)
        return loss.detach(), norm

    def _frozen(self, *arguments: Any) -> Tensor:
        """The critic, its weights constants: no gradient for them, and no data-parallel hook of theirs."""
        weights = {name: value.detach() for name, value in self.critic.named_parameters()}
        logits: Tensor = torch.func.functional_call(self.critic, weights, arguments)
        return logits

    def row_nats(self, rows: EncodedSequences) -> Tensor:
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
