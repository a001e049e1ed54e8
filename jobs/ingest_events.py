"""Ingest a source: to bronze.events, bronze.items, bronze.users, and their rejected tables."""

import logging
import sys

from pyspark.sql import functions as F

from clicksmith.config import Config, FilesConfig
from clicksmith.errors import SourceError
from clicksmith.events.catalogue import warn_of_strangers
from clicksmith.events.contract import check, ruleset_version
from clicksmith.lakehouse.batches import Batch, next_batches
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import read
from clicksmith.lakehouse.intake import Intake, ingest
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_ingest
from clicksmith.sources.files import event_files
from clicksmith.sources.read import read_source, source_fingerprint
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVENT_FILES,
    EVENTS_REJECTED,
    ITEMS_REJECTED,
    USERS_REJECTED,
)
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS

logger = logging.getLogger("clicksmith.jobs.ingest_events")

TABLES = (BRONZE_ITEMS, BRONZE_USERS, BRONZE_EVENTS, ITEMS_REJECTED, USERS_REJECTED, EVENTS_REJECTED)


def run(config: Config) -> None:
    """Ingest the configured source, or the next batch of its new files, unless that is already done."""
    lake, source = Lake.of(config), config.source
    if isinstance(source, FilesConfig) and source.incremental:
        batches = next_batches(open_session(config), lake, event_files(source), source)
        for batch in batches:
            _ingest(config, lake, trace_ingest(config, batch.fingerprint), batch)
        if not batches and lake.find(BRONZE_EVENTS) is None:
            raise SourceError(
                f"All files in {source.events.path} are empty or younger than source.settle_seconds "
                f"({source.settle_seconds:g} s), and may yet be written to.",
                "Run again once they are older, or lower source.settle_seconds.",
            )
        if not batches:
            logger.info("no new files")
        return
    if lake.find(EVENT_FILES) is not None:
        raise SourceError(
            f"{lake.root} was ingested in batches of new files; as a whole, older files would be lost.",
            "Set lake.root to a new lake, or source.incremental to true.",
        )
    lineage = trace_ingest(config, source_fingerprint(config))
    if lineage.is_committed(lake, *TABLES):
        logger.info("already done for this source and this configuration")
        return
    _ingest(config, lake, lineage, None)


def _ingest(config: Config, lake: Lake, lineage: Lineage, batch: Batch | None) -> None:
    part = None if batch is None else batch.part
    lineage = lineage.begun(lake, EVENTS_REJECTED, part)
    spark = open_session(config)
    raw = read_source(spark, config, None if batch is None else batch.files)
    parts = (
        (BRONZE_ITEMS, ITEMS_REJECTED, raw.items, ITEM_COLUMNS, None),
        (BRONZE_USERS, USERS_REJECTED, raw.users, USER_COLUMNS, None),
        (BRONZE_EVENTS, EVENTS_REJECTED, raw.events, EVENT_COLUMNS, part),
    )
    intakes = [
        Intake(
            table,
            rejected_table,
            None if frame is None else check(frame, columns, config.contract, lineage.began),
            ruleset_version(columns, config.contract),
            part,
        )
        for table, rejected_table, frame, columns, part in parts
    ]
    ingest_id = lineage.run_id if batch is None else batch.ingest_id
    most = config.contract.max_rejected_fraction
    counts = ingest(spark, intakes, lake, lineage, config.source.name, ingest_id, most)
    for name, count in counts.items():
        logger.info("%s: %s", name, ", ".join(f"{key}={value:,}" for key, value in count.as_dict().items()))
    if raw.items is not None:
        events = read(spark, lake.get(BRONZE_EVENTS)).where(F.col("ingest_id") == ingest_id)
        warn_of_strangers(events, read(spark, lake.get(BRONZE_ITEMS)))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
