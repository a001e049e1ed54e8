"""Sums, means and rows over the ranks of a data-parallel run; on one process, nothing happens."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_to_all_single

_alone = ContextVar("alone", default=False)


@contextmanager
def alone() -> Iterator[None]:
    """In the block this process is its only rank: for a small training that each rank does by itself."""
    token = _alone.set(True)
    try:
        yield
    finally:
        _alone.reset(token)


def num_ranks() -> int:
    """How many processes compute a step together."""
    return dist.get_world_size() if dist.is_initialized() and not _alone.get() else 1


def sum_over_ranks(value: Tensor) -> Tensor:
    """The same sum on every rank, in place; every rank must call it."""
    if num_ranks() > 1:
        dist.all_reduce(value)
    return value


def mean_over_ranks(mean: Tensor, weight: Tensor | float) -> Tensor:
    """A rank's mean made its part of the mean over all ranks' rows.

    Data-parallel training averages the gradients of the ranks, whatever number of rows each of them had. The
    average of what this returns is the mean that one process with all rows would have.

    Args:
        mean: over this rank's rows, a scalar; 0 where it has none.
        weight: of these rows in all, or their number. Every rank must call it.

    Returns:
        The mean times the rank's share of all weight times the number of ranks; on one process, the mean.
    """
    if num_ranks() == 1:
        return mean
    own = torch.as_tensor(weight, dtype=torch.float32, device=mean.device).detach()
    total = sum_over_ranks(own.clone())
    return mean * (num_ranks() * own / total.clamp_min(torch.finfo(total.dtype).tiny))


def rows_of_ranks(rows: Tensor) -> tuple[Tensor, int]:
    """The rows of all ranks, by rank; the gradient of each comes back to the rank that it is from.

    Args:
        rows: this rank's, shape (B, D), as many as it likes. Every rank must call it.

    Returns:
        All of them, shape (sum of B, D), and the place of this rank's first one.
    """
    if num_ranks() == 1:
        return rows, 0
    size = rows.new_tensor([len(rows)], dtype=torch.long)
    found = [torch.empty_like(size) for _ in range(num_ranks())]
    dist.all_gather(found, size)
    sizes = torch.cat(found).tolist()
    # Each rank sends its rows to each: the same exchange backwards brings the gradients, which are summed.
    received: Tensor = all_to_all_single(  # type: ignore[no-untyped-call]
        rows.new_empty(sum(sizes), rows.shape[1]),
        rows.repeat(num_ranks(), 1),
        sizes,
        [len(rows)] * num_ranks(),
    )
    return received, sum(sizes[: dist.get_rank()])
