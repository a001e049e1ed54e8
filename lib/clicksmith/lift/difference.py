"""What an arm gives over another: figures by slice, differences with intervals.

An interval covers two sources of chance. Which users were measured: a paired bootstrap over
users of the mean-over-seeds difference. Which seeds were trained: the residual of the two-way
table arms x seeds, pooled over arms (one-way in the seeds' common part), as a t-distributed
term added to each replicate; without it, two identical arms would "differ" by training noise,
which no number of test users takes away. With one seed it cannot be estimated and is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from clicksmith.evaluation import ranking
from clicksmith.lift import bootstrap
from clicksmith.seeds import derive_seed

Metric = Literal["auc", "logloss"]


@dataclass(frozen=True)
class Figures:
    """One arm on one slice of the test rows.

    Attributes:
        num_rows: rows of the slice.
        per_seed: metric (auc, logloss, gauc) to its value for each training seed, shape (S,).
        replicates: metric (auc, logloss) to its mean over seeds under each replicate, shape (B,).
    """

    num_rows: int
    per_seed: dict[str, NDArray[np.float64]]
    replicates: dict[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Difference:
    """Arm minus another arm on one slice, as a value with its replicates.

    Attributes:
        metric: auc (higher is better) or logloss (lower is better).
        arm: the arm.
        against: the arm that is taken off.
        slice: the slice.
        value: mean over seeds.
        replicates: shape (B,), users and training seeds both resampled.
        num_rows: rows of the slice.
    """

    metric: Metric
    arm: str
    against: str
    slice: str
    value: float
    replicates: NDArray[np.float64]
    num_rows: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The percentile interval at a level; (NaN, NaN) where there is none."""
        return bootstrap.interval(self.replicates, level)

    def without_interval(self) -> "Difference":
        """The value alone, where too few users make any interval a wrong one."""
        return replace(self, replicates=np.full_like(self.replicates, np.nan))


def buckets(values: NDArray[np.number], borders: Sequence[int], name: str) -> dict[str, NDArray[np.bool_]]:
    """Row masks by value, named like ``history=0-49``, ..., ``history=600+``.

    Args:
        values: whole numbers, not negative, shape (N,).
        borders: increasing; each starts a bucket, the first of which starts at 0.
        name: prefix of the slices' names.
    """
    edges = [0, *borders]
    slices = {}
    for low, high in zip(edges, [*borders, None], strict=True):
        label = f"{name}={low}+" if high is None else f"{name}={low}-{high - 1}"
        slices[label] = (values >= low) & (values < (np.inf if high is None else high))
    return slices


def measure_arm(
    scores_SN: NDArray[np.floating],
    labels: NDArray[np.bool_],
    users: NDArray[np.integer],
    slices: Mapping[str, NDArray[np.bool_]],
    counts: NDArray[np.int32],
) -> dict[str, Figures]:
    """An arm's figures on each slice.

    Args:
        scores_SN: probabilities, one row a training seed, shape (S, N).
        labels: shape (N,).
        users: shape (N,), columns of `counts`.
        slices: name to mask, shape (N,).
        counts: bootstrap multiplicities, shape (B, U), the same for every arm.
    """
    figures = {}
    for name, mask in slices.items():
        label, user = labels[mask], users[mask]
        per_seed: dict[str, list[float]] = {"auc": [], "logloss": [], "gauc": []}
        auc, loss = np.zeros(len(counts)), np.zeros(len(label))
        for scores in scores_SN:
            score = scores[mask]
            losses = ranking.log_losses(score, label)
            per_seed["auc"].append(ranking.auc(score, label))
            per_seed["logloss"].append(float(losses.mean()) if len(losses) else float("nan"))
            per_seed["gauc"].append(ranking.grouped_auc(score, label, user))
            auc += bootstrap.auc_replicates(score, label, user, counts) / len(scores_SN)
            loss += losses / len(scores_SN)
        figures[name] = Figures(
            num_rows=int(mask.sum()),
            per_seed={metric: np.array(values) for metric, values in per_seed.items()},
            replicates={"auc": auc, "logloss": bootstrap.mean_replicates(loss, user, counts)},
        )
    return figures


def difference(
    arms: Mapping[str, Mapping[str, Figures]],
    metric: Metric,
    arm: str,
    against: str,
    slice_name: str,
    seed: int,
) -> Difference:
    """One difference, its replicates widened by the training noise.

    Args:
        arms: figures by arm and slice; all arms serve to estimate the training noise.
        metric: auc or logloss.
        arm: the arm.
        against: the arm that is taken off.
        slice_name: the slice.
        seed: of the noise's random numbers.
    """
    one, other = arms[arm][slice_name], arms[against][slice_name]
    values_AS = np.stack([figures[slice_name].per_seed[metric] for figures in arms.values()])
    replicates = one.replicates[metric] - other.replicates[metric]
    error, freedom = training_error(values_AS)
    if error > 0:
        random = np.random.default_rng(derive_seed(seed, "training_noise", metric, arm, against, slice_name))
        replicates = replicates + error * random.standard_t(freedom, len(replicates))
    return Difference(
        metric=metric,
        arm=arm,
        against=against,
        slice=slice_name,
        value=float(one.per_seed[metric].mean() - other.per_seed[metric].mean()),
        replicates=replicates,
        num_rows=one.num_rows,
    )


def training_error(values_AS: NDArray[np.float64]) -> tuple[float, int]:
    """Standard error of a difference of two arms' means over seeds that the choice of seeds causes.

    Args:
        values_AS: one metric by arm and seed, shape (A, S).

    Returns:
        The standard error and its degrees of freedom, (A - 1)(S - 1); (0, 0) where there are none.
    """
    num_arms, num_seeds = values_AS.shape
    freedom = (num_arms - 1) * (num_seeds - 1)
    if freedom == 0 or np.isnan(values_AS).any():
        return 0.0, 0
    residual = (
        values_AS - values_AS.mean(1, keepdims=True) - values_AS.mean(0, keepdims=True) + values_AS.mean()
    )
    variance = float((residual**2).sum()) / freedom
    return float(np.sqrt(2 * variance / num_seeds)), freedom
