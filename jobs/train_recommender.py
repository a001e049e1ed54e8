"""Train the conversion ranker and the next-item model from pinned gold tables, to model folders."""

import sys

from clicksmith.config import Config
from clicksmith.config.job import run_job
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.tables import SEQUENCES, TRAINING_EXAMPLES, VOCABULARY
from clicksmith.training.ranker import ranker_run
from clicksmith.training.runs import train_once
from clicksmith.training.sequential import sequential_run


def run(config: Config) -> None:
    """Train both models; one whose folder is complete trains nothing, and starts no Ray."""
    lake = Lake.of(config)
    vocabulary = lake.get(VOCABULARY)
    runs = [
        ranker_run(config, lake.get(TRAINING_EXAMPLES), vocabulary),
        sequential_run(config, lake.get(SEQUENCES), vocabulary),
    ]
    for training in runs:
        train_once(training, config.ray, models_root(config))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
