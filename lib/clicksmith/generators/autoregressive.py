"""The autoregressive maximum-likelihood generator: column by column, each given those before it.

Every value is a category. For column k the embeddings of the columns before it are projected and
summed, then pass a ReLU, one residual layer and a linear head whose bias starts at the column's log
frequencies. The projections of all columns form one block-triangular matrix, so that a training step
is a few large products. It is the control that an adversarial generator has to beat.

Shapes: B rows, C columns, E embedding, H hidden, S sum of the cardinalities.
"""

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.table import Encoded
from clicksmith.generators.recipe import (
    Recipe,
    RowOrder,
    Sampler,
    Shard,
    StepSettings,
    Wrap,
    keep_three_quarters,
    one_cycle,
    step_generator,
)
from clicksmith.seeds import counter_uniform, derive_seed

EMBEDDING = 16
HIDDEN = 128
DROPOUT = 0.25
NUM_KEPT = 3
"""Embeddings of the first columns, the labels, are never dropped: that would blur what depends on them."""
GRADIENT_NORM = 1.0
LEARNING_RATE = 3e-3


class AutoregressiveNetwork(Sampler):
    """The network; its forward pass is the training loss.

    Args:
        cardinalities: codes of each column, in the order of generation.
    """

    def __init__(self, cardinalities: list[int]) -> None:
        super().__init__()
        self.cardinalities = cardinalities
        self.offsets: Tensor
        self.mask: Tensor
        self.seen: Tensor
        num_columns, num_codes = len(cardinalities), sum(cardinalities)
        offsets = np.concatenate([[0], np.cumsum(cardinalities)])
        self.register_buffer("offsets", torch.from_numpy(offsets[:-1].astype(np.int64)), persistent=False)
        mask = torch.ones(num_columns, num_columns).triu(1)  # [j, k]: column k reads column j < k
        mask = mask.repeat_interleave(EMBEDDING, 0).repeat_interleave(HIDDEN, 1)
        self.register_buffer("mask", mask, persistent=False)
        self.register_buffer("seen", torch.ones(num_codes, dtype=torch.bool))
        self.embedding = nn.Embedding(num_codes, EMBEDDING)
        nn.init.normal_(self.embedding.weight, std=0.5)
        self.project = nn.Parameter(torch.randn(num_columns * EMBEDDING, num_columns * HIDDEN))
        fan_in = (torch.arange(num_columns) * EMBEDDING).clamp(min=1).repeat_interleave(HIDDEN)
        self.project.data *= (2.0 / fan_in).sqrt()
        self.project_bias = nn.Parameter(torch.zeros(num_columns * HIDDEN))
        self.residual = nn.Parameter(torch.randn(num_columns, HIDDEN, HIDDEN) / HIDDEN**0.5)
        self.residual_bias = nn.Parameter(torch.zeros(num_columns, 1, HIDDEN))
        self.head = nn.Parameter(torch.randn(num_codes, HIDDEN) * 0.3 / HIDDEN**0.5)
        self.head_bias = nn.Parameter(torch.zeros(num_codes))

    def set_frequencies(self, codes: NDArray[np.int64]) -> None:
        """Start each head at the log frequencies of its column; codes never seen are never sampled."""
        counts = [np.bincount(codes[:, k], minlength=c) for k, c in enumerate(self.cardinalities)]
        self.head_bias.data = torch.from_numpy(
            np.log(np.concatenate([(c + 1) / (c + 1).sum() for c in counts]))
        ).float()
        self.seen.copy_(torch.from_numpy(np.concatenate(counts) > 0))

    @property
    def num_dropped(self) -> int:
        """Activations of a row that dropout acts on."""
        return len(self.cardinalities) * (EMBEDDING + 2 * HIDDEN)

    def forward(self, codes_BC: Tensor, keep: Tensor | None = None) -> Tensor:
        """Nats of each column, mean over the rows, shape (C,).

        Args:
            codes_BC: encoded rows.
            keep: 0 where dropout acts, otherwise 1, shape (B, num_dropped); None drops nothing.
        """
        num_rows, num_columns = codes_BC.shape
        shape_BCH = (num_rows, num_columns, HIDDEN)
        x_BE = self.embedding(codes_BC + self.offsets).flatten(1)
        scale = 1.0
        if keep is not None:
            scale = 1 / (1 - DROPOUT)  # applied to the weights, which are smaller than the activations
            keep = keep.clone()
            keep[:, : NUM_KEPT * EMBEDDING] = 1 / scale
            width = num_columns * HIDDEN
            keep_x, keep_h, keep_r = torch.split(keep, [num_columns * EMBEDDING, width, width], dim=1)
            x_BE = x_BE * keep_x
        h_BCH = F.relu(torch.addmm(self.project_bias, x_BE, self.project * self.mask * scale)).view(shape_BCH)
        r_BCH = h_BCH if keep is None else h_BCH * keep_h.reshape(shape_BCH)
        r_CBH = torch.baddbmm(self.residual_bias, r_BCH.transpose(0, 1), self.residual * scale)
        h_CBH = h_BCH.transpose(0, 1) + F.relu(r_CBH)
        if keep is not None:
            h_CBH = h_CBH * keep_r.reshape(shape_BCH).transpose(0, 1)
        heads = zip(
            h_CBH.unbind(0),
            torch.split(self.head * scale, self.cardinalities),
            torch.split(self.head_bias, self.cardinalities),
            codes_BC.unbind(1),
            strict=True,
        )
        return torch.stack([F.cross_entropy(F.linear(h, w, b), target) for h, w, b, target in heads])

    @torch.inference_mode()
    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        """Column by column by inverse cumulated probability, one uniform a cell. See `Sampler.sample`.

        Fixed codes are exact conditions on the columns after them: put such columns first.
        """
        self.eval()
        num_columns = len(self.cardinalities)
        uniform = counter_uniform(seed, row_ids, 2 * num_columns)
        pick = torch.from_numpy(uniform[:, :num_columns].T.copy())
        codes_BC = torch.empty(len(row_ids), num_columns, dtype=torch.int64)
        x_BE = torch.zeros(len(row_ids), num_columns * EMBEDDING)
        start = 0
        for k, cardinality in enumerate(self.cardinalities):
            end = start + cardinality
            if fixed and k in fixed:
                codes_BC[:, k] = torch.from_numpy(fixed[k])
            else:
                logits = self._logits(k, x_BE, slice(start, end))
                total = logits.double().softmax(1).cumsum_(1)
                code = torch.searchsorted(total, (pick[k] * total[:, -1])[:, None], right=True)[:, 0]
                codes_BC[:, k] = code.clamp_(max=cardinality - 1)
            x_BE[:, k * EMBEDDING : (k + 1) * EMBEDDING] = self.embedding.weight[start + codes_BC[:, k]]
            start = end
        return Encoded(codes_BC.numpy(), uniform[:, num_columns:].astype(np.float32))

    def _logits(self, k: int, x_BE: Tensor, codes: slice) -> Tensor:
        known, block = k * EMBEDDING, slice(k * HIDDEN, (k + 1) * HIDDEN)
        hidden = F.relu(torch.addmm(self.project_bias[block], x_BE[:, :known], self.project[:known, block]))
        hidden = hidden + F.relu(torch.addmm(self.residual_bias[k], hidden, self.residual[k]))
        logits = F.linear(hidden, self.head[codes], self.head_bias[codes])
        return logits.masked_fill_(~self.seen[codes], -torch.inf)


