"""Training objectives of search models."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.ranks import mean_over_ranks, rows_of_ranks
from clicksmith.recommenders.search.text import SearchNetwork, Tokens

TEMPERATURE = 0.05
MAX_GRADE = 3


class TowersObjective(nn.Module):
    """Softmax over the products of the batch for each query (Karpukhin et al. 2020), weighed by the grade.

    The batch is that of all workers: with the products of one alone, more workers would be fewer negatives.

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
        text_RD, first = rows_of_ranks(text_BD)
        numbers_R2, _ = rows_of_ranks(torch.stack([query_B, item_B], 1))
        own_B = first + torch.arange(len(query_B), device=query_B.device)
        logits_BR = query_BD @ text_RD.T / TEMPERATURE
        is_alike = (query_B[:, None] == numbers_R2[:, 0]) | (item_B[:, None] == numbers_R2[:, 1])
        is_alike.scatter_(1, own_B[:, None], False)
        loss_B = F.cross_entropy(logits_BR.masked_fill(is_alike, float("-inf")), own_B, reduction="none")
        weights_B = grades_B.float()
        weight = weights_B.sum()
        return mean_over_ranks((loss_B * weights_B).sum() / weight, weight)


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
        loss = F.binary_cross_entropy_with_logits(logits_B, grades_B.to(logits_B.dtype) / MAX_GRADE)
        return mean_over_ranks(loss, len(grades_B))
