"""The softmax loss beside the textbook's: value, gradients, blocks, memory."""

import math

import pytest
import torch
from torch.nn import functional as F

from clicksmith.recommenders.next_item import softmax as module
from clicksmith.recommenders.next_item.softmax import softmax_loss

NUM_ROWS, NUM_ITEMS = 23, 11


def factors(num_rows: int = NUM_ROWS) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(3)
    target = torch.randn(num_rows, generator=draw, requires_grad=True)
    states = torch.randn(num_rows, 4, generator=draw, requires_grad=True)
    outputs = torch.randn(NUM_ITEMS, 4, generator=draw, requires_grad=True)
    bias = torch.randn(NUM_ITEMS, generator=draw, requires_grad=True)
    places = torch.randint(0, NUM_ITEMS, (num_rows, 6), generator=draw)
    bonus = torch.randn(num_rows, 6, generator=draw, requires_grad=True)
    own = torch.randint(0, NUM_ITEMS, (num_rows,), generator=draw)
    return target, states, outputs, bias, places, bonus, own


def textbook(target, states, outputs, bias, places, bonus, own) -> torch.Tensor:
    logits = (states @ outputs.T + bias).scatter_add(1, places, bonus)
    logits = logits.masked_fill(F.one_hot(own, NUM_ITEMS).bool(), float("-inf"))[:, 1:]
    logits = torch.cat([target[:, None], logits], 1)
    return F.cross_entropy(logits, torch.zeros_like(own))


@pytest.mark.parametrize("rows_at_once", [1, 5, 23, 100])
def test_value_and_gradients_are_those_of_the_textbook(
    monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    monkeypatch.setitem(module.BLOCK_SIZE, "cpu", rows_at_once * NUM_ITEMS)
    given = factors()
    learnt = [factor for factor in given if factor.requires_grad]
    assert len(learnt) == 5
    found, expected = softmax_loss(*given), textbook(*given)
    torch.testing.assert_close(found, expected)
    # The loss is one term of several: its gradient is scaled.
    gradients = (torch.autograd.grad(3 * loss, learnt) for loss in (found, expected))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_by_hand() -> None:
    """The target weighs 3; of the others the first weighs 1, doubled by a bonus, the second is the target."""
    states, outputs = torch.ones(1, 1), torch.tensor([[9.0], [0.0], [5.0]])
    places, bonus = torch.tensor([[1, 0]]), torch.tensor([[math.log(2), 7.0]])  # the second is of nothing
    loss = softmax_loss(
        torch.tensor([math.log(3)]), states, outputs, torch.zeros(3), places, bonus, torch.tensor([2])
    )
    assert loss.item() == pytest.approx(math.log(5 / 3))


def test_no_rows_give_no_loss_and_gradients_of_nought() -> None:
    given = factors(0)
    loss = softmax_loss(*given)
    assert loss.item() == 0.0
    for gradient in torch.autograd.grad(loss, [factor for factor in given if factor.requires_grad]):
        assert not gradient.any()


def test_memory_does_not_grow_with_rows_times_items() -> None:
    """What is kept for the way back is of the size of the factors."""
    given = factors(500)
    kept: list[int] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        softmax_loss(*given)
    assert sum(kept) == sum(factor.numel() for factor in given if factor.requires_grad)
    kept.clear()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        textbook(*given)
    assert sum(kept) > 500 * NUM_ITEMS
