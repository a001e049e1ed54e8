"""Build gold.user_profiles and gold.item_profiles as of the cut."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.features.profiles import item_profiles, user_profiles
from clicksmith.features.split import find_cut
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_profiles
from clicksmith.tables import (
    BRONZE_ITEMS,
    BRONZE_USERS,
    ITEM_PROFILES,
    SILVER_EVENTS,
    USER_PROFILES,
)

logger = logging.getLogger("clicksmith.jobs.build_profiles")


def run(config: Config) -> None:
    """Build both as of the cut, unless that is already done."""
    lake = Lake.of(config)
    inputs = {
        "events": lake.get(SILVER_EVENTS),
        "items": lake.get(BRONZE_ITEMS),
        "users": lake.get(BRONZE_USERS),
    }
    lineage = trace_profiles(config, inputs)
    if lineage.is_committed(lake, USER_PROFILES, ITEM_PROFILES):
        logger.info("already done for these inputs and this configuration")
        return
    spark = open_session(config)
    events, items, users = (read(spark, inputs[name]) for name in ("events", "items", "users"))
    cut = find_cut(events, config.features)
    events = cut.believed(events)
    commit(user_profiles(events, items, users, cut.cut_ts), USER_PROFILES, lake, lineage)
    commit(item_profiles(events, items, cut.cut_ts), ITEM_PROFILES, lake, lineage)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