class Autoregressive(Recipe):
    """Maximum likelihood by AdamW with a one-cycle rate.

    Args:
        data: encoded training rows.
        cardinalities: codes of each column.
        settings: of the run.
    """

    def __init__(self, data: Encoded, cardinalities: list[int], settings: StepSettings) -> None:
        torch.manual_seed(derive_seed(settings.seed, "weights"))
        self.settings = settings
        self.network = AutoregressiveNetwork(cardinalities)
        self.network.set_frequencies(data.codes)
        self.sampler = self.network
        self._codes = torch.from_numpy(data.codes)
        self._order = RowOrder(len(data), settings.seed)

    def prepare(self, wrap: Wrap) -> None:
        """See `Recipe.prepare`."""
        self._parallel = wrap(self.network)
        self._optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=self.settings.learning_rate, weight_decay=0.01, fused=True
        )

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        settings = self.settings
        mine = shard.slice(settings.batch_size)
        rows = self._order.rows(step, settings.batch_size)[mine]
        # Drawn for the global batch, so that a run does not depend on the number of ranks.
        shape = (settings.batch_size, self.network.num_dropped)
        keep = keep_three_quarters(shape, step_generator(settings.seed, step))[mine]
        for group in self._optimizer.param_groups:
            group["lr"] = one_cycle(step, settings.num_steps, settings.learning_rate)
        self.network.train()
        self._optimizer.zero_grad(set_to_none=True)
        loss = self._parallel(self._codes[rows], keep.float()).sum()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), GRADIENT_NORM)
        self._optimizer.step()
        return {"nats": loss.detach(), "gradient_norm": norm}

    @torch.inference_mode()
    def held_out_loss(self, held_out: Encoded) -> Tensor:
        """See `Recipe.held_out_loss`."""
        self.network.eval()
        total = torch.zeros((), dtype=torch.float64)
        for part in torch.split(torch.from_numpy(held_out.codes), 2048):
            total += self.network(part).sum().double() * len(part)
        return total

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {"sampler": self.network.state_dict(), "optimizer": self._optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self.network.load_state_dict(state["sampler"])
        self._optimizer.load_state_dict(state["optimizer"])
