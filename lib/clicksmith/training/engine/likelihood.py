"""How likely real rows are to a generator: nats a row, of those held out and of those trained on."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clicksmith.generators.recipe import Recipe, Shard
from clicksmith.ranks import sum_over_ranks


@dataclass(frozen=True)
class Watched:
    """Real rows that are looked at during training.

    Attributes:
        rows: a batch of N rows.
        users: whose each row is, by a number, shape (N,); None: each row stands for itself.
    """

    rows: Any
    users: NDArray[np.int64] | None = None


def likelihood(
    recipe: Recipe[Any], held_out: Watched, trained: Watched, shard: Shard
) -> dict[str, float] | None:
    """Nats a row of the sampler's weights: the same figures on every rank, so that all stop together.

    Returns:
        ``held_out_nats`` and ``train_nats``; and ``gap_error``, the standard error of the first less the
        second, where there are two users of either. None where there is no likelihood, or no row.
    """
    means, variances = [], []
    for watched in (held_out, trained):
        if len(watched.rows) == 0:
            return None
        users = np.arange(len(watched.rows))
        if watched.users is not None:
            users = np.unique(watched.users, return_inverse=True)[1]
        sums = nats_of_users(recipe, watched.rows, users, shard)
        if sums is None:
            return None
        mean, variance = mean_of_users(sums, np.bincount(users))
        means.append(mean)
        variances.append(variance)
    figures = {"held_out_nats": means[0], "train_nats": means[1]}
    error = math.sqrt(sum(variances))
    return figures if math.isnan(error) else {**figures, "gap_error": error}


def nats_of_users(
    recipe: Recipe[Any], rows: Any, users: NDArray[np.int64], shard: Shard
) -> NDArray[np.float64] | None:
    """Sums of nats over the rows of each user, shape (U,); each rank computes a part of the rows.

    Users are numbered from 0.
    """
    num_rows = len(rows)
    start, stop = (rank * num_rows // shard.world_size for rank in (shard.rank, shard.rank + 1))
    sums = torch.zeros(int(users.max()) + 1, dtype=torch.float64)
    nats = recipe.row_nats(rows.part(start, stop))
    if nats is None:
        return None
    if start < stop:  # of fewer rows than ranks some have none
        sums.index_add_(0, torch.from_numpy(users[start:stop]), nats.double().cpu())
    return np.asarray(sum_over_ranks(sums).numpy())


def mean_of_users(sums: NDArray[np.float64], counts: NDArray[np.integer]) -> tuple[float, float]:
    """The mean over rows, and its variance where whole users are drawn: NaN of a single one.

    Args:
        sums: over each user's rows, shape (U,).
        counts: of them, shape (U,).
    """
    num_rows, num_users = int(counts.sum()), int((counts > 0).sum())
    mean = float(sums.sum()) / num_rows
    if num_users < 2:
        return mean, math.nan
    beyond = float(((sums - mean * counts) ** 2).sum())
    return mean, num_users / (num_users - 1) * beyond / num_rows**2
