"""Write everything that the lake knows into one page, ROOT/_reports/report.html."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.job import run_job
from clicksmith.reporting.data import gather
from clicksmith.reporting.html import page_bytes, verdict_line

logger = logging.getLogger("clicksmith.jobs.write_report")


def run(config: Config) -> None:
    """Gather, draw, write. Needs neither Spark nor Ray."""
    data = gather(config)
    uri = storage.join(Lake.of(config).root, "_reports", "report.html")
    storage.write_bytes(uri, page_bytes(data))
    logger.info("verdict: %s", verdict_line(data))
    logger.info("the report is at %s", uri)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
