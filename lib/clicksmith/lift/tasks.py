"""Which tasks a configuration measures."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lift.inputs import published
from clicksmith.lift.kinds.next_item import next_item_task
from clicksmith.lift.kinds.ranking import ranking_task
from clicksmith.lift.kinds.search import search_task
from clicksmith.lift.task import Task
from clicksmith.reading.pairs import why_no_search

logger = logging.getLogger(__name__)


def tasks_of(config: Config, inputs: Mapping[str, Snapshot]) -> list[Task]:
    """The tasks with their rows; next items and search where there are any, a ranker of histories never.

    Args:
        config: its section lift.
        inputs: see `inputs.inputs_of`.

    Raises:
        ConfigError, TrainingError: one cannot be measured; see `ranking_task`, `next_item_task` and
            `search_task`.
    """
    generators = sorted({str(arm.generator) for arm, *_ in config.generated_arms.values()})
    generated = {name: published(config, inputs, name) for name in generators}
    of_kind = {
        kind: {name: fits for name, fits in generated.items() if config.generators[name].kind == kind}
        for kind in ("examples", "sequences")
    }
    examples, vocabulary = inputs["training_examples"], inputs["vocabulary"]
    lift = config.lift
    tasks: list[Task] = []
    for model in _models(config.ranker.model, lift.ranking.models):
        if model == "din":
            logger.warning("ranking: din is not measured: it reads histories, which generated rows lack")
            continue
        ranking = ranking_task(_with(config, "ranker", model), examples, vocabulary, of_kind["examples"])
        tasks.append(replace(ranking, name=_name(ranking, config.ranker.model)))
    if lift.next_item.arms and inputs["sequences"].num_rows != 0:
        for model in _models(config.sequential.model, lift.next_item.models):
            next_item = next_item_task(_with(config, "sequential", model), inputs, of_kind["sequences"])
            tasks.append(replace(next_item, name=_name(next_item, config.sequential.model)))
    if config.search is not None and _can_measure_search(inputs):
        for model in _models(config.search.model, lift.search.models):
            own = config.search.model_copy(update={"model": model})
            search = search_task(config, own, inputs)
            tasks.append(replace(search, name=_name(search, config.search.model)))
    return tasks


def _can_measure_search(inputs: Mapping[str, Snapshot]) -> bool:
    """Whether it is asked for, and there is something to learn from and to judge by."""
    if "search_pairs" not in inputs:
        return False
    if why := why_no_search(inputs["search_pairs"], ("train", "test")):
        logger.warning("search is not measured: %s", why)
    return not why


def _name(task: Task, shipped: str) -> str:
    """Of a task, with the family after it where that is not the shipped one."""
    return task.name if task.model == shipped else f"{task.name}/{task.model}"


def _models(shipped: str, further: Sequence[str]) -> list[str]:
    """The shipped family first, each one once."""
    return list(dict.fromkeys((shipped, *further)))


def _with(config: Config, section: str, model: str) -> Config:
    """The configuration with another family in a model's section."""
    own = getattr(config, section)
    if model == own.model:
        return config
    changed: dict[str, object] = {"model": model}
    if model == "logistic":
        changed["auxiliary_labels"] = ()  # it has no layers to share
    return config.model_copy(update={section: own.model_copy(update=changed)})
