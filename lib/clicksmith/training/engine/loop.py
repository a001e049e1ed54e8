"""The loop around a recipe: steps, history, checkpoints, early stopping, collapses. Knows no engine.

Everything random in a step derives from (seed, step), so a loop that starts from a checkpoint goes
on exactly as the undisturbed one would have, bit for bit on the same number of ranks.
"""

import copy
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clicksmith.errors import TrainingError
from clicksmith.generators.recipe import Recipe, Shard
from clicksmith.ranks import num_ranks, sum_over_ranks
from clicksmith.training.engine.checkpoint import State, damaged
from clicksmith.training.engine.collapse import is_collapse
from clicksmith.training.engine.likelihood import Watched, likelihood

logger = logging.getLogger(__name__)

PATIENCE = 3
"""Checkpoints without a better held-out loss before training stops."""

SLOWER = 0.5
"""Learning rates are multiplied by it after a collapse."""

MAX_HISTORY = 200
SAMPLE_ROWS = 1024

Figures = dict[str, float]


@dataclass
class Progress:
    """What a checkpoint holds beside the recipe's state.

    Attributes:
        step: steps done.
        history: figures of steps, each with its "step".
        best_loss: lowest held-out nats a row so far, or None.
        best_step: where the weights kept are from.
        best_nats: their figures on held-out and on training rows, see `likelihood`.
        best_weights: the sampler's weights there.
        stopped: whether training has ended early.
        best_diversity: of a sample so far; see `clicksmith.training.engine.collapse`.
        good_step: the last checkpoint without a collapse, or 0: the untrained start.
        good_state: the recipe's state there.
        rollbacks: collapses that were rolled back.
        rate_factor: of the recipe's learning rates.
    """

    step: int = 0
    history: list[Figures] = field(default_factory=list)
    best_loss: float | None = None
    best_step: int = 0
    best_nats: Figures = field(default_factory=dict)
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    stopped: bool = False
    best_diversity: float = 0.0
    good_step: int = 0
    good_state: State = field(default_factory=dict)
    rollbacks: int = 0
    rate_factor: float = 1.0


@dataclass(frozen=True)
class Plan:
    """How long to train, and what to look at on the way.

    Attributes:
        num_steps: of the generator.
        checkpoint_every: steps.
        held_out: real rows that training never sees.
        trained: as many that it does see: what it learnt of them alone is memorised.
        seed: of the sample that shows collapse.
        signs: of collapse in it, beside the held-out rows: figures, and "diversity" where these are enough.
        max_rollbacks: collapses after which training goes on; one more ends it. 0 looks for none.
    """

    num_steps: int
    checkpoint_every: int
    held_out: Watched
    trained: Watched
    seed: int
    signs: Callable[[Any, Any], Figures]
    max_rollbacks: int = 3


