"""Optimizer steps whose rows, rate and dropout derive from (seed, step): nothing else to restore."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.config import SearchConfig, SequentialConfig
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.sharding import clip_gradients

WARMUP_STEPS = 20
MAX_GRADIENT_NORM = 5.0

Batch = tuple[Tensor, ...]


@dataclass(frozen=True)
class Schedule:
    """How to train.

    Attributes:
        num_steps: optimizer steps.
        batch_size: global, over all workers.
        learning_rate: at its peak; it rises over the first steps, then falls linearly to 0.
        seed: of rows and dropout.
        weight_decay: AdamW's.
        num_validations: evenly spaced; each is a checkpoint.
        patience: training ends after so many validations without a better one; None: never before its last
            step. In either case a task that says which figure counts keeps the best weights, not the last.
    """

    num_steps: int
    batch_size: int
    learning_rate: float
    seed: int
    weight_decay: float = 1e-5
    num_validations: int = 4
    patience: int | None = None

    @classmethod
    def of(cls, config: SequentialConfig | SearchConfig, seed: int) -> "Schedule":
        """That of a section of the configuration."""
        return cls(
            config.num_steps,
            config.batch_size,
            config.learning_rate,
            seed,
            num_validations=config.num_validations,
            patience=config.patience,
        )

    def rate_at(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        return self.learning_rate * min(1.0, (step + 1) / WARMUP_STEPS) * (1.0 - step / self.num_steps)


def rows_of_step(num_rows: int, batch_size: int, step: int, seed: int) -> NDArray[np.int64]:
    """The global batch of a step: every row once an epoch, in a new order each epoch.

    Returns:
        Row numbers, shape (batch_size,), a pure function of the arguments.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // num_rows
    rows = np.empty(batch_size, np.int64)
    for epoch in np.unique(epochs):
        mine = epochs == epoch
        rows[mine] = _permutation(num_rows, int(epoch), seed)[positions[mine] % num_rows]
    return rows


@lru_cache(maxsize=2)
def _permutation(num_rows: int, epoch: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng(derive_seed(seed, "epoch", epoch)).permutation(num_rows)


def make_optimizer(objective: nn.Module, schedule: Schedule) -> torch.optim.AdamW:
    """The optimizer of a schedule."""
    return torch.optim.AdamW(
        objective.parameters(), schedule.learning_rate, weight_decay=schedule.weight_decay, fused=True
    )


def run_steps(
    objective: nn.Module,
    optimizer: torch.optim.Optimizer,
    schedule: Schedule,
    batch_of: Callable[[int], Batch],
    start: int = 0,
    rank: int = 0,
    mixed_precision: torch.autocast | None = None,
) -> Iterator[tuple[int, Tensor]]:
    """Train from step `start` to the end.

    Args:
        objective: maps a batch to a loss; in DDP where there are several workers.
        optimizer: from `make_optimizer`.
        schedule: how.
        batch_of: step to this worker's part of the batch.
        start: steps already done.
        rank: of this worker; workers draw their own dropout masks.
        mixed_precision: in which losses are computed; weights and the optimizer stay of 32 bits.

    Yields:
        Steps done so far, and the loss of the last one: the mean of what the workers have is the batch's.
    """
    objective.train()
    for step in range(start, schedule.num_steps):
        torch.manual_seed(derive_seed(schedule.seed, "dropout", step, rank))
        for group in optimizer.param_groups:
            group["lr"] = schedule.rate_at(step)
        optimizer.zero_grad(set_to_none=True)
        with mixed_precision or nullcontext():
            loss = objective(*batch_of(step))
        loss.backward()
        clip_gradients(objective, MAX_GRADIENT_NORM)
        optimizer.step()
        yield step + 1, loss.detach()


def fit(objective: nn.Module, schedule: Schedule, batch_of: Callable[[int], Batch]) -> None:
    """All steps in this process, with nothing validated or kept on the way; see `run_steps`."""
    for _ in run_steps(objective, make_optimizer(objective, schedule), schedule, batch_of):
        pass
