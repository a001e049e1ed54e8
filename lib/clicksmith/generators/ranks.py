"""Sums over the ranks of a data-parallel run; on one process, nothing happens."""

import torch.distributed as dist
from torch import Tensor


def num_ranks() -> int:
    """How many processes compute a step together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def sum_over_ranks(value: Tensor) -> Tensor:
    """The same sum on every rank, in place; every rank must call it."""
    if num_ranks() > 1:
        dist.all_reduce(value)
    return value
