"""Ingest a source: to bronze.events, bronze.items, bronze.users, and their rejected tables."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.config.job import run_job
from clicksmith.events.contract import check, ruleset_version
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.intake import Intake, ingest
from clicksmith.lakehouse.lineage import trace
from clicksmith.lakehouse.session import open_session
from clicksmith.sources.read import read_source, source_fingerprint, source_settings
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVENTS_REJECTED,
    ITEMS_REJECTED,
    USERS_REJECTED,
)
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS

logger = logging.getLogger("clicksmith.jobs.ingest_events")

TABLES = (BRONZE_ITEMS, BRONZE_USERS, BRONZE_EVENTS, ITEMS_REJECTED, USERS_REJECTED, EVENTS_REJECTED)


def run(config: Config) -> None:
    """Ingest the configured source, unless that is already done."""
    lake = Lake.of(config)
    sections = {"source": source_settings(config), "contract": config.contract}
    lineage = trace("ingest_events", config, sections, extra_inputs={"source": source_fingerprint(config)})
    if lineage.is_committed(lake, *TABLES):
        logger.info("already done for this source and this configuration")
        return
    spark = open_session(config)
    raw = read_source(spark, config)
    parts = (
        (BRONZE_ITEMS, ITEMS_REJECTED, raw.items, ITEM_COLUMNS),
        (BRONZE_USERS, USERS_REJECTED, raw.users, USER_COLUMNS),
        (BRONZE_EVENTS, EVENTS_REJECTED, raw.events, EVENT_COLUMNS),
    )
    intakes = [
        Intake(
            table,
            rejected_table,
            None if frame is None else check(frame, columns, config.contract),
            ruleset_version(columns, config.contract),
        )
        for table, rejected_table, frame, columns in parts
    ]
    counts = ingest(spark, intakes, lake, lineage, config.source.name, config.contract.max_rejected_fraction)
    for name, count in counts.items():
        logger.info("%s: %s", name, ", ".join(f"{key}={value:,}" for key, value in count.as_dict().items()))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
