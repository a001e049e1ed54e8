"""The adversarial presets: ctgan (Xu et al. 2019) and the article's dense_gan.

Both share rows, heads, losses and the loop; a preset is a `Shape`. Departures from the published
CTGAN, each for a reason: layer norm for batch norm (a sampled row depends on its id alone, and
data-parallel ranks share no running statistics), quantile position for mixture components (no
fitting), conditions at sampling by true frequencies (so that rare values are not over-represented).

Shapes: B rows, W width of a dense row, S width of a condition, P rows packed into one critic input.
"""

import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators import losses
from clicksmith.generators.conditions import Conditions
from clicksmith.generators.layout import Layout
from clicksmith.generators.recipe import (
    Recipe,
    RowOrder,
    Sampler,
    Shard,
    StepSettings,
    Wrap,
    step_generator,
)
from clicksmith.seeds import counter_normal, counter_uniform, derive_seed

TEMPERATURE = 0.2
MAX_TRIES = 64
SCALAR_SPREAD = 1.6
AVERAGE_DECAY = 0.99
Loss = Literal["gan", "wgan_gp"]


@dataclass(frozen=True)
class Shape:
    """What distinguishes the adversarial presets.

    Attributes:
        noise: width of z.
        generator: widths of its hidden layers.
        critic: widths of its hidden layers.
        residual: whether each generator layer's input is concatenated to its output.
        conditional: whether rows are conditioned on one of their modes.
        packing: rows that the critic judges together (Lin et al. 2018).
        loss: unless the configuration says otherwise.
        learning_rate: unless the configuration says otherwise.
        betas: of Adam.
    """

    noise: int
    generator: tuple[int, ...]
    critic: tuple[int, ...]
    residual: bool
    conditional: bool
    packing: int
    loss: Loss
    learning_rate: float
    betas: tuple[float, float]


CTGAN = Shape(128, (256, 256), (256, 256), True, True, 10, "wgan_gp", 1e-3, (0.5, 0.9))
DENSE_GAN = Shape(
    100, (128, 256, 512, 1024, 2048), (128, 256, 512, 1024), False, False, 1, "gan", 2e-4, (0.5, 0.999)
)


