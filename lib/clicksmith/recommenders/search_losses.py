"""Training objectives of search models."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.recommenders.text import SearchNetwork, Tokens

TEMPERATURE = 0.05
MAX_GRADE = 3


class TowersObjective(nn.Module):
    """Softmax over the batch's products for each query (Karpukhin et al. 2020), weighed by the grade.

    Shape:
        query ids (B, L), text ids (B, M), numbers of queries and items (B,), grades (B,) above 0 -> scalar.
    """

    def __init__(self, network: SearchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, queries_BL: Tensor, texts_BM: Tensor, query_B: Tensor, item_B: Tensor, grades_B: Tensor
    ) -> Tensor:
        """The loss of a batch; another row of the same query or the same item is no negative."""
        query_BD, text_BD = (
            self.network.embed(Tokens(ids, ids.new_zeros(ids.shape))) for ids in (queries_BL, texts_BM)
        )
        logits_BB = query_BD @ text_BD.T / TEMPERATURE
        is_alike = (query_B[:, None] == query_B) | (item_B[:, None] == item_B)
        is_alike.fill_diagonal_(False)
        loss_B = F.cross_entropy(
            logits_BB.masked_fill(is_alike, float("-inf")),
            torch.arange(len(query_B), device=query_B.device),
            reduction="none",
        )
        weights_B = grades_B.to(loss_B.dtype)
        return (loss_B * weights_B).sum() / weights_B.sum()


class PairsObjective(nn.Module):
    """Binary cross-entropy of each pair, its grade as a share of the highest one.

    Shape:
        ids and types of pairs (B, L), grades (B,) -> scalar.
    """

    def __init__(self, network: SearchNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids_BL: Tensor, types_BL: Tensor, grades_B: Tensor) -> Tensor:
        """The loss of a batch."""
        logits_B = self.network.judge(Tokens(ids_BL, types_BL))
        return F.binary_cross_entropy_with_logits(logits_B, grades_B.to(logits_B.dtype) / MAX_GRADE)
