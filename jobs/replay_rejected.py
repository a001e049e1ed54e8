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
from clicksmith.lakehouse.replay import next_replay, replay
from clicksmith.lakehouse.session import open_session
from clicksmith.sources.read import reread_events, source_settings
from clicksmith.tables.bronze import EVENT_COLUMNS

logger = logging.getLogger("clicksmith.jobs.replay_rejected")

NAME = "replay_rejected"


def run(config: Config) -> None:
    """Check bronze.events_rejected again, unless these rules have already been tried on these rows."""
    lake = Lake.of(config)
    sections = {"source": source_settings(config), "contract": config.contract}
    rules = ruleset_version(EVENT_COLUMNS, config.contract)
    config_hash = trace(NAME, config, sections).config_hash
    # A replay that was killed is ended first, then the rows that have come since are tried.
    while (what := next_replay(lake, config_hash)) is not None:
        spark = open_session(config)
        # Rows are held against the moment of their ingest, not of their replay.
        lineage = replace(
            trace(NAME, config, sections, {"rejected": what.source}), began=began_of(what.source)
        )
        raw = reread_events(config, read(spark, what.source))
        checked = check(raw, EVENT_COLUMNS, config.contract, lineage.began)
        counts = replay(spark, what, checked, lake, lineage, config.source.name, rules)
        logger.info("%s", ", ".join(f"{key}={value:,}" for key, value in counts.as_dict().items()))
    logger.info("these rules have been tried on all rejected events")


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
