"""Losses of generators and critics, from the critic's raw scores (logits)."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

PENALTY_WEIGHT = 10.0


def gan_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L_D = -E[log D(x)] - E[log(1 - D(G(z)))], D = sigmoid(score) (Goodfellow et al. 2014)."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def gan_generator_loss(fake: Tensor) -> Tensor:
    """L_G = -E[log D(G(z))], the non-saturating form (Goodfellow et al. 2014, section 3)."""
    return F.softplus(-fake).mean()


def wasserstein_critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """L_D = E[D(G(z))] - E[D(x)] (Arjovsky et al. 2017); the gradient penalty comes on top."""
    return fake.mean() - real.mean()


def wasserstein_generator_loss(fake: Tensor) -> Tensor:
    """L_G = -E[D(G(z))] (Arjovsky et al. 2017)."""
    return -fake.mean()


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """E[(|dD/dx| - 1)^2] at x between real and fake (Gulrajani et al. 2017), before its weight.

    Args:
        critic: one score a row.
        real: shape (B, W).
        fake: shape (B, W).
        mix: in [0, 1), shape (B, 1): the share of the real row.
    """
    between = (mix * real + (1 - mix) * fake).requires_grad_(True)
    score = critic(between)
    (gradient,) = torch.autograd.grad(score.sum(), between, create_graph=True)
    penalty: Tensor = ((gradient.norm(2, dim=1) - 1) ** 2).mean()
    return penalty
