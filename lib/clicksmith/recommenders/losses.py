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
    """Sampled softmax over the next item of each position that has one.

    Shape:
        items (B, L + 1) padded on the right with 0, negatives (K,) -> scalar.

    Args:
        network: the model.
        log_rate: log probability with which each item is drawn as a negative, shape (V,).
    """

    log_rate: Tensor

    def __init__(self, network: SASRec, log_rate: Tensor) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("log_rate", log_rate, persistent=False)

    def forward(self, items_BL: Tensor, negatives_K: Tensor) -> Tensor:
        """The loss of a batch."""
        inputs, targets = items_BL[:, :-1], items_BL[:, 1:]
        states = self.network(inputs)
        known = targets > 0
        loss = sampled_softmax(
            states[known],
            targets[known],
            negatives_K,
            self.network.items.weight,
            self.network.bias,
            self.log_rate,
        )
        return loss if known.any() else states.sum() * 0.0


def sampled_softmax(
    states_ND: Tensor,
    targets_N: Tensor,
    negatives_K: Tensor,
    items_VD: Tensor,
    bias_V: Tensor,
    log_rate_V: Tensor,
) -> Tensor:
    """Cross-entropy over the target and K shared negatives, with logQ correction.

    Each negative's logit is lowered by log(K x its sampling probability): the K terms then have the
    sum over all other items as their expectation, so popular items, drawn more often, are not
    pushed down for it (Bengio and Senecal 2008). The target is always there, so its logit stays as
    it is. A negative that equals a row's target is masked in that row.

    Args:
        states_ND: sequence states, shape (N, D).
        targets_N: item index of each row, shape (N,).
        negatives_K: indices drawn from the sampling distribution, shape (K,).
        items_VD: item embeddings, shape (V, D).
        bias_V: of each item's logit, shape (V,).
        log_rate_V: log sampling probability of each item, shape (V,).

    Returns:
        The mean loss in nats, a scalar; NaN without rows.
    """
    target_N = (states_ND * items_VD[targets_N]).sum(1) + bias_V[targets_N]
    correction_K = bias_V[negatives_K] - log_rate_V[negatives_K] - math.log(len(negatives_K))
    logits_NK = states_ND @ items_VD[negatives_K].T + correction_K
    logits_NK = logits_NK.masked_fill(targets_N[:, None] == negatives_K[None, :], float("-inf"))
    partition_N = torch.logsumexp(torch.cat([target_N[:, None], logits_NK], dim=1), dim=1)
    return (partition_N - target_N).mean()
