"""Maintain tables: small files into larger ones, and files that no version in use needs removed."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.maintenance import maintain, pinned_versions
from clicksmith.lakehouse.session import open_session
from clicksmith.tables import ALL_TABLES, JOB_RUNS

logger = logging.getLogger("clicksmith.jobs.maintain_tables")


def run(config: Config) -> None:
    """Care for every table that the lake has."""
    lake, spark = Lake.of(config), open_session(config)
    pinned = pinned_versions(lake, config)
    for table in (*ALL_TABLES, JOB_RUNS):
        care = maintain(spark, lake, table, config.maintenance, pinned)
        if care is not None:
            logger.info(
                "%s: %d files, %d before; kept for %d hours%s",
                table.name,
                care.num_files,
                care.num_files_before,
                care.retention_hours,
                "" if care.oldest_pinned is None else f", version {care.oldest_pinned} is in use",
            )


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
