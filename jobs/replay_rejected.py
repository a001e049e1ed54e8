"""Replay rejected events: those that keep the contract as it is now go to bronze.events."""

import logging
import sys
from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame

from clicksmith.config import Config
from clicksmith.events.contract import check, ruleset_version
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.replay import by_ingest, next_replay, replay
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_replay
from clicksmith.sources.read import reread_events
from clicksmith.tables.bronze import EVENT_COLUMNS

logger = logging.getLogger("clicksmith.jobs.replay_rejected")


def run(config: Config) -> None:
    """Check bronze.events_rejected again, unless these rules have already been tried on these rows."""
    lake = Lake.of(config)
    config_hash = trace_replay(config, {}).config_hash
    # A replay that was killed is ended first, then the rows that have come since are tried.
    while (what := next_replay(lake, config_hash)) is not None:
        spark = open_session(config)
        # Rows are held against the moment of their own ingest, not of their replay.
        batches = by_ingest(lake, read(spark, what.source))
        checked = [
            check(reread_events(config, rows), EVENT_COLUMNS, config.contract, began)
            for rows, began in batches
        ]
        lineage = trace_replay(config, {"rejected": what.source})
        # What is left of all of them becomes one batch, as new as the newest.
        lineage = replace(lineage, began=max((began for _, began in batches if began), default=None))
        rules = ruleset_version(EVENT_COLUMNS, config.contract)
        counts = replay(
            spark, what, reduce(DataFrame.unionAll, checked), lake, lineage, config.source.name, rules
        )
        logger.info("%s", ", ".join(f"{key}={value:,}" for key, value in counts.as_dict().items()))
    logger.info("these rules have been tried on all rejected events")


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
