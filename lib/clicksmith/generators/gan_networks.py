"""Networks of the adversarial presets: noise to rows, and packs of rows to scores.

Departures from the published CTGAN (Xu et al. 2019), each for a reason: layer norm for batch norm (a
sampled row depends on its id alone, and data-parallel ranks share no running statistics), quantile
position for mixture components (no fitting), conditions at sampling by true frequencies (so that rare
values are not over-represented).

Shapes: B rows, W width of a dense row, S width of a condition, P rows packed into one critic input.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators import losses
from clicksmith.generators.layout import Layout
from clicksmith.generators.recipe import Sampler
from clicksmith.seeds import counter_normal, counter_uniform, derive_seed

TEMPERATURE = 0.2
MAX_TRIES = 64
SCALAR_SPREAD = 1.6
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


class Scorer(nn.Module):
    """Makes `Critic.score_packs` the forward pass, for ``functional_call``."""

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, packs: Tensor) -> Tensor:
        """Scores, (B / P,), of packed rows (B / P, P * W)."""
        return self.critic.score_packs(packs)
