"""SeqGAN (Yu et al. 2017, arXiv 1609.05473): likelihood first, then a critic, then policy gradients.

Each event that the generator draws is rewarded by what a critic makes of the sequences that a roll-out policy
completes it to (`rollouts`). On the oracle of the paper its figure alone says little: a constant reward in
place of the critic's may lower it as well. `SeqGanOptions.reward` is that control.
"""

import copy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.losses import gan_critic_loss
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
from clicksmith.generators.sequence.games.critic import HighwayCritic
from clicksmith.generators.sequence.games.rollouts import event_values
from clicksmith.generators.sequence.games.sampling import TokenSampler, draw_events
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
from clicksmith.generators.sequence.rows import MemorySequences, Windows
from clicksmith.seeds import derive_seed

CRITIC_DROPOUT = 0.25
GAME_EVENTS = 32
"""The game is played on the first events of an owner: roll-outs cost the square of their number."""

GAME_COST = 0.2
"""Nats a token of held-out likelihood that the game may cost before its weights are refused. On the paper's
oracle, multiplying the logits by 1.27 costs .17 and does what the game does: one that costs more is worth
nothing."""


@dataclass(frozen=True)
class SeqGanOptions:
    """How the game is played.

    Attributes:
        likelihood_share: of the steps; the rest is the game, whose steps take many times as long.
        warm_steps: updates of the critic alone, at the start of the game.
        critic_steps: updates of the critic a step; the paper's code makes some 4,700, on fewer drawings.
        num_rollouts: of each beginning.
        policy_decay: how slowly the roll-out policy follows the generator.
        reward: the critic's probability of real; or, as a control, 1 for whatever is drawn.
        generator_rate: of Adam, in the game.
        critic_rate: of Adam.
        size: of the network.
    """

    likelihood_share: float = 0.99
    warm_steps: int = 150
    critic_steps: int = 5
    num_rollouts: int = 16
    policy_decay: float = 0.8
    reward: Literal["critic", "constant"] = "critic"
    generator_rate: float = 1e-2
    critic_rate: float = 1e-4
    size: Size = field(default_factory=Size)


