"""The common interface of all presets.

A `Recipe` owns networks, optimizers and losses, and performs one deterministic training step;
who calls it (one process, or several under DDP) is the caller's business. A `Sampler` is the part
that is kept: it turns (seed, row ids) into encoded rows.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.config.presets import TrainedOptions
from clicksmith.seeds import derive_seed


class Batch(Protocol):
    """Coded rows of a kind of data: rows of a table, or owners with their events."""

    def __len__(self) -> int: ...

    def part(self, start: int, stop: int, /) -> Self:
        """The rows from `start` to before `stop`."""
        ...


B = TypeVar("B", bound=Batch)

Wrap = Callable[[nn.Module], nn.Module]
"""Makes a module data-parallel, e.g. ``ray.train.torch.prepare_model``; the identity on one process."""


@dataclass(frozen=True)
class Shard:
    """Which part of the global batch this process computes."""

    rank: int = 0
    world_size: int = 1

    def slice(self, batch_size: int) -> slice:
        """This rank's rows of a global batch; the batch must divide evenly."""
        size = batch_size // self.world_size
        return slice(self.rank * size, (self.rank + 1) * size)


@dataclass(frozen=True)
class StepSettings:
    """What every preset needs to know of a run.

    Attributes:
        seed: all randomness of training derives from it and the step.
        num_steps: optimizer steps of the generator in the whole run.
        batch_size: global, over all ranks.
        learning_rate: peak or constant rate.
        mixed_precision: whether products may be of bfloat16.
    """

    seed: int
    num_steps: int
    batch_size: int
    learning_rate: float
    mixed_precision: bool = True

    @classmethod
    def of(cls, options: TrainedOptions, seed: int, learning_rate: float) -> "StepSettings":
        """Those that a preset's options ask for; `learning_rate` where they name none."""
        return cls(
            seed,
            options.num_steps,
            options.batch_size,
            options.learning_rate or learning_rate,
            options.mixed_precision,
        )


class Sampler(nn.Module, ABC, Generic[B]):
    """Networks that turn noise into coded rows."""

    @abstractmethod
    def sample(self, seed: int, row_ids: NDArray[np.int64], given: Any = None, /) -> B:
        """Sample rows in evaluation mode.

        Args:
            seed: of the sampling stream.
            row_ids: shape (N,); each row depends on its id alone (and, in the last bits of its
                floats, on N; with given codes, on those of the others: evaluate whole blocks).
            given: what the rows must have, as the kind of data has it: of rows of a table, a dictionary
                from a column's index to the code that each row must have, shape (N,).

        Returns:
            N coded rows.

        Raises:
            NotFittedError: a given code was never seen in training.
            TooRareError: rows with the given codes hardly ever come up; see
                `clicksmith.generators.tabular.fixing`.
        """


class Recipe(ABC, Generic[B]):
    """One preset in training."""

    sampler: Sampler[B]
    rate_factor: float | None = None
    """Multiplies the learning rates; lowered after a collapse. None: this preset cannot collapse."""
    phases: tuple[int, ...] = ()
    """Steps at which another phase begins that goes on from the sampler's weights. A phase whose held-out
    loss no longer falls ends; the next one begins at once, from the best weights so far."""

    @abstractmethod
    def prepare(self, wrap: Wrap) -> None:
        """Make the networks data-parallel and create their optimizers. Call once, before `step`."""

    @abstractmethod
    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """One optimizer step of the generator (and its critic); a function of weights and `step` alone.

        Returns:
            Scalars by name: this rank's losses, and gradient norms.
        """

    def finish(self, shard: Shard) -> None:
        """The last touch to the sampler, once, when it holds the weights that are kept; on every rank."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, as tensors and plain values; "sampler" holds the sampler's state."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`, after `prepare`."""

    def row_nats(self, rows: B) -> Tensor | None:
        """Nats of each row, shape (N,), for early stopping and for what was memorised.

        None where there is no likelihood.
        """
        return None

    def held_out_tolerance(self, step: int) -> float:
        """Nats a row by which the weights after `step` steps may be worse than the best and still be kept."""
        return 0.0


def step_generator(seed: int, step: int, *names: str | int) -> torch.Generator:
    """The random stream of a step."""
    return torch.Generator().manual_seed(derive_seed(seed, "step", step, *names))


def dropout_factors(num_rows: int, width: int, rate: float, stream: torch.Generator, mine: slice) -> Tensor:
    """0 with probability `rate`, a multiple of 1/256, otherwise 1 / (1 - rate).

    Drawn for the whole global batch, so that a run does not depend on the number of ranks. Eight values a
    64-bit number: ten times faster than Bernoulli draws.

    Args:
        num_rows: of the global batch.
        width: factors of a row.
        rate: share of zeros.
        stream: of the step.
        mine: rows of this rank.

    Returns:
        Shape (rows of `mine`, width).
    """
    words = torch.empty(-(-num_rows * width // 8), dtype=torch.int64)
    words.random_(-(2**63), None, generator=stream)
    part = words.view(torch.uint8)[: num_rows * width].view(num_rows, width)[mine]
    return (part >= int(256 * rate)).float().mul_(1 / (1 - rate))


def follow(average: nn.Module, network: nn.Module, decay: float, step: int) -> None:
    """Let weights follow a network's as a moving average (Yazici et al. 2019), faster in the first steps."""
    keep = min(decay, (1 + step) / (10 + step))
    with torch.no_grad():
        for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
            mean.lerp_(weight, 1 - keep)


def one_cycle(step: int, num_steps: int, peak: float) -> float:
    """The one-cycle rate (Smith & Topin 2018): cosine up over 30 % of the steps, cosine down after."""
    warm = max(1.0, 0.3 * num_steps)
    if step < warm:
        low, high, progress = peak / 25, peak, step / warm
    else:
        low, high, progress = peak / 2.5e5, peak, 1 - (step - warm) / max(1.0, num_steps - warm)
    return low + (high - low) * (1 - math.cos(math.pi * progress)) / 2


class RowOrder:
    """Rows of each step: a seeded permutation an epoch, read on across epochs so that no row is dropped."""

    def __init__(self, num_rows: int, seed: int) -> None:
        self._num_rows = num_rows
        self._seed = seed
        self._epoch = -1
        self._permutation = torch.empty(0, dtype=torch.int64)

    def rows(self, step: int, batch_size: int) -> Tensor:
        """Row numbers of the global batch, shape (batch_size,)."""
        parts: list[Tensor] = []
        position, missing = step * batch_size, batch_size
        while missing:
            epoch, offset = divmod(position, self._num_rows)
            if epoch != self._epoch:
                stream = torch.Generator().manual_seed(derive_seed(self._seed, "epoch", epoch))
                self._permutation = torch.randperm(self._num_rows, generator=stream)
                self._epoch = epoch
            part = self._permutation[offset : offset + missing]
            parts.append(part)
            position += len(part)
            missing -= len(part)
        return torch.cat(parts)
