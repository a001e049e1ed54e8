"""Write everything that the lake knows to ROOT/_reports: report.html, one page, and report.json."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.job import run_job
from clicksmith.reporting.as_json import as_json
from clicksmith.reporting.data import gather
from clicksmith.reporting.decisions import verdict_line
from clicksmith.reporting.html import page_bytes

logger = logging.getLogger("clicksmith.jobs.write_report")


def run(config: Config) -> None:
    """Gather, draw, write. Needs neither Spark nor Ray."""
    data = gather(config)
    folder = storage.join(Lake.of(config).root, "_reports")
    uri = storage.join(folder, "report.html")
    storage.write_bytes(uri, page_bytes(data))
    storage.write_json(storage.join(folder, "report.json"), as_json(data))
    logger.info("verdict: %s", verdict_line(data.verdicts))
    logger.info("the report is at %s", uri)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
