"""The adversarial presets in training: ctgan (Xu et al. 2019) and the article's dense_gan.

Both share rows, heads, losses and the loop; a preset is a `Shape`.
"""

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators import losses
from clicksmith.generators.conditions import Conditions
from clicksmith.generators.gan_networks import Critic, GeneratorNetwork, Loss, Scorer, Shape
from clicksmith.generators.recipe import (
    Recipe,
    RowOrder,
    Shard,
    StepSettings,
    Wrap,
    step_generator,
)
from clicksmith.seeds import derive_seed

AVERAGE_DECAY = 0.99


class Adversarial(Recipe):
    """Alternating updates: one of the critic, then one of the generator against the new critic.

    Args:
        data: encoded training rows.
        codec: their codec.
        shape: the preset.
        loss: `gan` or `wgan_gp`.
        settings: of the run.
    """

    def __init__(
        self, data: Encoded, codec: TableCodec, shape: Shape, loss: Loss, settings: StepSettings
    ) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings, self.shape, self.loss = settings, shape, loss
        self.batch_multiple = shape.packing
        self.generator = GeneratorNetwork(codec, shape)
        self.layout = self.generator.layout
        self._flat, self._scalars = self.layout.split(data)
        self.generator.set_frequencies(self._flat)
        self.sampler = copy.deepcopy(self.generator).requires_grad_(False)
        self._conditions = Conditions(self.layout, self._flat) if shape.conditional else None
        self._order = RowOrder(len(data), settings.seed)
        self.critic = Critic(
            self.layout.width + (self.layout.num_flat if shape.conditional else 0), shape, loss
        )

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._parallel_generator, self._parallel_critic = wrap(self.generator), wrap(self.critic)
        options: dict[str, Any] = {
            "lr": self.settings.learning_rate,
            "betas": self.shape.betas,
            "fused": True,
        }
        self._generator_optimizer = torch.optim.Adam(
            self.generator.parameters(), weight_decay=1e-6, **options
        )
        self._critic_optimizer = torch.optim.Adam(self.critic.parameters(), **options)

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`. All draws are for the global batch, of which this rank takes its part."""
        self._set_rates(step)
        size, mine = self.settings.batch_size, shard.slice(self.settings.batch_size)
        stream = step_generator(self.settings.seed, step)
        noise = torch.randn(size, self.shape.noise, generator=stream)[mine]
        uniform = torch.rand(size, self.layout.num_flat, generator=stream)[mine].clamp_(1e-7, 1 - 1e-7)
        gumbel = -torch.log(-torch.log(uniform))
        num_packs = size // self.shape.packing
        mix = torch.rand(num_packs, 1, generator=stream)[shard.slice(num_packs)]
        wanted, condition, real = self._real(step, size, mine, stream)

        fake, logits = self._parallel_generator(noise, condition, gumbel)
        judged = fake if condition is None else torch.cat([fake, condition], dim=1)
        self._critic_optimizer.zero_grad(set_to_none=True)
        critic_loss = self._parallel_critic(real, judged.detach(), mix)
        torch.autograd.backward(critic_loss)
        critic_norm = _norm(self.critic)
        self._critic_optimizer.step()

        self._generator_optimizer.zero_grad(set_to_none=True)
        # The critic's weights as constants: no gradient for them, and no data-parallel hook of theirs.
        frozen = {name: value.detach() for name, value in self.critic.named_parameters()}
        packs = judged.reshape(len(judged) // self.shape.packing, -1)
        score = torch.func.functional_call(
            Scorer(self.critic), {f"critic.{k}": v for k, v in frozen.items()}, (packs,)
        )
        loss = (
            losses.gan_generator_loss(score)
            if self.loss == "gan"
            else losses.wasserstein_generator_loss(score)
        )
        figures = {"critic_loss": critic_loss.detach(), "generator_loss": loss.detach()}
        if wanted is not None:
            normalizer = self.layout.log_normalizers(logits).gather(1, self.layout.segments[wanted][:, None])
            condition_loss = (normalizer - logits.gather(1, wanted[:, None])).mean()
            figures["condition_loss"] = condition_loss.detach()
            loss = loss + condition_loss
        torch.autograd.backward(loss)
        figures |= {"critic_gradient_norm": critic_norm, "generator_gradient_norm": _norm(self.generator)}
        self._generator_optimizer.step()
        self._follow(step)
        return figures

    def _follow(self, step: int) -> None:
        """Let the sampler's weights follow the generator's as a moving average (Yazici et al. 2019).

        Two networks that chase each other circle around their equilibrium; the average lies nearer to it.
        """
        keep = min(AVERAGE_DECAY, (1 + step) / (10 + step))
        with torch.no_grad():
            for average, weight in zip(self.sampler.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(weight, 1 - keep)

    def _set_rates(self, step: int) -> None:
        """Constant, then falling linearly to a tenth over the second half."""
        rate = self.settings.learning_rate * min(1.0, 1.9 - 1.8 * step / self.settings.num_steps)
        for optimizer in (self._generator_optimizer, self._critic_optimizer):
            for group in optimizer.param_groups:
                group["lr"] = rate

    def _real(
        self, step: int, size: int, mine: slice, stream: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Flat modes wanted of the fake rows, their condition vectors, and the critic's real rows."""
        if self._conditions is None:
            rows = self._order.rows(step, size)[mine]
            return None, None, self.layout.dense(self._flat[rows], self._scalars[rows])
        modes, rows = self._conditions.draw(size, stream)
        # Real rows come in another order: a pack of them does not share the conditions of a pack of fakes.
        order = torch.randperm(size, generator=stream)[mine]
        condition = F.one_hot(modes[mine], self.layout.num_flat).float()
        real_condition = F.one_hot(modes[order], self.layout.num_flat).float()
        dense = self.layout.dense(self._flat[rows[order]], self._scalars[rows[order]])
        return modes[mine], condition, torch.cat([dense, real_condition], dim=1)

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {
            "generator": self.generator,
            "critic": self.critic,
            "sampler": self.sampler,
            "generator_optimizer": self._generator_optimizer,
            "critic_optimizer": self._critic_optimizer,
        }


def _norm(module: nn.Module) -> Tensor:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    return norm
