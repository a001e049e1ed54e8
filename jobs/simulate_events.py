"""Simulate events: a click stream of any size with a known truth, as source files for `ingest_events`."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.errors import ConfigError
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import trace
from clicksmith.lakehouse.session import open_session
from clicksmith.seeds import derive_seed
from clicksmith.simulation.writer import is_written, write_stream

logger = logging.getLogger("clicksmith.jobs.simulate_events")


def run(config: Config) -> None:
    """Write the stream that the configuration describes, unless that is already done."""
    settings = config.simulate
    if settings is None:
        raise ConfigError(
            "The configuration has no section 'simulate', which says what to write and where.",
            "See conf/simulated.yaml.",
        )
    sections = {"simulate": settings.model_dump(mode="json", exclude={"path", "events_per_task"})}
    lineage = trace("simulate_events", config, sections)
    if is_written(settings, lineage.fingerprint):
        logger.info("already done for this configuration")
        return
    seed = derive_seed(config.seed, "simulate_events")
    counts = write_stream(open_session(config), seed, settings, lineage.fingerprint)
    logger.info("%s: %s", settings.path, ", ".join(f"{name}={count:,}" for name, count in counts.items()))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
