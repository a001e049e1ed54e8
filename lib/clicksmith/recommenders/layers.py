"""Modules that the recommenders share. Shapes: B batch, C columns, D embedding, L length."""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EMBEDDING_STD = 0.05
EMBEDDING_DROPOUT = 0.2


class Dropout(nn.Module):
    """Sets values to 0 with a probability that is a multiple of 1/256, in training, and scales the others.

    On a CPU each byte of a random word decides on one value: a quarter of the time of PyTorch's Bernoulli
    draws, which were a third of a training step (EXPERIMENTS.md). Elsewhere PyTorch's own.

    Shape:
        any -> the same.

    Args:
        rate: share of zeros.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.threshold = round(256 * rate)

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, and nothing in evaluation."""
        if not self.training or not self.threshold:
            return x
        rate = self.threshold / 256
        if x.device.type != "cpu":
            return F.dropout(x, rate)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64).random_(-(2**63), None)
        kept = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.threshold
        return x * kept.to(x.dtype).div_(1 - rate)


class Ranker(nn.Module):
    """What rankers have in common: logits are a last linear layer, `head`, over hidden values.

    Shape:
        codes (B, C) int64 -> logits (B,).

    Attributes:
        head: (B, H) -> (B, 1).
        auxiliary: (B, H) -> (B, A), of other labels that only training looks at; None without any.
    """

    head: nn.Linear

    def __init__(self) -> None:
        super().__init__()
        self.auxiliary: nn.Linear | None = None

    def outputs(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the label, (B,), and hidden values, (B, H)."""
        raise NotImplementedError

    def forward(self, codes: Tensor) -> Tensor:
        """Logits of the label."""
        return self.outputs(codes)[0]


class CodeEmbedding(nn.Module):
    """One embedding table for all columns; column c's codes start at the sum of the cardinalities before it.

    Dropout on the embeddings is what keeps rare items' ones from being learnt by heart (EXPERIMENTS.md).

    Shape:
        codes (B, C) int64 -> (B, C, D).

    Args:
        cardinalities: codes of each column.
        dim: D.
        dropout: of the embeddings' values.
    """

    offsets: Tensor

    def __init__(self, cardinalities: Sequence[int], dim: int, dropout: float = EMBEDDING_DROPOUT) -> None:
        super().__init__()
        starts = [0, *torch.tensor(cardinalities).cumsum(0).tolist()]
        self.register_buffer("offsets", torch.tensor(starts[:-1]), persistent=False)
        self.table = nn.Embedding(starts[-1], dim)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.table.weight, std=EMBEDDING_STD)

    def forward(self, codes: Tensor) -> Tensor:
        """Look up every code of every row."""
        embedded: Tensor = self.dropout(self.table(codes + self.offsets))
        return embedded


def mlp(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Linear, ReLU and dropout between each two of the widths. Shape: (B, widths[0]) -> (B, widths[-1])."""
    layers: list[nn.Module] = []
    for width_in, width_out in itertools.pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU(), Dropout(dropout)]
    return nn.Sequential(*layers)
