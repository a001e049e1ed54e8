"""Run every job in order on one machine; a job whose work is already done is skipped."""

import logging
import sys
import time

import build_profiles
import build_training_set
import clean_events
import evaluate_synthetic
import ingest_events
import measure_lift
import score_candidates
import synthesize_samples
import train_generator
import train_recommender
import write_report
from clicksmith.config import Config
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.runs import record_run

logger = logging.getLogger("clicksmith.jobs.run_pipeline")

STEPS = (
    ingest_events,
    clean_events,
    build_profiles,
    build_training_set,
    train_generator,
    synthesize_samples,
    evaluate_synthetic,
    measure_lift,
    train_recommender,
    score_candidates,
    write_report,
)


def run(config: Config) -> None:
    """Run the whole road; Spark and Ray are started by the first job that needs them."""
    for number, step in enumerate(STEPS, start=1):
        logger.info("[%d/%d] %s", number, len(STEPS), step.__name__)
        started = time.monotonic()
        with record_run(step.__name__, config):
            step.run(config)
        logger.info("[%d/%d] %s took %.1f s", number, len(STEPS), step.__name__, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
