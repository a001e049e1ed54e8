"""The variational control of Xu et al. (2019), TVAE: two small networks and a bound on the likelihood.

Departures: rows as all presets here see them (`Layout`: the position among the training quantiles for
mixture components), and the plain bound, whose reconstruction the published code counts twice.

Shapes: B rows, W width of a dense row, C columns, K numeric columns, S sum of the modes, Z latent.
"""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import Recipe, RowOrder, Sampler, Shard, StepSettings, Wrap, step_generator
from clicksmith.generators.tabular.fixing import check_fixed, redraw, require
from clicksmith.generators.tabular.layout import Layout
from clicksmith.seeds import counter_normal, counter_uniform, derive_seed

LATENT = 128
HIDDEN = 128
LEARNING_RATE = 1e-3
WEIGHT_DECAY = 1e-5
FIRST_SPREAD = 0.1
LEAST_SPREAD = 0.01
HELD_OUT_BATCH = 2048


class Decoder(Sampler[Encoded]):
    """Latent numbers to a row: a soft-max over each column's modes, a normal around each scalar."""

    def __init__(self, codec: TableCodec) -> None:
        super().__init__()
        self.layout = Layout(codec)
        self.net = nn.Sequential(nn.Linear(LATENT, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU())
        self.head = nn.Linear(HIDDEN, self.layout.width)
        self.spread = nn.Parameter(torch.full((self.layout.num_scalars,), FIRST_SPREAD))
        self.seen: Tensor
        self.register_buffer("seen", torch.ones(self.layout.num_flat, dtype=torch.bool))

    def set_frequencies(self, flat: Tensor) -> None:
        """Start the heads at the log frequencies; modes never seen are never sampled."""
        counts = torch.bincount(flat.flatten(), minlength=self.layout.num_flat)
        self.seen.copy_(counts > 0)
        with torch.no_grad():
            shares = (counts.double() / len(flat)).clamp(min=1e-6)
            self.head.bias[: self.layout.num_flat] = shares.log().float()

    def forward(self, latent: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits (B, S), scalars' means (B, K) and spreads (K,) of latent numbers (B, Z)."""
        raw = self.head(self.net(latent))
        modes, scalars = raw[:, : self.layout.num_flat], raw[:, self.layout.num_flat :]
        return modes, torch.tanh(scalars), self.spread.clamp(LEAST_SPREAD, 1.0)

    @torch.inference_mode()
    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        """From the prior, until rows have their fixed codes, see `redraw`. See `Sampler.sample`."""
        self.eval()
        fixed = fixed or {}
        check_fixed(self.layout, self.seen, fixed)
        return require(
            redraw(lambda attempt, _: self._draw(attempt, row_ids), seed, len(row_ids), fixed), fixed
        )

    def _draw(self, seed: int, row_ids: NDArray[np.int64]) -> Encoded:
        layout = self.layout
        uniform = torch.from_numpy(counter_uniform(derive_seed(seed, "modes"), row_ids, layout.num_columns))
        noise = counter_normal(derive_seed(seed, "noise"), row_ids, LATENT + layout.num_scalars)
        normal = torch.from_numpy(noise).float()
        logits, means, spreads = self(normal[:, :LATENT])
        modes = layout.choose(layout.softmax(logits.double()) * self.seen, uniform).numpy()
        return layout.join(modes, (means + spreads * normal[:, LATENT:]).clamp(-1, 1).numpy())


class Autoencoder(nn.Module):
    """Encoder and decoder; the forward pass is the bound."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder
        self.encoder = nn.Sequential(
            nn.Linear(decoder.layout.width, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, HIDDEN),
            nn.ReLU(),
            nn.Linear(HIDDEN, 2 * LATENT),
        )

    def forward(self, flat: Tensor, scalars: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Upper bound of the nats of each row, in its two parts, shapes (B,).

        Args:
            flat: flat mode indices, shape (B, C).
            scalars: shape (B, K).
            noise: standard normal, shape (B, Z).

        Returns:
            Nats of the reconstruction, in codes (a scalar's density times the width of its bin) so that
            they compare with those of other presets; and the divergence from the prior.
        """
        layout = self.decoder.layout
        mean, log_variance = self.encoder(layout.dense(flat, scalars)).chunk(2, dim=1)
        logits, means, spreads = self.decoder(mean + noise * (log_variance / 2).exp())
        nats = (layout.log_normalizers(logits) - logits.gather(1, flat)).sum(1)
        density = ((scalars - means) / spreads) ** 2 / 2 + (spreads * math.sqrt(2 * math.pi)).log()
        widths = torch.as_tensor(2 / layout.num_bins[layout.numeric], dtype=torch.float32)
        continuous = (flat == layout.last)[:, torch.from_numpy(layout.numeric)]
        nats = nats + ((density - widths.log()) * continuous).sum(1)
        divergence = (mean**2 + log_variance.exp() - 1 - log_variance).sum(1) / 2
        return nats, divergence


class Variational(Recipe[Encoded]):
    """Adam on the bound.

    Args:
        data: encoded training rows.
        codec: their codec.
        settings: of the run.
    """

    def __init__(self, data: Encoded, codec: TableCodec, settings: StepSettings) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings = settings
        self.sampler = self._decoder = Decoder(codec)
        self._flat, self._scalars = self._decoder.layout.split(data)
        self._decoder.set_frequencies(self._flat)
        self.network = Autoencoder(self._decoder)
        self._order = RowOrder(len(data), settings.seed)

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._parallel = wrap(self.network)
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=WEIGHT_DECAY, fused=True
        )

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        size, mine = self.settings.batch_size, shard.slice(self.settings.batch_size)
        rows = self._order.rows(step, size)[mine]
        noise = torch.randn(size, LATENT, generator=step_generator(self.settings.seed, step))[mine]
        self._optimizer.zero_grad(set_to_none=True)
        nats, divergence = (
            part.mean() for part in self._parallel(self._flat[rows], self._scalars[rows], noise)
        )
        torch.autograd.backward(nats + divergence)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), torch.inf)
        self._optimizer.step()
        return {
            "nats": (nats + divergence).detach(),
            "divergence": divergence.detach(),
            "gradient_norm": norm,
        }

    @torch.inference_mode()
    def row_nats(self, rows: Encoded) -> Tensor:
        """See `Recipe.row_nats`: an upper bound, always from the same noise on the same rows."""
        stream = step_generator(self.settings.seed, 0, "held_out")
        parts = (torch.split(part, HELD_OUT_BATCH) for part in self._decoder.layout.split(rows))
        found = []
        for flat, scalars in zip(*parts, strict=True):
            noise = torch.randn(len(flat), LATENT, generator=stream)
            found.append(torch.stack(self.network(flat, scalars, noise)).sum(0))
        return torch.cat(found)

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _parts(self) -> dict[str, Any]:
        return {"sampler": self._decoder, "encoder": self.network.encoder, "optimizer": self._optimizer}
