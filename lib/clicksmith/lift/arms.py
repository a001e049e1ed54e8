"""The arms of a lift measurement: what each one adds to the real rows, and its training."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from clicksmith.config import ArmConfig, RankerConfig
from clicksmith.recommenders.losses import RankerObjective
from clicksmith.recommenders.ranking.ranker import build_ranker, score
from clicksmith.seeds import derive_seed
from clicksmith.training.engine.supervised import Batch, Schedule, fit, rows_of_step


@dataclass(frozen=True)
class Rows:
    """Coded examples.

    Attributes:
        codes: shape (N, C).
        labels: shape (N,).
    """

    codes: NDArray[np.int32]
    labels: NDArray[np.bool_]


@dataclass(frozen=True)
class ArmTask:
    """Everything but the rows that determines one small training.

    Attributes:
        name: the arm.
        arm: its configuration.
        index: of the training seed, 0..S-1.
        seed: the run's.
        ranker: the model and its optimizer.
        num_steps: equal for all arms.
        cardinalities: codes of each input column.
    """

    name: str
    arm: ArmConfig
    index: int
    seed: int
    ranker: RankerConfig
    num_steps: int
    cardinalities: tuple[int, ...]


def copies(arm: ArmConfig, num_rows: int, tail: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Which real rows the arm adds once more: shape (round(ratio x N),), or none.

    Rows are drawn without replacement until all were, then again, so that no row is added twice
    before every other one was once.

    Args:
        arm: duplicate draws from all rows, oversample_tail from those of rare items; other kinds add none.
        num_rows: N.
        tail: whether a row's item is in the lowest popularity bucket, shape (N,).
        seed: of the draw.
    """
    pool = {"duplicate": np.arange(num_rows), "oversample_tail": np.flatnonzero(tail)}.get(arm.kind)
    wanted = round(arm.ratio * num_rows)
    if pool is None or len(pool) == 0 or wanted == 0:
        return np.empty(0, np.int64)
    return pool[rows_of_step(len(pool), wanted, 0, seed)]


def weights_of(arm: ArmConfig, num_real: int, num_rows: int) -> torch.Tensor | None:
    """Each row's weight in the loss, of mean 1, shape (num_rows,), the real rows first; None: all alike."""
    if arm.weight == 1.0:
        return None
    weights = torch.ones(num_rows)
    weights[num_real:] = arm.weight
    return weights / weights.mean()


def train_arm(
    task: ArmTask, real: Rows, tail: NDArray[np.bool_], extra: Rows | None, test_codes: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Train one ranker and score the test rows; on one thread, so that it repeats exactly.

    Seed s starts every arm from the same weights; the arm's name and s seed its rows and dropout.

    Args:
        task: what to train.
        real: real training rows; their base rate starts the bias in every arm.
        tail: see `copies`.
        extra: rows of a generator, for a synthetic arm.
        test_codes: shape (M, C).

    Returns:
        Probabilities of the label, shape (M,).
    """
    seed = derive_seed(task.seed, "lift", task.name, task.index)
    added = copies(task.arm, len(real.labels), tail, derive_seed(seed, "copies"))
    parts = [real, Rows(real.codes[added], real.labels[added]), *([extra] if extra is not None else [])]
    codes = torch.from_numpy(np.concatenate([part.codes for part in parts]))
    labels = torch.from_numpy(np.concatenate([part.labels for part in parts]))
    ranker = task.ranker
    weights = weights_of(task.arm, len(real.labels), len(labels))
    schedule = Schedule(task.num_steps, ranker.batch_size, ranker.learning_rate, seed)

    def batch_of(step: int) -> Batch:
        has_added = step < round(task.arm.share_of_steps * task.num_steps)
        pool = len(labels) if has_added else len(real.labels)
        rows = torch.from_numpy(rows_of_step(pool, schedule.batch_size, step, seed))
        # Real rows alone all weigh the same: their weights beside added ones are not of mean 1.
        return codes[rows], labels[rows], *((weights[rows],) if has_added and weights is not None else ())

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        network = build_ranker(
            ranker.model,
            task.cardinalities,
            ranker.embedding_dim,
            float(real.labels.mean()),
            derive_seed(task.seed, "lift", "weights", task.index),
        )
        fit(RankerObjective(network), schedule, batch_of)
        return np.asarray(score(network, torch.from_numpy(test_codes)).numpy())
    finally:
        torch.set_num_threads(threads)
