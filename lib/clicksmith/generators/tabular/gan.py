"""The adversarial presets in training; a preset is a `Shape`, see `gan_shapes`.

All share rows, heads, losses and the loop: some updates of the critic, then one of the generator
against the new critic. Shapes: B rows of this rank, W width of a dense row, S width of a condition.
"""

import copy
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators import losses
from clicksmith.generators.balance import RateBalance, critic_advantage
from clicksmith.generators.recipe import (
    Recipe,
    RowOrder,
    Shard,
    StepSettings,
    Wrap,
    follow,
    step_generator,
)
from clicksmith.generators.tabular.conditions import BalancedRows, Conditions
from clicksmith.generators.tabular.gan_networks import Critic, GeneratorNetwork, Scorer
from clicksmith.generators.tabular.gan_shapes import WEIGHT_LIMIT, Loss, Shape
from clicksmith.seeds import derive_seed


@dataclass(frozen=True)
class _Batch:
    """One rank's part of a global batch.

    Attributes:
        noise: shape (B, z).
        gumbel: shape (B, S).
        mix: where the gradient penalty is taken, a number a pack.
        wanted: flat modes that the generated rows must have, shape (B,), or None.
        condition: their vectors, shape (B, S), or None.
        real: the critic's real rows, with their conditions.
    """

    noise: Tensor
    gumbel: Tensor
    mix: Tensor
    wanted: Tensor | None
    condition: Tensor | None
    real: Tensor

    def judged(self, fake: Tensor) -> Tensor:
        """What the critic sees of generated rows (B, W): the condition comes with them."""
        return fake if self.condition is None else torch.cat([fake, self.condition], dim=1)


