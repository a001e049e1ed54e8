"""Logistic regression: a weight for each code of each column, the least that a ranker has to beat."""

from collections.abc import Sequence

from torch import Tensor, nn

from clicksmith.recommenders.layers import CodeEmbedding, Ranker


class LogisticRegression(Ranker):
    """The sum of one weight a column, and a bias.

    Shape:
        codes (B, C) int64 -> logits (B,).

    Args:
        cardinalities: codes of each column.
    """

    def __init__(self, cardinalities: Sequence[int]) -> None:
        super().__init__()
        self.embedding = CodeEmbedding(cardinalities, 1, dropout=0.0)
        nn.init.zeros_(self.embedding.table.weight)
        self.head = nn.Linear(len(cardinalities), 1)
        nn.init.ones_(self.head.weight).requires_grad_(False)

    def outputs(self, codes_BC: Tensor) -> tuple[Tensor, Tensor]:
        """See `Ranker`."""
        weights_BC = self.embedding(codes_BC).squeeze(2)
        return self.head(weights_BC).squeeze(1), weights_BC
