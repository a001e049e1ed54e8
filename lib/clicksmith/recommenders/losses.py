"""Training objectives: modules that turn a batch into a loss, so that DDP sees one forward pass."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.recommenders.sasrec import SASRec


class RankerObjective(nn.Module):
    """Mean binary cross-entropy in nats.

    Shape:
        codes (B, C) of any integer type, labels (B,) -> scalar.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, codes_BC: Tensor, labels_B: Tensor) -> Tensor:
        """The loss of a batch."""
        return F.binary_cross_entropy_with_logits(self.network(codes_BC.long()), labels_B.float())


class SequentialObjective(nn.Module):
    """Sampled softmax over a later item of each position that has one.

    Shape:
        items (B, L) and targets (B, L), both 0 where there is none, negatives (K,) -> scalar.

    Args:
        network: the model.
        log_rate: log probability with which each item is drawn as a negative, shape (V,).
    """

    log_rate: Tensor

    def __init__(self, network: SASRec, log_rate: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("log_rate", log_rate, persistent=False)

    def forward(self, items_BL: Tensor, targets_BL: Tensor, negatives_K: Tensor) -> Tensor:
        """The loss of a batch."""
        states_BLD = self.network(items_BL)
        known = targets_BL > 0
        states_ND, targets_N = states_BLD[known], targets_BL[known]
        length = items_BL.shape[1]
        is_past_LL = torch.ones(length, length, dtype=torch.bool, device=items_BL.device).tril()
        seen_BL = ((items_BL[:, None, :] == targets_BL[:, :, None]) & is_past_LL).sum(2)
        seen_BLK = (items_BL[:, :, None] == negatives_K).cumsum(1)
        weight, bias, bonus = self.network.items.weight, self.network.bias, self.network.repeat_bonus
        target_N = (states_ND * weight[targets_N]).sum(1) + bias[targets_N] + bonus(seen_BL[known])
        logits_NK = states_ND @ weight[negatives_K].T + bias[negatives_K] + bonus(seen_BLK[known])
        logits_NK = logits_NK.masked_fill(targets_N[:, None] == negatives_K, float("-inf"))
        loss = sampled_softmax(target_N, logits_NK, self.log_rate[negatives_K])
        return loss if known.any() else states_BLD.sum() * 0.0


def sampled_softmax(target_N: Tensor, logits_NK: Tensor, log_rate_K: Tensor) -> Tensor:
    """Cross-entropy over the target and K shared negatives, with logQ correction.

    Each negative's logit is lowered by log(K x its sampling probability): the K terms then have the
    sum over all other items as their expectation, so popular items, drawn more often, are not
    pushed down for it (Bengio and Senecal 2008). The target is always there, so its logit stays as
    it is.

    Args:
        target_N: logit of each row's target, shape (N,).
        logits_NK: logits of the negatives, -inf where one is the row's target, shape (N, K).
        log_rate_K: log probability with which each negative was drawn, shape (K,).

    Returns:
        The mean loss in nats, a scalar; NaN without rows.
    """
    corrected_NK = logits_NK - log_rate_K - math.log(len(log_rate_K))
    partition_N = torch.logsumexp(torch.cat([target_N[:, None], corrected_NK], dim=1), dim=1)
    return (partition_N - target_N).mean()
