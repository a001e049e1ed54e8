"""Batches as pure functions of the step; resuming equals not stopping."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clicksmith.training.engine.checkpoint import dump_state, load_state
from clicksmith.training.engine.supervised import Schedule, make_optimizer, rows_of_step, run_steps


@given(st.integers(1, 50), st.integers(1, 30), st.integers(0, 5))
def test_every_row_is_seen_once_an_epoch(num_rows: int, batch_size: int, seed: int) -> None:
    steps = -(-3 * num_rows // batch_size)
    rows = np.concatenate([rows_of_step(num_rows, batch_size, step, seed) for step in range(steps)])
    for epoch in range(3):
        assert sorted(rows[epoch * num_rows : (epoch + 1) * num_rows]) == list(range(num_rows))


def test_epochs_and_seeds_differ() -> None:
    one, two = (rows_of_step(1000, 1000, step, seed=1) for step in (0, 1))
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, rows_of_step(1000, 1000, 0, seed=2))


def test_rate_rises_then_falls_to_nothing() -> None:
    schedule = Schedule(num_steps=100, batch_size=1, learning_rate=1.0, seed=0)
    assert schedule.rate_at(0) == 1 / 20
    assert schedule.rate_at(19) == 1 - 0.19
    assert schedule.rate_at(50) == 0.5
    assert 0 < schedule.rate_at(99) < 0.02


class _Objective(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.Linear(8, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (self.layers(x) ** 2).mean()


def test_resuming_equals_not_stopping() -> None:
    data = torch.from_numpy(np.random.default_rng(0).normal(size=(64, 3))).float()
    schedule = Schedule(num_steps=20, batch_size=16, learning_rate=0.1, seed=5)

    def batch_of(step: int) -> tuple[torch.Tensor, ...]:
        return (data[rows_of_step(64, 16, step, 5)],)

    whole = _Objective()
    for _ in run_steps(whole, make_optimizer(whole, schedule), schedule, batch_of):
        pass
    first = _Objective()
    optimizer = make_optimizer(first, schedule)
    for step, _ in run_steps(first, optimizer, schedule, batch_of):
        if step == 7:
            break
    second = _Objective()
    second.load_state_dict(first.state_dict())
    restored = make_optimizer(second, schedule)
    restored.load_state_dict(load_state(dump_state(optimizer.state_dict())))
    steps = [step for step, _ in run_steps(second, restored, schedule, batch_of, start=7)]
    assert steps == list(range(8, 21))
    for a, b in zip(whole.parameters(), second.parameters(), strict=True):
        assert torch.equal(a, b)


def test_mixed_precision_computes_in_bfloat16_and_keeps_weights_in_32_bits() -> None:
    seen: list[torch.dtype] = []

    class Objective(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(8, 1)

        def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            out = self.layer(x)
            seen.append(out.dtype)
            return ((out.squeeze(1).float() - y) ** 2).mean()

    x = torch.randn(64, 8, generator=torch.Generator().manual_seed(1))
    y = x.sum(1)
    schedule = Schedule(num_steps=200, batch_size=64, learning_rate=0.05, seed=0, weight_decay=0.0)
    weights = {}
    for mixed in (None, torch.autocast("cpu", torch.bfloat16)):
        objective = Objective()
        optimizer = make_optimizer(objective, schedule)
        for _ in run_steps(objective, optimizer, schedule, lambda step: (x, y), mixed_precision=mixed):
            pass
        weights[mixed is None] = objective.layer.weight.detach()
    assert set(seen[:200]) == {torch.float32}
    assert set(seen[200:]) == {torch.bfloat16}
    assert weights[False].dtype == torch.float32
    torch.testing.assert_close(weights[False], torch.ones(1, 8), atol=0.02, rtol=0)
    assert not torch.equal(weights[True], weights[False])
