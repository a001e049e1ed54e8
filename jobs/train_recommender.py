"""Train the conversion ranker, the next-item and the search model from pinned gold tables, to folders."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.job import run_job
from clicksmith.recommenders.artefact import sequential_inputs
from clicksmith.tables import BRONZE_ITEMS, SEARCH_PAIRS, TRAINING_EXAMPLES
from clicksmith.training.ranker import ranker_run
from clicksmith.training.runs import train_all
from clicksmith.training.search import search_run
from clicksmith.training.sequential import sequential_run

logger = logging.getLogger("clicksmith.jobs.train_recommender")


def run(config: Config) -> None:
    """Train the models; one whose folder is complete trains nothing, and starts no Ray."""
    lake = Lake.of(config)
    inputs = sequential_inputs(config, lake)
    runs = [ranker_run(config, lake.get(TRAINING_EXAMPLES), inputs["vocabulary"], inputs["sequences"])]
    if inputs["sequences"].num_rows == 0:
        logger.warning("gold.sequences is empty (the source knows no users): no next-item model is trained")
    else:
        runs.append(sequential_run(config, inputs))
    if config.search is not None:
        runs.append(search_run(config, config.search, lake.get(SEARCH_PAIRS), lake.get(BRONZE_ITEMS)))
    train_all(runs, config.ray, models_root(config))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
