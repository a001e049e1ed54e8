"""Logistic regression: a weight for each code of each column, the least that a ranker has to beat."""

from collections.abc import Sequence

from torch import Tensor, nn

from clicksmith.recommenders.layers import CodeEmbedding


class LogisticRegression(nn.Module):
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

    def forward(self, codes_BC: Tensor) -> Tensor:
        """Logits of the label."""
        logits: Tensor = self.head(self.embedding(codes_BC).squeeze(2)).squeeze(1)
        return logits
