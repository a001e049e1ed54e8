"""Clean events: bronze.events to silver.events, silver.sessions and silver.events_rejected."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.digest import digest
from clicksmith.events.clean import clean_events
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_cleaning
from clicksmith.tables import BRONZE_EVENTS, SILVER_EVENTS, SILVER_REJECTED, SILVER_SESSIONS

logger = logging.getLogger("clicksmith.jobs.clean_events")


def run(config: Config) -> None:
    """Clean the newest bronze.events, unless that is already done."""
    lake = Lake.of(config)
    source = lake.get(BRONZE_EVENTS)
    lineage = trace_cleaning(config, {"events": source})
    if lineage.is_committed(lake, SILVER_REJECTED, SILVER_SESSIONS, SILVER_EVENTS):
        logger.info("already done for these inputs and this configuration")
        return
    spark = open_session(config)
    events = read(spark, source)
    num_rows = lake.count_rows(source)
    result = clean_events(
        events,
        config.cleaning,
        num_rows,
        digest(config.cleaning)[:16],
        num_partitions=config.spark.partitions_for(num_rows),
        max_rows=config.spark.rows_at_once,
    )
    commit(result.rejected, SILVER_REJECTED, lake, lineage)
    commit(result.sessions, SILVER_SESSIONS, lake, lineage)
    commit(result.events, SILVER_EVENTS, lake, lineage, counts=result.counts)
    result.packed.unpersist()
    logger.info("%s", ", ".join(f"{name}={count:,}" for name, count in result.counts.items()))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
