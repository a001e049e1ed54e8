"""Write everything that the lake knows to ROOT/_reports: report.html, one page, and report.json."""

import logging
import sys
from collections.abc import Mapping
from typing import Any

from clicksmith.config import SECTIONS, Config
from clicksmith.errors import ConfigError, LakeError, TrainingError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.decided import decided
from clicksmith.lift.inputs import inputs_of, why_stale
from clicksmith.reporting.as_json import as_json
from clicksmith.reporting.data import Standing, gather
from clicksmith.reporting.first_page import verdict_line
from clicksmith.reporting.html import page_bytes
from clicksmith.tables import VERDICTS

logger = logging.getLogger("clicksmith.jobs.write_report")


def run(config: Config) -> None:
    """Gather, draw, write. Needs neither Spark nor Ray."""
    lake = Lake.of(config)
    data = gather(config, standing(config, lake))
    folder = storage.join(lake.root, "_reports")
    uri = storage.join(folder, "report.html")
    storage.write_bytes(uri, page_bytes(data))
    storage.write_json(storage.join(folder, "report.json"), as_json(data))
    logger.info("verdict: %s", verdict_line(data))
    logger.info("the report is at %s", uri)


def standing(config: Config, lake: Lake) -> Standing:
    """Whether train_recommender would follow the verdicts now, and to which arms."""
    found = lake.find(VERDICTS)
    try:
        inputs = inputs_of(config, lake, sequential_inputs(config, lake))
    except LakeError as error:  # without a table nothing is measured or trained
        told = f"It cannot be held against what is there now: {error}"
        return Standing("" if found is None else told, {})
    augmented: dict[str, Mapping[str, Any] | None] = {}
    for task, section in SECTIONS.items():
        try:
            arm = decided(config, lake, task, inputs).arm
        except (ConfigError, TrainingError):  # no model is trained so
            continue
        augmented[section] = None if arm is None else arm.told
    return Standing("" if found is None else why_stale(config, lake, inputs, found), augmented)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
