"""DIN: the user's history as seen from the item in question (Zhou et al. 2018)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from clicksmith.recommenders.layers import CodeEmbedding, Ranker, mlp

ATTENTION_WIDTH = 36
DEEP_WIDTHS = (128, 64)
DROPOUT = 0.1


class DIN(Ranker):
    """A deep network over the columns' embeddings and a weighted sum of the history's.

    Each item of the history is weighted by a small network that looks at it and at the item in question.
    The weights are not normalised, as in the paper: a long history of like items speaks louder.

    Shape:
        codes (B, C + L) int64 -> logits (B,): C columns, the last of them the item, then the L newest items
        that the user took before, 0 where there is none.

    Args:
        cardinalities: codes of each of the C columns.
        dim: embedding width, D.
    """

    def __init__(self, cardinalities: Sequence[int], dim: int) -> None:
        super().__init__()
        self.num_columns = len(cardinalities)
        self.embedding = CodeEmbedding(cardinalities, dim)
        self.attention = nn.Sequential(
            nn.Linear(4 * dim, ATTENTION_WIDTH), nn.PReLU(), nn.Linear(ATTENTION_WIDTH, 1)
        )
        self.deep = mlp([(self.num_columns + 1) * dim, *DEEP_WIDTHS], DROPOUT)
        self.head = nn.Linear(DEEP_WIDTHS[-1], 1)

    def outputs(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """See `Ranker`."""
        codes_BC, history_BL = codes[:, : self.num_columns], codes[:, self.num_columns :]
        x_BCD = self.embedding(codes_BC)
        history_BLD = self.embedding.dropout(self.embedding.table(history_BL + self.embedding.offsets[-1]))
        item_BLD = x_BCD[:, -1:].expand_as(history_BLD)
        seen = torch.cat([history_BLD, item_BLD, history_BLD - item_BLD, history_BLD * item_BLD], dim=2)
        weight_BL = self.attention(seen).squeeze(2) * (history_BL > 0)
        interest_BD = (weight_BL[..., None] * history_BLD).sum(1)
        hidden_BH = self.deep(torch.cat([x_BCD.flatten(1), interest_BD], dim=1))
        return self.head(hidden_BH).squeeze(1), hidden_BH
