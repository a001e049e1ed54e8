"""Train the ranker, the next-item and the search model, as the verdicts say, from pinned gold tables."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.shipping import ranker_as_decided, search_as_decided, sequential_as_decided
from clicksmith.reading.pairs import why_no_search
from clicksmith.tables import SEARCH_PAIRS
from clicksmith.training.runs import train_all

logger = logging.getLogger("clicksmith.jobs.train_recommender")


def run(config: Config) -> None:
    """Train the models; one whose folder is complete trains nothing, and starts no Ray."""
    lake = Lake.of(config)
    inputs = sequential_inputs(config, lake)
    runs = [ranker_as_decided(config, lake, inputs)]
    if inputs["sequences"].num_rows == 0:
        logger.warning("gold.sequences is empty (the source knows no users): no next-item model is trained")
    else:
        runs.append(sequential_as_decided(config, lake, inputs))
    if config.search is not None:
        if why := why_no_search(lake.get(SEARCH_PAIRS), ("train",)):
            logger.warning("no search model is trained: %s", why)
        else:
            runs.append(search_as_decided(config, config.search, lake, inputs))
    train_all(runs, config.ray, models_root(config))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