class Adversarial(Recipe[Encoded]):
    """Alternating updates of two networks.

    Args:
        data: encoded training rows.
        codec: their codec.
        shape: the preset, with all that the configuration changes of it.
        loss: of both networks.
        settings: of the run.
        balanced: a column whose values are trained on equally often.
    """

    def __init__(
        self,
        data: Encoded,
        codec: TableCodec,
        shape: Shape,
        loss: Loss,
        settings: StepSettings,
        balanced: int | None = None,
    ) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings, self.shape, self.loss = settings, shape, loss
        self.rate_factor: float = 1.0
        self.generator = GeneratorNetwork(codec, shape)
        self.layout = self.generator.layout
        self._flat, self._scalars = self.layout.split(data)
        self.generator.set_frequencies(self._flat, balanced)
        self.sampler = copy.deepcopy(self.generator).requires_grad_(False)
        self._conditions = Conditions(self.layout, self._flat, balanced) if shape.conditional else None
        self._order = RowOrder(len(data), settings.seed)
        self._balanced_rows = None if balanced is None else BalancedRows(self._flat[:, balanced])
        self.critic = Critic(
            self.layout.width + (self.layout.num_flat if shape.conditional else 0), shape, loss
        )
        self._balance = RateBalance() if shape.adaptive else None

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._parallel_generator, self._parallel_critic = wrap(self.generator), wrap(self.critic)
        self._generator_optimizer = self._optimizer(self.generator, 1e-6)
        self._critic_optimizer = self._optimizer(self.critic, 0.0)

    def _optimizer(self, network: nn.Module, weight_decay: float) -> torch.optim.Optimizer:
        rate = self.settings.learning_rate
        if self.shape.betas is None:
            return torch.optim.RMSprop(network.parameters(), lr=rate)
        return torch.optim.Adam(
            network.parameters(), lr=rate, betas=self.shape.betas, weight_decay=weight_decay, fused=True
        )

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`. All draws are for the global batch, of which this rank takes its part."""
        self._set_rates(step)
        for extra in range(self.shape.critic_steps - 1):
            batch = self._draw(step, extra, shard)
            with torch.no_grad():
                fake, _ = self.generator(batch.noise, batch.condition, batch.gumbel)
            self._train_critic(batch, batch.judged(fake))
        batch = self._draw(step, self.shape.critic_steps - 1, shard)
        fake, logits = self._parallel_generator(batch.noise, batch.condition, batch.gumbel)
        figures = self._train_critic(batch, batch.judged(fake.detach()))
        figures |= self._train_generator(batch, fake, logits)
        follow(self.sampler, self.generator, self.shape.average, step)
        return figures

    def _draw(self, step: int, critic_step: int, shard: Shard) -> _Batch:
        size, mine = self.settings.batch_size, shard.slice(self.settings.batch_size)
        last = critic_step == self.shape.critic_steps - 1
        names: tuple[str | int, ...] = () if last else ("critic", critic_step)
        stream = step_generator(self.settings.seed, step, *names)
        noise = torch.randn(size, self.shape.noise, generator=stream)[mine]
        uniform = torch.rand(size, self.layout.num_flat, generator=stream)[mine].clamp_(1e-7, 1 - 1e-7)
        num_packs = size // self.shape.packing
        mix = torch.rand(num_packs, 1, generator=stream)[shard.slice(num_packs)]
        order = step * self.shape.critic_steps + critic_step
        wanted, condition, real = self._real(order, size, mine, stream)
        return _Batch(noise, -torch.log(-torch.log(uniform)), mix, wanted, condition, real)

    def _real(
        self, order: int, size: int, mine: slice, stream: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Flat modes wanted of the fake rows, their condition vectors, and the critic's real rows."""
        if self._conditions is None:
            rows = (
                self._order.rows(order, size)
                if self._balanced_rows is None
                else self._balanced_rows.draw(size, stream)
            )[mine]
            return None, None, self.layout.dense(self._flat[rows], self._scalars[rows])
        modes, rows = self._conditions.draw(size, stream)
        # Real rows come in another order: a pack of them does not share the conditions of a pack of fakes.
        other = torch.randperm(size, generator=stream)[mine]
        condition = F.one_hot(modes[mine], self.layout.num_flat).float()
        real_condition = F.one_hot(modes[other], self.layout.num_flat).float()
        dense = self.layout.dense(self._flat[rows[other]], self._scalars[rows[other]])
        return modes[mine], condition, torch.cat([dense, real_condition], dim=1)

    def _train_critic(self, batch: _Batch, judged: Tensor) -> dict[str, Tensor]:
        self._critic_optimizer.zero_grad(set_to_none=True)
        loss, *scores = self._parallel_critic(batch.real, judged, batch.mix)
        torch.autograd.backward(loss)
        norm = _limit_gradient(self.critic, self.shape.gradient_clip)
        self._critic_optimizer.step()
        if self.loss == "wgan":
            with torch.no_grad():
                for weight in self.critic.parameters():
                    weight.clamp_(-WEIGHT_LIMIT, WEIGHT_LIMIT)
        figures = {"critic_loss": loss.detach(), "critic_gradient_norm": norm}
        if self._balance is not None:
            figures["critic_advantage"] = critic_advantage(*scores)
            self._balance.update(figures["critic_advantage"])
        return figures

    def _train_generator(self, batch: _Batch, fake: Tensor, logits: Tensor) -> dict[str, Tensor]:
        self._generator_optimizer.zero_grad(set_to_none=True)
        # The critic's weights as constants: no gradient for them, and no data-parallel hook of theirs.
        frozen = {f"critic.{name}": value.detach() for name, value in self.critic.named_parameters()}
        judged = batch.judged(fake)
        packs = judged.reshape(len(judged) // self.shape.packing, -1)
        score = torch.func.functional_call(Scorer(self.critic), frozen, (packs,))
        adversarial = losses.gan_generator_loss if self.loss == "gan" else losses.wasserstein_generator_loss
        loss = adversarial(score)
        figures = {"generator_loss": loss.detach()}
        if batch.wanted is not None:
            segments = self.layout.segments[batch.wanted][:, None]
            normalizer = self.layout.log_normalizers(logits).gather(1, segments)
            condition_loss = (normalizer - logits.gather(1, batch.wanted[:, None])).mean()
            figures["condition_loss"] = condition_loss.detach()
            loss = loss + condition_loss
        torch.autograd.backward(loss)
        figures["generator_gradient_norm"] = _limit_gradient(self.generator, self.shape.gradient_clip)
        self._generator_optimizer.step()
        return figures

    def _set_rates(self, step: int) -> None:
        """Constant, or falling linearly to a tenth over the second half; then what the measures say."""
        rate = self.settings.learning_rate * self.rate_factor
        if self.shape.decay:
            rate *= min(1.0, 1.9 - 1.8 * step / self.settings.num_steps)
        factors = (1.0, 1.0) if self._balance is None else self._balance.factors()
        for optimizer, factor in zip(
            (self._generator_optimizer, self._critic_optimizer), factors, strict=True
        ):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        parts: dict[str, Any] = {
            "generator": self.generator,
            "critic": self.critic,
            "sampler": self.sampler,
            "generator_optimizer": self._generator_optimizer,
            "critic_optimizer": self._critic_optimizer,
        }
        return parts if self._balance is None else {**parts, "balance": self._balance}


def _limit_gradient(network: nn.Module, limit: float | None) -> Tensor:
    """Scale the gradient down to `limit`; returns its norm before, over all ranks' mean gradient."""
    return nn.utils.clip_grad_norm_(network.parameters(), torch.inf if limit is None else limit)
