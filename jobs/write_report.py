"""Write everything that the lake knows to ROOT/_reports: report.html, one page, and report.json."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from clicksmith.config import Config
from clicksmith.errors import ConfigError, LakeError, TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.job import run_job
from clicksmith.lift.decided import SECTIONS, decided
from clicksmith.lift.inputs import inputs_of, lineage_of
from clicksmith.reporting.as_json import as_json
from clicksmith.reporting.data import Standing, gather
from clicksmith.reporting.decisions import verdict_line
from clicksmith.reporting.html import page_bytes
from clicksmith.tables import ALL_TABLES, SYNTHETIC_EXAMPLES, VERDICTS

logger = logging.getLogger("clicksmith.jobs.write_report")


def run(config: Config) -> None:
    """Gather, draw, write. Needs neither Spark nor Ray."""
    lake = Lake.of(config)
    data = gather(config, standing(config, lake))
    folder = storage.join(lake.root, "_reports")
    uri = storage.join(folder, "report.html")
    storage.write_bytes(uri, page_bytes(data))
    storage.write_json(storage.join(folder, "report.json"), as_json(data))
    logger.info("verdict: %s", verdict_line(data.verdicts))
    logger.info("the report is at %s", uri)


def standing(config: Config, lake: Lake) -> Standing:
    """Whether train_recommender would follow the verdicts now, and to which arms."""
    found = lake.find(VERDICTS)
    try:
        inputs = inputs_of(config, lake, {} if found is None else _read_before(lake, found))
    except LakeError:  # without a table nothing is measured or trained; one that is damaged stops `gather`
        return Standing(found is not None, {})
    augmented: dict[str, Mapping[str, Any] | None] = {}
    for task, section in SECTIONS.items():
        try:
            arm = decided(config, lake, task, inputs)
        except (ConfigError, TrainingError):  # no model is trained so
            continue
        augmented[section] = None if arm is None else arm.told
    return Standing(found is not None and not lineage_of(config, inputs).made(found), augmented)


def _read_before(lake: Lake, verdicts: Snapshot) -> dict[str, Snapshot]:
    """The newest versions of the tables that the verdicts rest on, by the names that their commit tells.

    Which ones a next-item model reads is known to a module of torch's, which a report does without. Were they
    others now, so would be the settings, and these alone would tell that the verdicts are out of date.
    """
    tables = {table.name: table for table in ALL_TABLES}
    names: Mapping[str, str] = verdicts.metadata.get("input_tables", {})
    return {name: lake.get(tables[own]) for name, own in names.items() if own != SYNTHETIC_EXAMPLES.name}


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
