"""Networks of the adversarial presets: noise to rows, and packs of rows to scores.

Departures from the published CTGAN (Xu et al. 2019), each for a reason: layer norm for batch norm (a
sampled row depends on its id alone, and data-parallel ranks share no running statistics), quantile
position for mixture components (no fitting), conditions at sampling by true frequencies (so that rare
values are not over-represented).

Shapes: B rows, W width of a dense row, S width of a condition, P rows packed into one critic input.
"""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators import losses
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.tabular.fixing import Fixed, check_fixed, redraw, require
from clicksmith.generators.tabular.gan_shapes import Loss, Shape
from clicksmith.generators.tabular.layout import Layout
from clicksmith.seeds import counter_normal, counter_uniform, derive_seed

TEMPERATURE = 0.2
SCALAR_SPREAD = 1.6
NOT_BALANCED = -1


class GeneratorNetwork(Sampler[Encoded]):
    """Noise and condition to a row."""

    def __init__(self, codec: TableCodec, shape: Shape) -> None:
        super().__init__()
        self.layout = Layout(codec)
        self.shape = shape
        width = shape.noise + (self.layout.num_flat if shape.conditional else 0)
        self.layers = nn.ModuleList()
        for hidden in shape.generator:
            norm = nn.LayerNorm(hidden) if shape.norm else nn.Identity()
            self.layers.append(nn.Sequential(nn.Linear(width, hidden), norm, nn.ReLU()))
            width = width + hidden if shape.residual else hidden
        self.head = nn.Linear(width, self.layout.width)
        self.frequencies: Tensor
        self.register_buffer("frequencies", torch.zeros(self.layout.num_flat, dtype=torch.float64))
        self.balanced: Tensor
        self.register_buffer("balanced", torch.tensor(NOT_BALANCED))

    def set_frequencies(self, flat: Tensor, balanced: int | None = None) -> None:
        """Keep each mode's share of the training rows; modes never seen are never sampled.

        Args:
            flat: flat mode index of the training rows, shape (N, C).
            balanced: a column whose values are trained on equally often.
        """
        self.balanced.fill_(NOT_BALANCED if balanced is None else balanced)
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

        Rows are drawn until they have their fixed codes, see `redraw`. A conditional preset is given the
        rarest of them. See `Sampler.sample`.
        """
        self.eval()
        fixed = fixed or {}
        check_fixed(self.layout, self.frequencies > 0, fixed)
        given = self._rarest(fixed) if self.shape.conditional and fixed else None
        wanted = fixed if self.shape.conditional else self._restore_shares(seed, row_ids, fixed)

        def draw(attempt: int, purpose: NDArray[np.int64]) -> Encoded:
            return self._draw(attempt, row_ids, None if given is None else given[purpose])

        return require(redraw(draw, seed, len(row_ids), wanted, given), fixed)

    def _rarest(self, fixed: Fixed) -> NDArray[np.int64]:
        """The fixed mode that the fewest training rows have, as a flat index, shape (N,)."""
        flat = [int(self.layout.offsets[k]) + self.layout.modes_of(k, codes) for k, codes in fixed.items()]
        modes = np.stack(flat)
        rarest = self.frequencies.numpy()[modes].argmin(axis=0)
        found: NDArray[np.int64] = modes[rarest, np.arange(modes.shape[1])]
        return found

    def _draw(self, seed: int, row_ids: NDArray[np.int64], given: NDArray[np.int64] | None) -> Encoded:
        layout = self.layout
        uniform = torch.from_numpy(
            counter_uniform(derive_seed(seed, "modes"), row_ids, layout.num_columns + 2)
        )
        noise = torch.from_numpy(
            counter_normal(derive_seed(seed, "noise"), row_ids, self.shape.noise)
        ).float()
        condition = None
        if self.shape.conditional:
            flat = self._conditions(uniform[:, -2:]) if given is None else torch.from_numpy(given)
            condition = F.one_hot(flat, layout.num_flat).float()
        logits, scalars = self._raw(noise, condition)
        probabilities = layout.softmax(logits.double()) * (self.frequencies > 0)
        modes = layout.choose(probabilities, uniform[:, : layout.num_columns])
        return layout.join(modes.numpy(), scalars.numpy())

    def _restore_shares(self, seed: int, row_ids: NDArray[np.int64], fixed: Fixed) -> Fixed:
        """The balanced column's values in their true shares: trained on equally often, all are modelled.

        Values that training has not reached yet are not to be had; then others stay in their place.
        """
        column = int(self.balanced)
        if column == NOT_BALANCED or column in fixed:
            return fixed
        uniform = counter_uniform(derive_seed(seed, "balanced"), row_ids, 1)[:, 0]
        start, size = int(self.layout.offsets[column]), int(self.layout.num_modes[column])
        total = self.frequencies[start : start + size].cumsum(0).numpy()
        codes = np.searchsorted(total, uniform * total[-1], side="right")
        return {**fixed, column: np.minimum(codes, size - 1)}

    def _conditions(self, uniform: Tensor) -> Tensor:
        """Flat modes by their frequency, (B,), of a column drawn evenly."""
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

    def forward(self, real: Tensor, fake: Tensor, mix: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The critic's loss on real and fake rows (B, W), and the scores of both, (B / P,).

        `mix` (B / P, 1) places the points of the gradient penalty.
        """
        num_packs = len(real) // self.packing
        both = self.score(torch.cat([real, fake]))
        real_score, fake_score = both[:num_packs], both[num_packs:]
        scores = real_score.detach(), fake_score.detach()
        if self.loss == "gan":
            return losses.gan_critic_loss(real_score, fake_score), *scores
        loss = losses.wasserstein_critic_loss(real_score, fake_score)
        if self.loss == "wgan_gp":
            packs = (real.reshape(num_packs, -1), fake.reshape(num_packs, -1))
            penalty = losses.gradient_penalty(self.score_packs, *packs, mix)
            loss = loss + losses.PENALTY_WEIGHT * penalty
        return loss, *scores


class Scorer(nn.Module):
    """Makes `Critic.score_packs` the forward pass, for ``functional_call``."""

    def __init__(self, critic: Critic) -> None:
        super().__init__()
        self.critic = critic

    def forward(self, packs: Tensor) -> Tensor:
        """Scores, (B / P,), of packed rows (B / P, P * W)."""
        return self.critic.score_packs(packs)
