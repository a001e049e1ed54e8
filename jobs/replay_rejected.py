"""Replay rejected events: those that keep the contract as it is now go to bronze.events."""

import logging
import sys
from dataclasses import replace

from clicksmith.config import Config
from clicksmith.events.contract import check, ruleset_version
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import began_of, trace
from clicksmith.lakehouse.replay import replay
from clicksmith.lakehouse.session import open_session
from clicksmith.sources.read import reread_events, source_settings
from clicksmith.tables import EVENTS_REJECTED
from clicksmith.tables.bronze import EVENT_COLUMNS

logger = logging.getLogger("clicksmith.jobs.replay_rejected")


def run(config: Config) -> None:
    """Check bronze.events_rejected again, unless these rules have already been tried on these rows."""
    lake = Lake.of(config)
    source = lake.get(EVENTS_REJECTED)
    sections = {"source": source_settings(config), "contract": config.contract}
    lineage = trace("replay_rejected", config, sections, {"rejected": source})
    if source.metadata["config_hash"] == lineage.config_hash and source.metadata["job"] == lineage.job:
        logger.info("already done with this configuration")
        return
    spark = open_session(config)
    # Rows are held against the moment of their ingest, not of their replay.
    lineage = replace(lineage, began=began_of(source))
    raw = reread_events(config, read(spark, source))
    checked = check(raw, EVENT_COLUMNS, config.contract, lineage.began)
    rules = ruleset_version(EVENT_COLUMNS, config.contract)
    counts = replay(spark, checked, lake, lineage, config.source.name, rules)
    logger.info("%s", ", ".join(f"{key}={value:,}" for key, value in counts.as_dict().items()))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
