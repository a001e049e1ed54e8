"""A tuned control: real rows alone, with the best of the model's own settings.

A gain over settings that nobody tuned may be a gain over the settings. The search, by Ray Tune, takes as many
trainings as any other arm, and is judged on validation rows alone; the arm is then trained with what it
found, and tested like all others.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from ray import tune
from ray.tune.search.basic_variant import BasicVariantGenerator
from ray.tune.search.sample import Domain

from clicksmith.config import Config, RayConfig
from clicksmith.errors import TrainingError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse import storage
from clicksmith.lift.task import TUNED, Arm, Task
from clicksmith.seeds import derive_seed
from clicksmith.training import runs
from clicksmith.training.engine.cluster import connect

logger = logging.getLogger(__name__)

_FIGURE = "figure"


class Tunable(Task, Protocol):
    """A task whose control can be tuned.

    Attributes:
        space: by setting of the model's section, where its values are sought.
        settings: that an arm of kind tuned is trained with, in place of the configured ones.
    """

    @property
    def space(self) -> Mapping[str, Domain]: ...  # noqa: D102

    @property
    def settings(self) -> Mapping[str, Any]: ...  # noqa: D102

    def control(self, settings: Mapping[str, Any], seed: int) -> runs.Task:
        """The control with other settings, not trained yet."""


@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        settings: the best ones.
        figure: of theirs on validation rows.
        num_trials: that were compared.
    """

    settings: Mapping[str, Any]
    figure: float
    num_trials: int


T = TypeVar("T")


def tuned(task: T, config: Config, folder: str) -> T:
    """The task, with tuned settings for its arms of kind tuned, if it has any.

    Args:
        task: a `Tunable` one where it has such arms.
        config: its sections lift and ray.
        folder: where trials are kept: a search that was killed goes on from them.

    Raises:
        TrainingError: there are no Ray workers, or a trial failed.
    """
    mine: Any = task
    arms: Mapping[str, Arm] = mine.arms
    if all(arm.kind != TUNED for arm in arms.values()):
        return task
    if config.ray.num_workers == 0:
        raise TrainingError(
            f"{mine.name} has an arm of kind {TUNED}, which Ray Tune searches for, but ray.num_workers is 0.",
            "Raise it, or leave the arm out.",
        )
    num_trials = config.lift.num_seeds * max(arm.num_fits for arm in arms.values())
    seed = derive_seed(config.seed, "lift", mine.name, TUNED)
    found = search(mine, num_trials, seed, config.ray, folder)
    logger.info("%s: tuned control: %s, %.4f on validation rows", mine.name, found.settings, found.figure)
    told = {"settings": dict(found.settings), "figure": found.figure, "num_trials": found.num_trials}
    changed: T = replace(mine, settings=found.settings, facts={**mine.facts, TUNED: told})
    return changed


def search(task: Tunable, num_trials: int, seed: int, config: RayConfig, folder: str) -> Found:
    """Train the control with settings drawn from its space and keep the best.

    Args:
        task: the task.
        num_trials: trainings.
        seed: of the settings; the same one trains all trials.
        config: of the cluster.
        folder: where trials are kept.

    Raises:
        TrainingError: a trial failed.
    """
    connect(config)
    filesystem, path = storage.resolve(folder)
    trainable = tune.with_parameters(_trial, task=task, seed=seed)
    place = storage.join(path, TUNED)
    if tune.Tuner.can_restore(place, storage_filesystem=filesystem):
        tuner = tune.Tuner.restore(
            place, trainable, resume_errored=True, storage_filesystem=filesystem, param_space=dict(task.space)
        )
    else:
        settings = tune.TuneConfig(
            metric=_FIGURE,
            mode="max",
            num_samples=num_trials,
            search_alg=BasicVariantGenerator(random_state=seed),
        )
        run = tune.RunConfig(
            name=TUNED,
            storage_path=path,
            storage_filesystem=filesystem,
            verbose=0,
            callbacks=[_Told(task.name, num_trials)],
        )
        tuner = tune.Tuner(trainable, param_space=dict(task.space), tune_config=settings, run_config=run)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # what fails is told below, in plain words
    results = tuner.fit()
    remedy = "Run measure_lift again: finished trials are kept."
    with doing(f"Tuning the control of {task.name}", raises=TrainingError, remedy=remedy):
        for error in results.errors:
            raise error
    trials = [results[number].metrics or {} for number in range(len(results))]
    if all(math.isnan(trial.get(_FIGURE, math.nan)) for trial in trials):
        raise TrainingError(
            f"The tuned control of {task.name}: no trial has a figure on validation rows.",
            "Leave the arm of kind tuned out, or give the validation split rows of both outcomes.",
        )
    best = results.get_best_result()
    assert best.metrics is not None and best.config is not None
    return Found(best.config, float(best.metrics[_FIGURE]), len(results))


class _Told(tune.Callback):
    """One line a finished trial."""

    def __init__(self, name: str, num_trials: int) -> None:
        self._name, self._num_trials = name, num_trials

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        # Counted, not added up: a search that goes on has trials of the one that was killed.
        done = sum(one is trial or one.is_finished() for one in trials)
        logger.info("%s: trials of the tuned control done: %d of %d", self._name, done, self._num_trials)


def _trial(settings: dict[str, Any], task: Any, seed: int) -> dict[str, float]:
    """What the control with these settings gets on validation rows."""
    control = task.control(settings, seed)
    runs.fit_here(control)
    return {_FIGURE: control.validate()[control.selection]}
