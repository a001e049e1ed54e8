"""Build the training set: silver to gold.training_examples, sequences, search_pairs and vocabulary."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.features.examples import training_examples
from clicksmith.features.negatives import with_drawn_impressions
from clicksmith.features.search import search_pairs
from clicksmith.features.sequences import sequences, vocabulary
from clicksmith.features.split import find_cut
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_training_set
from clicksmith.seeds import derive_seed
from clicksmith.tables import (
    BRONZE_ITEMS,
    BRONZE_USERS,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_EVENTS,
    TRAINING_EXAMPLES,
    VOCABULARY,
)

logger = logging.getLogger("clicksmith.jobs.build_training_set")


def run(config: Config) -> None:
    """Build all of it around one time cut, unless that is already done."""
    lake = Lake.of(config)
    inputs = {
        "events": lake.get(SILVER_EVENTS),
        "items": lake.get(BRONZE_ITEMS),
        "users": lake.get(BRONZE_USERS),
    }
    lineage = trace_training_set(config, inputs)
    if lineage.is_committed(lake, SEQUENCES, SEARCH_PAIRS, VOCABULARY, TRAINING_EXAMPLES):
        logger.info("already done for these inputs and this configuration")
        return
    spark = open_session(config)
    events, items, users = (read(spark, inputs[name]) for name in ("events", "items", "users"))
    cut = find_cut(events, config.features)
    logger.info("train before %s, test from %s", cut.cut_ts.date(), cut.test_ts.date())
    settings, events = config.features, cut.believed(events)
    commit(sequences(events, cut, settings), SEQUENCES, lake, lineage)
    commit(search_pairs(events, cut), SEARCH_PAIRS, lake, lineage)
    words = commit(vocabulary(events, cut, settings), VOCABULARY, lake, lineage)
    shown = events
    if settings.num_negatives:
        seed = derive_seed(config.seed, "negatives")
        shown = with_drawn_impressions(events, read(spark, words), cut.cut_ts, settings.num_negatives, seed)
    examples = training_examples(
        shown,
        items,
        users,
        cut,
        settings,
        num_partitions=config.spark.partitions_for(lake.count_rows(inputs["events"])),
        max_rows=config.spark.rows_at_once,
    )
    commit(examples, TRAINING_EXAMPLES, lake, lineage)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
