"""Which tasks a configuration measures, and what of the lake they read."""

from collections.abc import Mapping

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage, trace
from clicksmith.lift.next_item import next_item_task
from clicksmith.lift.ranking import ranking_task
from clicksmith.lift.rows import JOB
from clicksmith.lift.task import Task
from clicksmith.recommenders.artefact import sequential_inputs
from clicksmith.tables import SYNTHETIC_EXAMPLES, TRAINING_EXAMPLES, VOCABULARY

_SYNTHETIC = "synthetic/"


def inputs_of(config: Config, lake: Lake) -> dict[str, Snapshot]:
    """The pinned tables that a measurement reads, by name."""
    found = {"training_examples": lake.get(TRAINING_EXAMPLES), "vocabulary": lake.get(VOCABULARY)}
    names = sorted({arm.generator for arm in config.lift.arms.values() if arm.generator is not None})
    for name in names:
        published = lake.find(SYNTHETIC_EXAMPLES, part=f"generator={name}")
        if published is not None:
            found[f"{_SYNTHETIC}{name}"] = published
    if config.lift.next_item.arms:
        found |= sequential_inputs(config, lake)
    return found


def lineage_of(config: Config, inputs: Mapping[str, Snapshot]) -> Lineage:
    """What determines a measurement."""
    sections = {"lift": config.lift, "ranker": config.ranker}
    if config.lift.next_item.arms:
        sections["sequential"] = config.sequential
    return trace(JOB, config, sections, inputs)


def tasks_of(config: Config, inputs: Mapping[str, Snapshot]) -> list[Task]:
    """The tasks with their rows; without users, that of the next item is left out.

    Raises:
        ConfigError, TrainingError: one cannot be measured; see `ranking_task` and `next_item_task`.
    """
    generated = {
        name.removeprefix(_SYNTHETIC): [snapshot]
        for name, snapshot in inputs.items()
        if name.startswith(_SYNTHETIC)
    }
    examples, vocabulary = inputs["training_examples"], inputs["vocabulary"]
    tasks: list[Task] = [ranking_task(config, examples, vocabulary, generated)]
    if config.lift.next_item.arms and inputs["sequences"].num_rows:
        tasks.append(next_item_task(config, inputs))
    return tasks
