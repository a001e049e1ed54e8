"""Training in this process: what is held out, the loop, and what is kept."""

import logging
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clicksmith.config import PresetOptions
from clicksmith.errors import ConfigError, ContractError
from clicksmith.generators.kinds import KINDS
from clicksmith.generators.presets import PRESETS, build_recipe, check_config
from clicksmith.generators.recipe import Sampler, Shard
from clicksmith.seeds import counter_uniform, derive_seed
from clicksmith.training.engine.likelihood import Watched
from clicksmith.training.engine.loop import Plan, Progress, run_loop

logger = logging.getLogger(__name__)

MAX_HELD_OUT = 20_000
"""Owners that are looked at in training; more of them tell hardly more."""


@dataclass(frozen=True)
class Split:
    """Numbers of rows or groups in random order.

    Attributes:
        shown: to train on.
        held_out: to stop by.
    """

    shown: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @classmethod
    def of(cls, owners: NDArray[np.int64], share: float, max_rows: int, seed: int) -> "Split":
        """Hold out a share of the owners, with all that is theirs.

        Args:
            owners: a number of each row's owner, from 0, shape (N,).
            share: in [0, 1).
            max_rows: to train on, at most.
            seed: of the choice.

        Raises:
            ConfigError: the share is not one.
            ContractError: there is no row, or nothing would be left.
        """
        if not 0 <= share < 1:
            raise ConfigError(f"holdout is {share}; a share of at least 0 and below 1 was expected.")
        if not len(owners):
            raise ContractError("The table has no rows.", "Fit on a table that has some.")
        num_owners = int(owners.max()) + 1
        drawn = counter_uniform(derive_seed(seed, "holdout"), np.arange(num_owners), 1)[:, 0]
        rank = np.empty(num_owners, dtype=np.int64)
        rank[np.argsort(drawn)] = np.arange(num_owners)
        held_out = rank[owners] < min(round(share * num_owners), num_owners - 1)
        order = np.argsort(
            counter_uniform(derive_seed(seed, "order"), np.arange(len(owners)), 1)[:, 0], kind="stable"
        )
        shown = order[~held_out[order]]
        if len(shown) > max_rows:
            logger.info("Training on %s of %s rows (max_rows)", f"{max_rows:,}", f"{len(shown):,}")
        return cls(shown[:max_rows], order[held_out[order]][:MAX_HELD_OUT])


@dataclass(frozen=True)
class Trained:
    """What training gives.

    Attributes:
        sampler: with the weights that are kept.
        history: figures of steps.
        metrics: of the end, and of the weights that are kept.
    """

    sampler: Sampler[Any]
    history: list[dict[str, float]]
    metrics: dict[str, float]


def train(
    options: PresetOptions, seed: int, core: Any, shown: Any, held_out: Any, users: NDArray[np.int64] | None
) -> Trained:
    """Train a preset on coded rows, until its steps are done or rows held out no longer become likelier.

    Args:
        options: of the preset.
        seed: of the training.
        core: the codec that presets know.
        shown: a batch of rows to train on.
        held_out: a batch of rows to stop by; it may be empty.
        users: whose each row held out is, shape (N,), or None: each stands for itself.

    Raises:
        TrainingError: it diverged, or an option names what is not there.
    """
    check_config(options.preset, options, 1)
    schedule = options.schedule
    recipe = build_recipe(options, seed, core, shown)
    recipe.prepare(lambda module: module)
    plan = Plan(
        schedule.num_steps,
        min(schedule.checkpoint_every, schedule.num_steps),
        Watched(held_out, users),
        Watched(shown.part(0, min(len(held_out), len(shown)))),
        derive_seed(seed, "examine"),
        KINDS[options.kind].signs,
        schedule.max_rollbacks,
    )
    started = time.monotonic()

    def on_checkpoint(now: Progress) -> None:
        figures = now.history[-1]
        names = [name for name in ("held_out_nats", "train_nats", "nats", "diversity") if name in figures]
        told = ", ".join(f"{name} {figures[name]:.3f}" for name in names)
        passed = time.monotonic() - started
        logger.info("%s: step %s of %s, %.0f s; %s", options.preset, now.step, plan.num_steps, passed, told)

    progress = run_loop(recipe, plan, Shard(), Progress(), on_checkpoint)
    last = {name: value for name, value in progress.history[-1].items() if name != "step"}
    best = {**progress.best_nats, "best_step": progress.best_step} if progress.best_nats else {}
    metrics = {**last, **best, "steps": progress.step, "rollbacks": progress.rollbacks}
    sampler = PRESETS[options.preset].sampler(core)
    sampler.load_state_dict({name: value.cpu() for name, value in recipe.sampler.state_dict().items()})
    return Trained(sampler.eval().requires_grad_(False), progress.history, metrics)
