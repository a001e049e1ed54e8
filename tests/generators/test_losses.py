"""Losses against their formulas, by hand."""

import math

import pytest
import torch

from clicksmith.generators import losses

LN3 = math.log(3)


def test_gan_losses_are_the_formulas():
    # D = sigmoid(score): 1/2 and 3/4 on real rows, 1/2 and 1/4 on generated ones.
    real, fake = torch.tensor([0.0, LN3]), torch.tensor([0.0, -LN3])
    expected_d = -(math.log(1 / 2) + math.log(3 / 4)) / 2 - (math.log(1 - 1 / 2) + math.log(1 - 1 / 4)) / 2
    expected_g = -(math.log(1 / 2) + math.log(1 / 4)) / 2
    assert losses.gan_critic_loss(real, fake).item() == pytest.approx(expected_d)
    assert losses.gan_generator_loss(fake).item() == pytest.approx(expected_g)


def test_gan_losses_stay_finite_where_the_sigmoid_does_not():
    assert losses.gan_critic_loss(torch.tensor([-200.0]), torch.tensor([200.0])).item() == 400.0
    assert losses.gan_generator_loss(torch.tensor([-200.0])).item() == 200.0


def test_wasserstein_losses_are_the_formulas():
    real, fake = torch.tensor([1.0, 3.0]), torch.tensor([-1.0, 2.0])
    assert losses.wasserstein_critic_loss(real, fake).item() == 0.5 - 2.0
    assert losses.wasserstein_generator_loss(fake).item() == -0.5


def test_the_penalty_of_a_linear_critic_is_its_distance_from_slope_one():
    weight = torch.tensor([3.0, 4.0], requires_grad=True)  # slope 5 everywhere
    rows = torch.randn(6, 2), torch.randn(6, 2)
    penalty = losses.gradient_penalty(lambda x: x @ weight, *rows, torch.rand(6, 1))
    assert penalty.item() == pytest.approx((5 - 1) ** 2)
    penalty.backward()
    # d/dw (|w| - 1)^2 = 2 (|w| - 1) w / |w|
    assert weight.grad.tolist() == pytest.approx([2 * 4 * 3 / 5, 2 * 4 * 4 / 5], rel=1e-5)


def test_the_penalty_is_taken_between_the_rows():
    # Score x^2 / 2 has slope |x|; half way between 1 and 5 that is 3.
    penalty = losses.gradient_penalty(
        lambda x: (x**2).sum(1) / 2, torch.tensor([[1.0]]), torch.tensor([[5.0]]), torch.tensor([[0.5]])
    )
    assert penalty.item() == pytest.approx((3 - 1) ** 2)
