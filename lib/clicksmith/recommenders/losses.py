"""Training objectives: modules that turn a batch into a loss, so that DDP sees one forward pass.

Each is a mean over the rows of all workers: the same with any number of them (`ranks.mean_over_ranks`).
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clicksmith.ranks import mean_over_ranks
from clicksmith.recommenders.layers import Ranker
from clicksmith.recommenders.next_item.sequence import SequenceNetwork
from clicksmith.recommenders.next_item.softmax import softmax_loss

Loss = Literal["sampled_softmax", "cross_entropy", "gbce"]

LENGTH_GROUPS = 4
"""Rows of like length are encoded together, so that short sequences do not pay for the longest."""
GBCE_CALIBRATION = 0.75
"""t of Petrov and Macdonald 2023; 0 is plain binary cross-entropy, 1 undoes all overconfidence."""


class RankerObjective(nn.Module):
    """Mean binary cross-entropy in nats, plus that of the auxiliary labels where there are any.

    Auxiliary labels share all layers but the last one (Caruana 1997): clicks, which are many, help to learn
    what purchases, which are few, depend on.

    Shape:
        codes (B, C) of any integer type, labels (B,), weights (B,) of mean 1 over all rows, auxiliary (B, A)
        -> scalar.
    """

    def __init__(self, network: Ranker) -> None:
        super().__init__()
        self.network = network

    def forward(
        self,
        codes_BC: Tensor,
        labels_B: Tensor,
        weights_B: Tensor | None = None,
        auxiliary_BA: Tensor | None = None,
    ) -> Tensor:
        """The loss of a batch."""
        logits_B, hidden_BH = self.network.outputs(codes_BC.long())
        loss = F.binary_cross_entropy_with_logits(logits_B, labels_B.float(), weights_B)
        if auxiliary_BA is not None:
            assert self.network.auxiliary is not None
            logits_BA = self.network.auxiliary(hidden_BH)
            weights_B1 = None if weights_B is None else weights_B[:, None]
            loss = loss + F.binary_cross_entropy_with_logits(logits_BA, auxiliary_BA.float(), weights_B1)
        return mean_over_ranks(loss, len(labels_B))


class SequentialObjective(nn.Module):
    """The loss over a later item of each position that has one, N in all.

    Shape:
        events (B, L) and targets (B, L), both 0 where there is none (and events where one is hidden),
        negatives (K,) -> scalar; targets are items; what a network that looks both ways has to guess is
        `mask_index` in the events.

    Args:
        network: the model.
        log_rate: log probability with which each item is drawn as a negative, shape (V,).
        loss: "cross_entropy" is over all items and needs no negatives.
    """

    log_rate: Tensor

    def __init__(self, network: SequenceNetwork, log_rate: Tensor, loss: Loss = "sampled_softmax") -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.register_buffer("log_rate", log_rate, persistent=False)

    def forward(self, events_BL: Tensor, targets_BL: Tensor, negatives_K: Tensor) -> Tensor:
        """The loss of a batch."""
        events_BL, targets_BL = _by_length(events_BL, targets_BL)
        items_BL = self.network.items_of(events_BL)
        # One look-up: the gradient of each costs a table of zeros.
        groups = (rows.chunk(LENGTH_GROUPS) for rows in (items_BL, targets_BL, self.network.embed(events_BL)))
        parts = []
        for items_GL, targets_GL, vectors_GLD in zip(*groups, strict=True):
            length = max(1, int(_lengths(items_GL[:1], targets_GL[:1])))
            items_GL, known = items_GL[:, :length], targets_GL[:, :length] > 0
            states_GLD = self.network.encode(vectors_GLD[:, :length], items_GL)
            past = (F.pad(part, (0, items_BL.shape[1] - length)) for part in self._past(items_GL, known))
            parts.append((states_GLD[known], targets_GL[:, :length][known], *past))
        states_ND, targets_N, past_NL, times_NL = (torch.cat([part[i] for part in parts]) for i in range(4))
        loss = self._of(states_ND, targets_N, past_NL, times_NL.clamp_min(1), negatives_K)
        return mean_over_ranks(loss, len(targets_N))

    def _past(self, items_GL: Tensor, known_GL: Tensor) -> tuple[Tensor, Tensor]:
        """The items that each known position can see, 0 in the place of others, and how often; (N, L)."""
        row, position = known_GL.nonzero(as_tuple=True)
        alike_GLL = items_GL[:, :, None] == items_GL[:, None, :]
        if self.network.kind == "bert4rec":
            return (items_GL * (items_GL != self.network.mask_index))[row], alike_GLL.sum(1)[row]
        columns = torch.arange(items_GL.shape[1], device=items_GL.device)
        return items_GL[row] * (columns <= position[:, None]), alike_GLL.cumsum(1)[row, position]

    def _of(
        self, states_ND: Tensor, targets_N: Tensor, past_NL: Tensor, times_NL: Tensor, negatives_K: Tensor
    ) -> Tensor:
        network = self.network
        others_K, weights_K = self._others(negatives_K)
        # One look-up, see above.
        asked = torch.cat([targets_N, others_K])
        outputs_ND, outputs_KD = torch.split(network.items(asked), [len(targets_N), len(others_K)])
        bias_N, bias_K = torch.split(network.bias[asked], [len(targets_N), len(others_K)])
        seen_N = (past_NL == targets_N[:, None]).sum(1)
        target_N = (states_ND * outputs_ND).sum(1) + bias_N + network.repeat_bonus(seen_N)
        if self.loss == "gbce":
            seen_NK = _times_seen(past_NL, others_K)
            logits_NK = states_ND @ outputs_KD.T + bias_K + network.repeat_bonus(seen_NK)
            logits_NK = logits_NK.masked_fill(targets_N[:, None] == others_K, float("-inf"))
            if not len(targets_N):
                # Nothing, by way of all parameters: other workers wait for their gradients.
                return target_N.sum() + logits_NK.sum()
            # Of all known items but the target; where it is the only one, no negative counts.
            return gbce(target_N, logits_NK, len(others_K) / max(1, network.num_items - 2))
        place_of = torch.zeros_like(network.bias, dtype=torch.long)
        place_of[others_K] = torch.arange(len(others_K), device=place_of.device)
        return softmax_loss(
            target_N,
            states_ND,
            outputs_KD,
            bias_K + weights_K,
            place_of[past_NL],
            network.repeat_bonus(times_NL) / times_NL,
            place_of[targets_N],
        )

    def _others(self, negatives_K: Tensor) -> tuple[Tensor, Tensor]:
        """What a target is held against, and what the logit of each gains; a softmax starts with none."""
        if self.loss == "gbce":
            return negatives_K, self.log_rate.new_zeros(len(negatives_K))
        if self.loss == "cross_entropy":
            items_V = torch.arange(self.network.num_items, device=self.log_rate.device)
            return items_V, torch.zeros_like(self.log_rate)
        distinct, weights = drawn(negatives_K, self.log_rate)
        return F.pad(distinct, (1, 0)), F.pad(weights, (1, 0))


def _by_length(items_BL: Tensor, targets_BL: Tensor) -> tuple[Tensor, Tensor]:
    """The rows by falling length."""
    order = _lengths(items_BL, targets_BL).argsort(descending=True, stable=True)
    return items_BL[order], targets_BL[order]


def _lengths(items_BL: Tensor, targets_BL: Tensor) -> Tensor:
    """Columns up to the last that holds an item or asks for one; shape (B,)."""
    used = (items_BL > 0) | (targets_BL > 0)
    return (used * torch.arange(1, used.shape[1] + 1, device=used.device)).amax(1)


def _times_seen(past_NL: Tensor, items_K: Tensor) -> Tensor:
    """How often each item is in each past, shape (N, K): a look-up of those past, not a comparison of all."""
    distinct, column = torch.unique(items_K, return_inverse=True)
    place_NL = torch.searchsorted(distinct, past_NL).clamp_max(len(distinct) - 1)
    place_NL = place_NL.where(distinct[place_NL] == past_NL, len(distinct))
    counts = torch.zeros(len(past_NL), len(distinct) + 1, device=past_NL.device)
    return counts.scatter_add_(1, place_NL, torch.ones_like(place_NL).float())[:, column]


def drawn(negatives_K: Tensor, log_rate_V: Tensor) -> tuple[Tensor, Tensor]:
    """The distinct ones of K items drawn as negatives, and the logQ correction of each.

    With each draw's logit lowered by log(K x its sampling probability), the K terms of a softmax have the sum
    over all items as their expectation, so popular items, drawn more often, are not pushed down for it
    (Bengio and Senecal 2008). An item drawn m times is m equal terms: one, of a logit higher by log m. The
    target is always there, so its logit stays as it is.

    Args:
        negatives_K: items, shape (K,).
        log_rate_V: log probability with which each item is drawn, shape (V,).

    Returns:
        Items in ascending order, and what is added to the logit of each; shape (J,) both.
    """
    distinct, times = torch.unique(negatives_K, return_counts=True)
    return distinct, times.log() - log_rate_V[distinct] - math.log(len(negatives_K))


def gbce(target_N: Tensor, logits_NK: Tensor, share: float) -> Tensor:
    """Generalised binary cross-entropy (gSASRec, Petrov and Macdonald 2023, equation 13).

    The positive's probability is raised to beta = a (t (1 - 1 / a) + 1 / a), a being the share of items
    drawn as negatives: with few of them plain binary cross-entropy is overconfident.

    Args:
        target_N: logit of each row's target, shape (N,).
        logits_NK: logits of the negatives, uniformly drawn; -inf leaves one out; shape (N, K).
        share: negatives over items.

    Returns:
        The mean over rows of the sum over a row's terms, in nats, divided by K + 1.
    """
    beta = share * (GBCE_CALIBRATION * (1 - 1 / share) + 1 / share)
    positive_N = -beta * F.logsigmoid(target_N)
    negative_N = F.softplus(logits_NK).sum(1)
    return ((positive_N + negative_N) / (logits_NK.shape[1] + 1)).mean()
