"""Dropout by bytes."""

import pytest
import torch

from clicksmith.recommenders.layers import Dropout


@pytest.mark.parametrize("rate", [0.125, 0.5, 0.75])
def test_dropout_hits_its_rate_and_keeps_the_mean(rate: float) -> None:
    torch.manual_seed(0)
    x = torch.full((1001, 333), 2.0)
    dropped = Dropout(rate)(x)
    assert dropped.unique().tolist() == pytest.approx([0.0, 2.0 / (1 - rate)])
    assert float((dropped == 0).float().mean()) == pytest.approx(rate, abs=0.005)
    assert float(dropped.mean()) == pytest.approx(2.0, abs=0.02)


def test_dropout_repeats_with_the_seed_and_does_nothing_in_evaluation() -> None:
    x = torch.randn(7, 5)
    layer = Dropout(0.5)
    found = []
    for _ in range(2):
        torch.manual_seed(3)
        found.append(layer(x))
    assert torch.equal(*found)
    assert not torch.equal(layer(x), found[0])
    assert layer.eval()(x) is x
    assert Dropout(0.0)(x) is x


def test_gradients_flow_through_what_is_kept() -> None:
    x = torch.randn(64, requires_grad=True)
    kept = Dropout(0.5)(x)
    kept.sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.where(kept == 0, 0.0, 2.0))
