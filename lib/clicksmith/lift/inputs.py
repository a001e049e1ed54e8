"""What of the lake a measurement reads, and what determines it. Needs neither Ray nor torch."""

from collections.abc import Mapping

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage, trace
from clicksmith.lakehouse.steps import measured_fits, measured_rows, outdated, twin_of
from clicksmith.tables import (
    BRONZE_ITEMS,
    SEARCH_PAIRS,
    TRAINING_EXAMPLES,
    VOCABULARY,
)

JOB = "measure_lift"
SYNTHETIC = "synthetic/"
"""Before the name of a generator's fit: its published rows."""

_NOT_MEASURED = {"augment"}
"""Of a model's section: what is made of the verdict."""


def inputs_of(config: Config, lake: Lake, sequential: Mapping[str, Snapshot]) -> dict[str, Snapshot]:
    """The pinned tables that a measurement reads, by name.

    Args:
        config: its section lift.
        lake: the lake.
        sequential: what the next-item model is trained on.
    """
    found = {"training_examples": lake.get(TRAINING_EXAMPLES), "vocabulary": lake.get(VOCABULARY)}
    for fit in measured_fits(config):
        part = f"generator={fit}"
        there = lake.find(twin_of(config, fit).published, part)
        if there is not None and lake.count_rows(there, part):  # what the gate withheld is an empty part
            found[f"{SYNTHETIC}{fit}"] = there
    if config.search is not None and config.lift.search.arms:
        found |= {"search_pairs": lake.get(SEARCH_PAIRS), "items": lake.get(BRONZE_ITEMS)}
    return {**found, **(sequential if config.lift.next_item.arms else {})}


def published(config: Config, inputs: Mapping[str, Snapshot], generator: str) -> dict[str, Snapshot]:
    """The published rows of each fit of a generator that passed the gate, by its name."""
    names = {fit: f"{SYNTHETIC}{fit}" for fit in config.fits_of(generator)}
    return {fit: inputs[name] for fit, name in names.items() if name in inputs}


def lineage_of(config: Config, inputs: Mapping[str, Snapshot]) -> Lineage:
    """What determines a measurement."""
    sections = {
        "lift": config.lift.model_dump(mode="json"),
        "ranker": config.ranker.model_dump(mode="json", exclude=_NOT_MEASURED),
    }
    if config.lift.next_item.arms:
        sections["sequential"] = config.sequential.model_dump(mode="json", exclude=_NOT_MEASURED)
    if config.search is not None and config.lift.search.arms:
        sections["search"] = config.search.model_dump(mode="json", exclude=_NOT_MEASURED)
    return trace(JOB, config, sections, inputs)


def why_stale(config: Config, lake: Lake, inputs: Mapping[str, Snapshot], verdicts: Snapshot) -> str:
    """Why verdicts do not hold for what is there and configured now, and what to run again; empty: they do.

    Args:
        config: as it is now.
        lake: as it is now.
        inputs: what a measurement would read now, see `inputs_of`.
        verdicts: the newest ones.
    """
    tables = [(one.table, None) for name, one in inputs.items() if not name.startswith(SYNTHETIC)]
    if upstream := outdated(config, lake, [*tables, *measured_rows(config)]):
        return " ".join(map(str, upstream))
    if lineage_of(config, inputs).made(verdicts):
        return ""
    return (
        "This was decided on other rows, or with other settings, than are there now: run measure_lift again."
    )
