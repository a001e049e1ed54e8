"""Which tasks a configuration measures."""

from collections.abc import Mapping

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.lift.inputs import published
from clicksmith.lift.next_item import next_item_task
from clicksmith.lift.ranking import ranking_task
from clicksmith.lift.search import search_task
from clicksmith.lift.task import Task


def tasks_of(config: Config, inputs: Mapping[str, Snapshot]) -> list[Task]:
    """The tasks with their rows; without users, that of the next item is left out.

    Args:
        config: its section lift.
        inputs: see `inputs.inputs_of`.

    Raises:
        ConfigError, TrainingError: one cannot be measured; see `ranking_task` and `next_item_task`.
    """
    generators = {arm.generator for arm in config.lift.arms.values() if arm.generator is not None}
    generated = {name: published(config, inputs, name) for name in sorted(generators)}
    examples, vocabulary = inputs["training_examples"], inputs["vocabulary"]
    tasks: list[Task] = [ranking_task(config, examples, vocabulary, generated)]
    if config.lift.next_item.arms and inputs["sequences"].num_rows:
        tasks.append(next_item_task(config, inputs))
    if config.search is not None and "search_pairs" in inputs:
        tasks.append(search_task(config, config.search, inputs["search_pairs"], inputs["items"]))
    return tasks
