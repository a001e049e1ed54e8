"""The autoregressive network: each column given any set of the others.

Every value is a category. For column k the embeddings of the columns before it are projected and
summed, then pass a ReLU, one residual layer and a linear head whose bias starts at the column's log
frequencies. "Before" is a matter of a mask on one matrix that holds the projections of all columns, so
the order of the columns can change with every batch (any-order training, Uria et al. 2014).

Codes of a numeric column have an order, and neighbours mean nearly the same. Their embeddings and heads
are piecewise linear in the value's rank, with few knots: what bins of some hundred rows cannot learn one
by one. Only codes with many rows have parameters of their own besides.

Shapes: B rows, C columns, E embedding, H hidden, S sum of the cardinalities, M knots.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.fixing import check_codes
from clicksmith.generators.recipe import Sampler
from clicksmith.seeds import counter_uniform

EMBEDDING = 16
HIDDEN = 128
DROPOUT = 0.25
INPUT_DROPOUT = 0.125
"""Lower than the hidden layers': it blurs what depends on a single column, such as a label."""
NUM_KNOTS = 16
MIN_ROWS = 100
"""A code of a numeric column with so many training rows has parameters of its own."""


class CodeTable(nn.Module):
    """A vector for each code of each column, smooth along numeric columns.

    Args:
        codec: of the rows.
        dim: D, length of a vector.
        std: of the initial values.
    """

    def __init__(self, codec: TableCodec, dim: int, std: float) -> None:
        super().__init__()
        self.cardinalities = codec.cardinalities
        self.own = nn.Parameter(torch.randn(sum(self.cardinalities), dim) * std)
        self.is_own: Tensor
        self.register_buffer("is_own", torch.ones(len(self.own), 1))
        self.knots = nn.ParameterDict()
        self.bases: dict[int, Tensor] = {}
        ends = np.cumsum(self.cardinalities)
        for index, ranks in enumerate(value_ranks(codec)):
            if ranks is not None and len(ranks) > 2 * NUM_KNOTS:
                self.bases[index] = hat_functions(ranks)
                self.knots[str(index)] = nn.Parameter(torch.randn(NUM_KNOTS, dim) * std)
                self.own.data[ends[index] - len(ranks) : ends[index]] = 0.0

    def set_counts(self, counts: Sequence[NDArray[np.int64]]) -> None:
        """Give frequent codes of numeric columns, and each column's code 0, parameters of their own."""
        for part, index, count in zip(
            torch.split(self.is_own, self.cardinalities), range(len(counts)), counts, strict=True
        ):
            if index in self.bases:
                frequent = torch.from_numpy(count >= MIN_ROWS)
                frequent[0] = True
                part.copy_(frequent[:, None])

    def forward(self) -> Tensor:
        """All vectors, shape (S, D)."""
        parts = list(torch.split(self.own * self.is_own, self.cardinalities))
        for index, basis in self.bases.items():
            parts[index] = parts[index] + basis.to(self.own.device) @ self.knots[str(index)]
        return torch.cat(parts)


