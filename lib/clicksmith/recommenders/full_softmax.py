"""Cross-entropy over all items in bounded memory: logits live for some rows at a time, in forward alone.

A textbook loss writes N x V logits, then as many log-probabilities, then gradients of both. Here the gradient
of each block of rows is made while its logits are at hand, and only the gradients of the factors are kept:
two thirds of the time goes, and the memory does not grow with N (as in Wijmans et al. 2024, "Cut Your Losses
in Large-Vocabulary Language Models", which recomputes instead).
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK_SIZE = {"cpu": 2**21, "cuda": 2**26}
"""Logits at a time: what a CPU's cache holds; what keeps a GPU busy."""


class _FullSoftmax(torch.autograd.Function):
    """See `full_softmax`."""

    @staticmethod
    def forward(
        ctx: Any,
        states_ND: Tensor,
        outputs_VD: Tensor,
        bias_V: Tensor,
        places_NL: Tensor,
        bonus_NL: Tensor,
        targets_N: Tensor,
    ) -> Tensor:
        """The loss; all gradients are ready with it."""
        loss = states_ND.new_zeros(())
        factors = (states_ND, outputs_VD, bias_V, bonus_NL)
        of_states_ND, of_outputs_VD, of_bias_V, of_bonus_NL = map(torch.zeros_like, factors)
        size = max(1, BLOCK_SIZE.get(states_ND.device.type, 2**21) // len(bias_V))
        for start in range(0, len(states_ND), size):
            rows = slice(start, start + size)
            states_BD, places_BL, targets_B1 = states_ND[rows], places_NL[rows], targets_N[rows, None]
            logits_BV = (states_BD @ outputs_VD.T).float() + bias_V
            logits_BV.scatter_add_(1, places_BL, bonus_NL[rows])
            logits_BV[:, 0] = float("-inf")
            log_BV = F.log_softmax(logits_BV, 1)
            loss -= log_BV.gather(1, targets_B1).sum()
            slope_BV = log_BV.exp_().scatter_add_(1, targets_B1, -torch.ones_like(log_BV[:, :1]))
            of_states_ND[rows] = slope_BV @ outputs_VD
            of_outputs_VD += slope_BV.T @ states_BD
            of_bias_V += slope_BV.sum(0)
            of_bonus_NL[rows] = slope_BV.gather(1, places_BL)
        ctx.num_rows = max(1, len(states_ND))
        ctx.save_for_backward(of_states_ND, of_outputs_VD, of_bias_V, of_bonus_NL)
        mean: Tensor = loss / ctx.num_rows
        return mean

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the factors."""
        states, outputs, bias, bonus = (slopes[0] / ctx.num_rows * kept for kept in ctx.saved_tensors)
        return states, outputs, bias, None, bonus, None


def full_softmax(
    states_ND: Tensor,
    outputs_VD: Tensor,
    bias_V: Tensor,
    places_NL: Tensor,
    bonus_NL: Tensor,
    targets_N: Tensor,
) -> Tensor:
    """Mean cross-entropy of targets among all items but the first, which stands for none.

    Args:
        states_ND: what is asked, shape (N, D).
        outputs_VD: the items' vectors, shape (V, D).
        bias_V: the items' own logits, shape (V,).
        places_NL: items whose logit a row changes, several times where named several times; shape (N, L).
        bonus_NL: by how much, shape (N, L).
        targets_N: items above 0, shape (N,).

    Returns:
        In nats, a scalar; 0 without rows, by way of all factors.
    """
    loss: Tensor = _FullSoftmax.apply(  # type: ignore[no-untyped-call]
        states_ND, outputs_VD, bias_V, places_NL, bonus_NL, targets_N
    )
    return loss
