"""DCN-V2: explicit feature crosses beside a deep network (Wang et al. 2021, arXiv 2008.13535)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clicksmith.recommenders.layers import CodeEmbedding, Ranker, mlp

CROSS_LAYERS = 2
CROSS_RANK = 64
DEEP_WIDTHS = (128, 64)
DROPOUT = 0.1


class CrossLayer(nn.Module):
    """x0 * (W x + b) + x: raises the degree of the feature crosses by one.

    Shape:
        x0 (B, N), x (B, N) -> (B, N).

    Args:
        width: N.
        rank: W is V U with this inner width (the paper's equation 2); None: a full matrix.
    """

    def __init__(self, width: int, rank: int | None) -> None:
        super().__init__()
        self.weight: nn.Module = (
            nn.Linear(width, width)
            if rank is None
            else nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))
        )

    def forward(self, x0_BN: Tensor, x_BN: Tensor) -> Tensor:
        """Cross x with the layer-0 input."""
        crossed: Tensor = x0_BN * self.weight(x_BN) + x_BN
        return crossed


class DCNv2(Ranker):
    """The parallel form: cross network and deep network side by side, then one linear layer.

    Shape:
        codes (B, C) int64 -> logits (B,).

    Args:
        cardinalities: codes of each column.
        dim: embedding width, D.
        rank: of the cross matrices, lowered to half of C x D where that is smaller; None: full.
    """

    def __init__(self, cardinalities: Sequence[int], dim: int, rank: int | None = CROSS_RANK) -> None:
        super().__init__()
        width = len(cardinalities) * dim
        rank = None if rank is None else min(rank, max(1, width // 2))
        self.embedding = CodeEmbedding(cardinalities, dim)
        self.crosses = nn.ModuleList(CrossLayer(width, rank) for _ in range(CROSS_LAYERS))
        self.deep = mlp([width, *DEEP_WIDTHS], DROPOUT)
        self.head = nn.Linear(width + DEEP_WIDTHS[-1], 1)

    def outputs(self, codes_BC: Tensor) -> tuple[Tensor, Tensor]:
        """See `Ranker`."""
        x0_BN = self.embedding(codes_BC).flatten(1)
        x_BN = x0_BN
        for cross in self.crosses:
            x_BN = cross(x0_BN, x_BN)
        hidden_BH = torch.cat([x_BN, self.deep(x0_BN)], dim=1)
        return self.head(hidden_BH).squeeze(1), hidden_BH