class AutoregressiveNetwork(Sampler):
    """The network; its forward pass is the training loss.

    Args:
        codec: of the rows; its columns are generated in their order, but for those that are given.
    """

    def __init__(self, codec: TableCodec) -> None:
        super().__init__()
        self.cardinalities = codec.cardinalities
        num_columns, num_codes = len(self.cardinalities), sum(self.cardinalities)
        self.offsets: Tensor
        self.seen: Tensor
        starts = np.cumsum([0, *self.cardinalities[:-1]])
        self.register_buffer("offsets", torch.from_numpy(starts), persistent=False)
        self.register_buffer("seen", torch.ones(num_codes, dtype=torch.bool))
        self.embedding = CodeTable(codec, EMBEDDING, std=0.5)
        self.head = CodeTable(codec, HIDDEN, std=0.3 / HIDDEN**0.5)
        self.head_bias = nn.Parameter(torch.zeros(num_codes))
        self.project = nn.Parameter(torch.randn(num_columns, EMBEDDING, num_columns, HIDDEN))
        fan_in = (torch.arange(num_columns) * EMBEDDING).clamp(min=1)
        self.project.data *= (2.0 / fan_in).sqrt()[:, None]
        self.project_bias = nn.Parameter(torch.zeros(num_columns * HIDDEN))
        self.residual = nn.Parameter(torch.randn(num_columns, HIDDEN, HIDDEN) / HIDDEN**0.5)
        self.residual_bias = nn.Parameter(torch.zeros(num_columns, 1, HIDDEN))

    def set_frequencies(self, counts: Sequence[NDArray[np.int64]]) -> None:
        """Start each head at the log frequencies of its column; codes never seen are never sampled."""
        self.head_bias.data = torch.from_numpy(
            np.log(np.concatenate([(c + 1) / (c + 1).sum() for c in counts]))
        ).float()
        self.seen.copy_(torch.from_numpy(np.concatenate(counts) > 0))
        self.embedding.set_counts(counts)
        self.head.set_counts(counts)

    @staticmethod
    def hidden_width(num_columns: int) -> int:
        """Hidden activations of a row that dropout acts on."""
        return num_columns * 2 * HIDDEN

    def forward(
        self,
        codes_BC: Tensor,
        order_C: Tensor | None = None,
        keep: Tensor | None = None,
        weight_B: Tensor | None = None,
    ) -> Tensor:
        """Nats of each column, summed over the rows by their weights, shape (C,).

        Args:
            codes_BC: encoded rows.
            order_C: columns in the order of generation; None is the codec's.
            keep: factors of embeddings and hidden activations, shape (B, C * E + `hidden_width`), 0 where
                dropout acts; None drops nothing.
            weight_B: None takes the mean.
        """
        num_rows, num_columns = codes_BC.shape
        shape_BCH = (num_rows, num_columns, HIDDEN)
        rank_C = torch.arange(num_columns, device=codes_BC.device) if order_C is None else order_C.argsort()
        mask_CC = (rank_C[:, None] < rank_C).float()  # [j, k]: column k reads column j
        project = (self.project * mask_CC[:, None, :, None]).view(num_columns * EMBEDDING, -1)
        x_BE = F.embedding(codes_BC + self.offsets, self.embedding()).flatten(1)
        if keep is not None:
            width = num_columns * HIDDEN
            keep_x, keep_h, keep_r = torch.split(keep, [num_columns * EMBEDDING, width, width], dim=1)
            x_BE = x_BE * keep_x
        h_BCH = F.relu(torch.addmm(self.project_bias, x_BE, project)).view(shape_BCH)
        r_BCH = h_BCH if keep is None else h_BCH * keep_h.reshape(shape_BCH)
        r_CBH = torch.baddbmm(self.residual_bias, r_BCH.transpose(0, 1), self.residual)
        h_CBH = h_BCH.transpose(0, 1) + F.relu(r_CBH)
        if keep is not None:
            h_CBH = h_CBH * keep_r.reshape(shape_BCH).transpose(0, 1)
        heads = zip(
            h_CBH.unbind(0),
            torch.split(self.head(), self.cardinalities),
            torch.split(self.head_bias, self.cardinalities),
            codes_BC.unbind(1),
            strict=True,
        )
        if weight_B is None:
            return torch.stack([F.cross_entropy(F.linear(h, w, b), target) for h, w, b, target in heads])
        losses = [F.cross_entropy(F.linear(h, w, b), t, reduction="none") for h, w, b, t in heads]
        return torch.stack([loss @ weight_B for loss in losses])

    @torch.inference_mode()
    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        """Column by column by inverse cumulated probability, one uniform a cell. See `Sampler.sample`.

        Columns with fixed codes come first, so that all others are drawn given them.
        """
        self.eval()
        fixed = fixed or {}
        num_columns = len(self.cardinalities)
        seen = torch.split(self.seen, self.cardinalities)
        for column, codes in fixed.items():
            check_codes(column, codes, seen[column].numpy())
        uniform = counter_uniform(seed, row_ids, 2 * num_columns)
        pick = torch.from_numpy(uniform[:, :num_columns].T.astype(np.float32))
        embedding, head = self.embedding(), torch.split(self.head(), self.cardinalities)
        codes_BC = torch.empty(len(row_ids), num_columns, dtype=torch.int64)
        x_BE = torch.zeros(len(row_ids), num_columns * EMBEDDING)
        for k in [*sorted(fixed), *(k for k in range(num_columns) if k not in fixed)]:
            if k in fixed:
                codes_BC[:, k] = torch.from_numpy(fixed[k])
            else:
                known = num_columns if fixed else k  # columns not drawn yet are 0 in x
                total = self._weights(k, x_BE[:, : known * EMBEDDING], head[k]).cumsum_(1)
                code = torch.searchsorted(total, pick[k][:, None] * total[:, -1:], right=True)[:, 0]
                codes_BC[:, k] = torch.minimum(code, (total < total[:, -1:]).sum(1))
            x_BE[:, k * EMBEDDING : (k + 1) * EMBEDDING] = embedding[self.offsets[k] + codes_BC[:, k]]
        return Encoded(codes_BC.numpy(), uniform[:, num_columns:].astype(np.float32))

    def _weights(self, k: int, x_BE: Tensor, head: Tensor) -> Tensor:
        """Probabilities of column k's codes up to a factor, (B, cardinality), 0 where never seen."""
        start = int(self.offsets[k])
        codes, known = slice(start, start + len(head)), x_BE.shape[1] // EMBEDDING
        project = self.project[:known, :, k].reshape(-1, HIDDEN)
        hidden = F.relu(torch.addmm(self.project_bias[k * HIDDEN : (k + 1) * HIDDEN], x_BE, project))
        hidden = hidden + F.relu(torch.addmm(self.residual_bias[k], hidden, self.residual[k]))
        logits = F.linear(hidden, head, self.head_bias[codes])
        logits = logits.masked_fill_(~self.seen[codes], -torch.inf)
        return logits.sub_(logits.amax(1, keepdim=True)).exp_()


def value_ranks(codec: TableCodec) -> list[NDArray[np.int64] | None]:
    """For each sub-column the rank of each code's value, code 0 (missing) lowest; None for categories."""
    ranks: list[NDArray[np.int64] | None] = []
    for column, slot in zip(codec.columns, codec.slots, strict=True):
        if isinstance(column, NumericCodec):
            values = [-np.inf, *column.atoms, *column.edges[:-1]]
            ranks.append(np.argsort(np.argsort(values, kind="stable"), kind="stable"))
        else:
            ranks += [None] * (slot.stop - slot.start)
    return ranks


def hat_functions(ranks: NDArray[np.int64]) -> Tensor:
    """Piecewise linear basis of the codes with these ranks, (N, M); 0 for code 0.

    Each row sums to 1: a value lies between two knots, which are evenly spaced over the ranks.
    """
    place = (ranks - 1) / (len(ranks) - 2) * (NUM_KNOTS - 1)
    hats = np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(NUM_KNOTS)))
    hats[0] = 0.0
    return torch.from_numpy(hats.astype(np.float32))