class SeqGan(Recipe[EncodedSequences]):
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
        options: SeqGanOptions | None = None,
    ) -> None:
        self.settings, self.options, self._data = settings, options or SeqGanOptions(), rows.data
        self.rate_factor: float = 1.0
        self.first_game_step = max(1, round(self.options.likelihood_share * settings.num_steps))
        self.phases = (self.first_game_step,)
        self._likelihood = TokenLikelihood(rows, codec, settings, self.options.size)
        self.network, self.sampler = self._likelihood.network, self._likelihood.sampler
        self.policy = copy.deepcopy(self.network).requires_grad_(False)
        torch.manual_seed(derive_seed(settings.seed, "critic"))
        longest = min(GAME_EVENTS, int(rows.data.lengths.max(initial=1)))
        vocabulary = Vocabulary.of(codec)
        self.critic = HighwayCritic(vocabulary, longest * len(vocabulary.events))
        self.critic.owners.requires_grad_(self.sampler.owners.differ)
        self._order = RowOrder(len(rows.data), derive_seed(settings.seed, "game"))
        self._in_game = False

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._likelihood.prepare(wrap)
        self._parallel, self._parallel_critic = self._likelihood.parallel, wrap(self.critic)
        self.policy.to(self.network.device)
        self._generator_optimizer = make_optimizer(self.network, self.options.generator_rate)
        self._critic_optimizer = make_optimizer(self.critic, self.options.critic_rate)

    def held_out_tolerance(self, step: int) -> float:
        """See `Recipe.held_out_tolerance`."""
        return game_tolerance(self._likelihood.mean_tokens) if step > self.first_game_step else 0.0

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        if step < self.first_game_step:
            self._likelihood.rate = self.settings.learning_rate * self.rate_factor
            return self._likelihood.step(step, shard)
        if not self._in_game:  # also when a collapse was rolled back to before the game
            self._enter_game(step, shard)
        figures = self._generator_step(step, shard)
        if self.options.reward == "critic":
            for number in range(self.options.critic_steps):
                figures["critic_loss"] = self._critic_step(step, number, shard)
        follow(self.sampler.network, self.network, self.options.size.average, step)
        return figures

    def _enter_game(self, step: int, shard: Shard) -> None:
        """The game starts from the weights kept so far, with a critic that has seen what they draw."""
        self.network.load_state_dict(self.sampler.network.state_dict())
        self.policy.load_state_dict(self.network.state_dict())
        if self.options.reward == "critic":
            for number in range(-self.options.warm_steps, 0):
                self._critic_step(step, number, shard)
        self._in_game = True

    def _fakes(self, step: int, name: str | int, shard: Shard) -> Windows:
        """Generated sequences of this rank, as far as the game sees them."""
        seed = derive_seed(self.settings.seed, "fakes", step, name)
        row_ids = np.arange(self.settings.batch_size)[shard.slice(self.settings.batch_size)]
        owners, lengths = self.sampler.draw_owners(seed, row_ids, Given())
        drawn = draw_events(self.network, seed, row_ids, owners, np.minimum(lengths, GAME_EVENTS))
        return from_the_start(drawn, np.arange(len(row_ids)), GAME_EVENTS)

    def _generator_step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """Raise the likelihood of what was drawn by its reward: summed over the batch, as in their code."""
        size, options = self.settings.batch_size, self.options
        fake = self._fakes(step, "generator", shard)
        if options.reward == "critic":
            row_ids = np.arange(size)[shard.slice(size)]
            seed = derive_seed(self.settings.seed, "rollouts", step)
            value = event_values(
                self.policy, self.critic.probability, fake, options.num_rollouts, seed, row_ids
            )
        else:
            value = fake.mask.float()
        tokens = self.network.vocabulary.tokens(fake.events)
        weight = value.repeat_interleave(len(self.network.vocabulary.events), 1)
        loss = self._parallel(tokens, fake.owners, weight) * size
        rate = options.generator_rate * self.rate_factor
        norm = update(self._generator_optimizer, self.network, loss, rate, GRADIENT_NORM)
        follow_policy(self.policy, self.network, options.policy_decay)
        return {
            "generator_loss": loss.detach() / size,
            "gradient_norm": norm,
            "reward": value.sum() / fake.mask.sum().clamp(min=1),
        }

    def _critic_step(self, step: int, number: int, shard: Shard) -> Tensor:
        """One update of the critic on as many real as generated sequences; returns its loss."""
        size = self.settings.batch_size
        mine = shard.slice(size)
        fake = self._fakes(step, number, shard)
        rows = self._order.rows(self._batch_number(step, number), size)[mine].numpy()
        real = from_the_start(self._data, rows, GAME_EVENTS)
        stream = step_generator(self.settings.seed, step, "critic", number)
        kept = [
            dropout_factors(size, self.critic.num_features, CRITIC_DROPOUT, stream, mine) for _ in range(2)
        ]
        logits = self._parallel_critic(joined(real, fake), torch.cat(kept))
        # A mean over both kinds together, as in the paper's code.
        loss = gan_critic_loss(*logits.chunk(2)) / 2 + self.critic.penalty()
        rate = self.options.critic_rate * self.rate_factor
        update(self._critic_optimizer, self.critic, loss, rate, limit=torch.inf)
        return loss.detach()

    def _batch_number(self, step: int, number: int) -> int:
        game_step = step - self.first_game_step
        return self.options.warm_steps + game_step * self.options.critic_steps + number

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
            "policy": self.policy,
            "critic": self.critic,
            "generator_optimizer": self._generator_optimizer,
            "critic_optimizer": self._critic_optimizer,
        }


def game_tolerance(mean_tokens: float) -> float:
    """What the game may cost a sequence, see `Recipe.held_out_tolerance`."""
    return GAME_COST * mean_tokens


def joined(first: Windows, second: Windows) -> Windows:
    """Sequences of both, padded to the longest."""
    longest = max(first.events.shape[1], second.events.shape[1])
    pad = torch.nn.functional.pad
    parts = (
        replace(w, events=pad(w.events, (0, 0, 0, longest - w.events.shape[1]))) for w in (first, second)
    )
    return Windows(*(torch.cat(both) for both in zip(*(vars(w).values() for w in parts), strict=True)))


def follow_policy(policy: torch.nn.Module, network: torch.nn.Module, decay: float) -> None:
    """Let the roll-out policy follow: `decay` of its own weights, the rest of the generator's."""
    with torch.no_grad():
        for mine, theirs in zip(policy.parameters(), network.parameters(), strict=True):
            mine.lerp_(theirs, 1 - decay)
