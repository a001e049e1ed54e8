"""The softmax loss in bounded memory: logits live for some rows at a time, in the forward pass alone.

A textbook loss writes N x K logits, as many log-probabilities, and then the gradients of both. Here the
gradient of each block of rows is made while its logits are at hand, and only the gradients of the factors are
kept: that takes a third of the time, and memory does not grow with N (as in Wijmans et al. 2024, "Cut Your
Losses in Large-Vocabulary Language Models", which computes logits a second time instead).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK_SIZE = {"cpu": 2**21, "cuda": 2**26}
"""Logits at a time: what a CPU's cache holds; what keeps a GPU busy."""


class _Softmax(torch.autograd.Function):
    """See `softmax_loss`."""

    @staticmethod
    def forward(
        ctx: Any,
        target_N: Tensor,
        states_ND: Tensor,
        outputs_KD: Tensor,
        bias_K: Tensor,
        places_NL: Tensor,
        bonus_NL: Tensor,
        own_N: Tensor,
    ) -> Tensor:
        """The loss; all gradients are ready with it."""
        loss = bias_K.new_zeros(())  # in 32 bits, whatever the states are
        factors = (target_N, states_ND, outputs_KD, bias_K, bonus_NL)
        of_target_N, of_states_ND, of_outputs_KD, of_bias_K, of_bonus_NL = map(torch.zeros_like, factors)
        size = max(1, BLOCK_SIZE.get(states_ND.device.type, 2**21) // len(bias_K))
        for start in range(0, len(states_ND), size):
            rows = slice(start, start + size)
            states_BD, places_BL = states_ND[rows], places_NL[rows]
            logits_BK = (states_BD @ outputs_KD.T).float() + bias_K
            logits_BK.scatter_add_(1, places_BL, bonus_NL[rows])
            logits_BK.scatter_(1, own_N[rows, None], float("-inf"))
            # The column that stands for none has room for the target.
            logits_BK[:, 0] = target_N[rows]
            log_BK = F.log_softmax(logits_BK, 1)
            loss -= log_BK[:, 0].sum()
            slope_BK = log_BK.exp_()
            of_target_N[rows] = slope_BK[:, 0] - 1
            slope_BK[:, 0] = 0.0
            of_states_ND[rows] = slope_BK @ outputs_KD
            of_outputs_KD += slope_BK.T @ states_BD
            of_bias_K += slope_BK.sum(0)
            of_bonus_NL[rows] = slope_BK.gather(1, places_BL)
        ctx.num_rows = max(1, len(states_ND))
        ctx.save_for_backward(of_target_N, of_states_ND, of_outputs_KD, of_bias_K, of_bonus_NL)
        mean: Tensor = loss / ctx.num_rows
        return mean

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the factors."""
        factors = (slopes[0] / ctx.num_rows * kept for kept in ctx.saved_tensors)
        target, states, outputs, bias, bonus = factors
        return target, states, outputs, bias, None, bonus, None


def softmax_loss(
    target_N: Tensor,
    states_ND: Tensor,
    outputs_KD: Tensor,
    bias_K: Tensor,
    places_NL: Tensor,
    bonus_NL: Tensor,
    own_N: Tensor,
) -> Tensor:
    """Mean cross-entropy of each row's target among itself and some items, the same for all rows.

    Args:
        target_N: logits of the targets, shape (N,).
        states_ND: what is asked, shape (N, D).
        outputs_KD: the items' vectors, shape (K, D); the first stands for none.
        bias_K: the items' own logits, shape (K,).
        places_NL: of the items, those whose logit a row changes, several times where named several times; 0
            where there is none; shape (N, L).
        bonus_NL: by how much, shape (N, L).
        own_N: the place of the row's target among the items, which is not counted twice; 0 where it is not
            among them; shape (N,).

    Returns:
        In nats, a scalar; 0 without rows, by way of all factors.
    """
    loss: Tensor = _Softmax.apply(  # type: ignore[no-untyped-call]
        target_N, states_ND, outputs_KD, bias_K, places_NL, bonus_NL, own_N
    )
    return loss