def run_loop(
    recipe: Recipe[Any],
    plan: Plan,
    shard: Shard,
    progress: Progress,
    on_checkpoint: Callable[[Progress], None],
) -> Progress:
    """Train to the end, or until the held-out loss has not fallen for `PATIENCE` checkpoints.

    Where this happens before the last of a recipe's phases, the steps up to the next one are skipped.

    At a checkpoint whose sample shows a collapse, the recipe returns to the last good state and goes on at
    lower rates. The steps go on counting: the next ones see other rows and noise than those that failed.

    Args:
        recipe: prepared, its state loaded where `progress` is not fresh.
        plan: what to do.
        shard: this rank.
        progress: where to start; it is updated in place.
        on_checkpoint: called on every rank at each checkpoint and at the end.

    Returns:
        The progress; the sampler then holds the best weights.

    Raises:
        TrainingError: a loss is no longer a number.
    """
    if progress.step == 0 and _watches(recipe, plan):
        progress.good_state = copy.deepcopy(recipe.state_dict())
    every = -(-plan.num_steps // MAX_HISTORY)
    while progress.step < plan.num_steps and not progress.stopped:
        figures = recipe.step(progress.step, shard)
        progress.step += 1
        last = progress.step == plan.num_steps
        checkpoint = last or progress.step % plan.checkpoint_every == 0
        if checkpoint or progress.step % every == 0:
            progress.history.append({"step": progress.step, **_average(figures, progress.step)})
        if checkpoint:
            _examine(recipe, plan, shard, progress)
            if last or progress.stopped:
                _finish(recipe, plan, shard, progress)
            on_checkpoint(progress)
    if progress.best_weights:
        recipe.sampler.load_state_dict(progress.best_weights)
    return progress


def _finish(recipe: Recipe[Any], plan: Plan, shard: Shard, progress: Progress) -> None:
    """Give the weights that are kept their last touch; their nats are told as they then are."""
    if progress.best_weights:
        recipe.sampler.load_state_dict(progress.best_weights)
    recipe.finish(shard)
    nats = likelihood(recipe, plan.held_out, plan.trained, shard)
    if nats is not None:
        _keep(recipe, progress, nats)


def _watches(recipe: Recipe[Any], plan: Plan) -> bool:
    """Whether this training looks for collapses."""
    return recipe.rate_factor is not None and plan.max_rollbacks > 0


def _examine(recipe: Recipe[Any], plan: Plan, shard: Shard, progress: Progress) -> None:
    """Add held-out loss and signs of collapse to the history; decide on early stopping and rollbacks."""
    figures = progress.history[-1]
    figures |= plan.signs(recipe.sampler.sample(plan.seed, np.arange(SAMPLE_ROWS)), plan.held_out.rows)
    if _watches(recipe, plan) and "diversity" in figures:
        _watch_diversity(recipe, plan, progress, figures)
    nats = likelihood(recipe, plan.held_out, plan.trained, shard)
    if nats is None:
        return
    figures |= nats
    loss = nats["held_out_nats"]
    best, tolerance = progress.best_loss, recipe.held_out_tolerance(progress.step)
    if best is None or loss < best + tolerance:
        progress.best_loss, progress.best_step = loss if best is None else min(best, loss), progress.step
        _keep(recipe, progress, nats)
    began = max((first for first in recipe.phases if first < progress.step), default=0)
    waited = progress.step - max(progress.best_step, began)
    if waited >= PATIENCE * plan.checkpoint_every and not progress.stopped:
        _end_phase(recipe, plan, progress)


def _end_phase(recipe: Recipe[Any], plan: Plan, progress: Progress) -> None:
    """Go on to the next phase, with the best weights; or end the training where this was the last one."""
    later = [first for first in recipe.phases if progress.step <= first < plan.num_steps]
    if not later:
        progress.stopped = True
        return
    recipe.sampler.load_state_dict(progress.best_weights)
    progress.step = min(later)


def _keep(recipe: Recipe[Any], progress: Progress, nats: Figures) -> None:
    """Keep the sampler's weights, and what is known of them."""
    progress.best_nats = nats
    progress.best_weights = {k: v.detach().clone() for k, v in recipe.sampler.state_dict().items()}


def _watch_diversity(recipe: Recipe[Any], plan: Plan, progress: Progress, figures: Figures) -> None:
    """Keep a good state, or return to it from a collapse, at most `Plan.max_rollbacks` times."""
    # Ranks on unlike machines may differ in the last bits: they all decide on the same mean.
    diversity = float(sum_over_ranks(torch.tensor(figures["diversity"], dtype=torch.float64))) / num_ranks()
    if not is_collapse(diversity, progress.best_diversity):
        progress.best_diversity = max(progress.best_diversity, diversity)
        progress.good_step, progress.good_state = progress.step, copy.deepcopy(recipe.state_dict())
        return
    exhausted = progress.rollbacks == plan.max_rollbacks
    if exhausted and progress.good_step == 0:
        return  # it never was any better, and an untrained network is no result
    # A copy, because optimizers take the tensors that they are given as their own.
    recipe.load_state_dict(copy.deepcopy(progress.good_state))
    figures["rolled_back_to"] = progress.good_step
    then = "ends there"
    if exhausted:
        progress.stopped = True
    else:
        progress.rollbacks += 1
        progress.rate_factor *= SLOWER
        recipe.rate_factor = figures["rate_factor"] = progress.rate_factor
        then = f"goes on at {progress.rate_factor:g} of the learning rates"
    logger.warning(
        "Mode collapse at step %d: diversity %.2f, %.2f at best. Training returns to step %d and %s.",
        progress.step,
        diversity,
        progress.best_diversity,
        progress.good_step,
        then,
    )


def _average(figures: dict[str, Tensor], step: int) -> Figures:
    """Means over the ranks, as plain numbers."""
    names = sorted(figures)
    values = sum_over_ranks(torch.stack([figures[name].double() for name in names]))
    values = values / num_ranks()
    if not bool(torch.isfinite(values).all()):
        shown = dict(zip(names, values.tolist(), strict=True))
        raise TrainingError(
            f"Training diverged at step {step}: {shown}.", "Lower the generator's learning_rate."
        )
    return dict(zip(names, values.tolist(), strict=True))


def dump(recipe: Recipe[Any], progress: Progress) -> State:
    """A checkpoint: networks, optimizers and progress."""
    return {"recipe": recipe.state_dict(), "progress": vars(progress)}


def restore(recipe: Recipe[Any], state: State) -> Progress:
    """Load a checkpoint into a prepared recipe.

    Raises:
        TrainingError: it is of another model.
    """
    try:
        recipe.load_state_dict(state["recipe"])
        progress = Progress(**state["progress"])
    except Exception as error:  # torch raises many kinds for weights that do not fit
        raise damaged(error) from error
    if recipe.rate_factor is not None:
        recipe.rate_factor = progress.rate_factor
    return progress