class GeneratorNetwork(Sampler):
    """Noise and condition to a row."""

    def __init__(self, codec: TableCodec, shape: Shape) -> None:
        super().__init__()
        self.layout = Layout(codec)
        self.shape = shape
        width = shape.noise + (self.layout.num_flat if shape.conditional else 0)
        self.layers = nn.ModuleList()
        for hidden in shape.generator:
            norm = nn.LayerNorm(hidden)
            self.layers.append(nn.Sequential(nn.Linear(width, hidden), norm, nn.ReLU()))
            width = width + hidden if shape.residual else hidden
        self.head = nn.Linear(width, self.layout.width)
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.zeros(self.layout.num_flat, dtype=torch.float64))

    def set_frequencies(self, flat: Tensor) -> None:
        """Keep each mode's share of the training rows; modes never seen are never sampled."""
        counts = torch.bincount(flat.flatten(), minlength=self.layout.num_flat)
        self.frequencies.copy_(counts.double() / len(flat))
        with torch.no_grad():
            self.head.bias[: self.layout.num_flat] = torch.log(self.frequencies.clamp(min=1e-6)).float()
            # Scalars are uniform in the data; with this spread their tanh starts close to that.
            self.head.weight[self.layout.num_flat :] *= SCALAR_SPREAD

    def forward(self, noise: Tensor, condition: Tensor | None, gumbel: Tensor) -> tuple[Tensor, Tensor]:
        """Soft rows (B, W) by Gumbel soft-max (Jang et al. 2017), and the logits (B, S)."""
        logits, scalars = self._raw(noise, condition)
        soft = self.layout.softmax((logits + gumbel) / TEMPERATURE)
        return torch.cat([soft, scalars], dim=1), logits

    def _raw(self, noise: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        x = noise if condition is None else torch.cat([noise, condition], dim=1)
        for layer in self.layers:
            hidden = layer(x)
            x = torch.cat([hidden, x], dim=1) if self.shape.residual else hidden
        raw = self.head(x)
        return raw[:, : self.layout.num_flat], torch.tanh(raw[:, self.layout.num_flat :])

    @torch.inference_mode()
    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        """One pass; modes by inverse cumulated probability, which is what arg max with Gumbel noise draws.

        A conditional preset gets a fixed code as its condition (only one column may be fixed). The other
        draws anew up to `MAX_TRIES` times the rows that do not have the code; those few that never
        have it are given it.
        """
        self.eval()
        if self.shape.conditional or not fixed:
            modes, scalars = self._draw(seed, row_ids, fixed)
        else:
            modes, scalars = self._reject(seed, row_ids, fixed)
        for column, codes in (fixed or {}).items():
            modes[:, column] = codes
        return self.layout.join(modes, scalars)

    def _draw(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        layout = self.layout
        uniform = torch.from_numpy(
            counter_uniform(derive_seed(seed, "modes"), row_ids, layout.num_columns + 2)
        )
        noise = torch.from_numpy(
            counter_normal(derive_seed(seed, "noise"), row_ids, self.shape.noise)
        ).float()
        condition = None
        if self.shape.conditional:
            condition = F.one_hot(self._conditions(uniform[:, -2:], fixed), layout.num_flat).float()
        logits, scalars = self._raw(noise, condition)
        probabilities = layout.softmax(logits.double()) * (self.frequencies > 0)
        return layout.choose(probabilities, uniform[:, : layout.num_columns]).numpy(), scalars.numpy()

    def _reject(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        modes, scalars = self._draw(seed, row_ids, None)
        for attempt in range(1, MAX_TRIES):
            wrong = np.any([modes[:, column] != codes for column, codes in fixed.items()], axis=0)
            if not wrong.any():
                break
            # Whole blocks again: a row's floats must not depend on how many others were wrong.
            other_modes, other_scalars = self._draw(derive_seed(seed, "attempt", attempt), row_ids, None)
            modes[wrong], scalars[wrong] = other_modes[wrong], other_scalars[wrong]
        return modes, scalars

    def _conditions(self, uniform: Tensor, fixed: dict[int, NDArray[np.int64]] | None) -> Tensor:
        if fixed:
            ((column, codes),) = fixed.items()
            return self.layout.offsets[column] + torch.from_numpy(codes)
        column_of_row = (uniform[:, 0] * self.layout.num_columns).long()
        cumulated = torch.cat([torch.zeros(1, dtype=torch.float64), self.frequencies.cumsum(0)])
        # Frequencies add up to 1 in each column, so column c covers [c, c + 1).
        target = column_of_row + uniform[:, 1]
        flat = torch.searchsorted(cumulated, target, right=True) - 1
        return flat.clamp_(max=self.layout.num_flat - 1)


class Critic(nn.Module):
    """Scores packs of rows; its forward pass is its training loss."""

    def __init__(self, width: int, shape: Shape, loss: Loss) -> None:
        super().__init__()
        self.packing, self.loss = shape.packing, loss
        layers: list[nn.Module] = []
        width *= shape.packing
        for hidden in shape.critic:
            layers += [nn.Linear(width, hidden), nn.LeakyReLU(0.2)]
            width = hidden
        self.net = nn.Sequential(*layers, nn.Linear(width, 1))

    def score(self, rows: Tensor) -> Tensor:
        """Scores of packs, (B / P,), from rows (B, W)."""
        return self.score_packs(rows.reshape(len(rows) // self.packing, -1))

    def score_packs(self, packs: Tensor) -> Tensor:
        """Scores, (B / P,), of packed rows (B / P, P * W)."""
        scores: Tensor = self.net(packs)
        return scores[:, 0]

    def forward(self, real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
        """The critic's loss on real and fake rows (B, W); `mix` (B / P, 1) places the penalty's points."""
        num_packs = len(real) // self.packing
        both = self.score(torch.cat([real, fake]))
        real_score, fake_score = both[:num_packs], both[num_packs:]
        if self.loss == "gan":
            return losses.gan_critic_loss(real_score, fake_score)
        packs = (real.reshape(num_packs, -1), fake.reshape(num_packs, -1))
        penalty = losses.gradient_penalty(self.score_packs, *packs, mix)
        return losses.wasserstein_critic_loss(real_score, fake_score) + losses.PENALTY_WEIGHT * penalty


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
            _Scorer(self.critic), {f"critic.{k}": v for k, v in frozen.items()}, (packs,)
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


class _Scorer(nn.Module):
    """Makes `Critic.score_packs` the forward pass, for ``functional_call``."""

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, packs: Tensor) -> Tensor:
        return self.critic.score_packs(packs)


def _norm(module: nn.Module) -> Tensor:
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    return norm
