"""DeepFM: a factorization machine and a deep network on the same embeddings (Guo et al. 2017)."""

from collections.abc import Sequence

from torch import Tensor, nn

from clicksmith.recommenders.layers import CodeEmbedding, Ranker, mlp

DEEP_WIDTHS = (128, 64)
DROPOUT = 0.1


class DeepFM(Ranker):
    """First-order weights + all pairwise inner products + a deep network.

    Shape:
        codes (B, C) int64 -> logits (B,).

    Args:
        cardinalities: codes of each column.
        dim: embedding width, D.
    """

    def __init__(self, cardinalities: Sequence[int], dim: int) -> None:
        super().__init__()
        self.embedding = CodeEmbedding(cardinalities, dim)
        self.linear = CodeEmbedding(cardinalities, 1, dropout=0.0)
        self.deep = mlp([len(cardinalities) * dim, *DEEP_WIDTHS], DROPOUT)
        self.head = nn.Linear(DEEP_WIDTHS[-1], 1)

    def outputs(self, codes_BC: Tensor) -> tuple[Tensor, Tensor]:
        """See `Ranker`."""
        x_BCD = self.embedding(codes_BC)
        first_B = self.linear(codes_BC).sum((1, 2))
        # Sum over pairs of inner products = half of (square of the sum - sum of the squares): O(C D).
        pairs_B = (x_BCD.sum(1) ** 2 - (x_BCD**2).sum(1)).sum(1) / 2
        hidden_BH = self.deep(x_BCD.flatten(1))
        return first_B + pairs_B + self.head(hidden_BH).squeeze(1), hidden_BH
