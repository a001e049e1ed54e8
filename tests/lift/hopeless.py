"""A search for the settings of a hopeless control. Run as a process, it is there to be killed.

Argument: the lake's folder. One trial at a time, each written down as soon as it is done.
"""

import logging
import sys

from clicksmith.config import Config, load_config
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lift.kinds.ranking import RankingTask, ranking_task
from clicksmith.lift.tuning import tuned
from clicksmith.tables import VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of

SETTINGS = (
    "lift.arms={none: {kind: none}, tuned: {kind: tuned}}", "lift.num_seeds=4", "lift.max_rows=3000",
    "ranker.num_steps=60", "ranker.batch_size=256", "ranker.learning_rate=1e-6",
    "ray.num_workers=2", "ray.num_cpus=2",
)  # fmt: skip


def prepare(config: Config, lake: Lake) -> RankingTask:
    """Rows whose labels depend on two features together."""
    rows = examples_with(8000, 400, "interaction")
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(rows["item_id"].to_pylist()), "f" * 32)
    return ranking_task(config, write_examples(lake, rows), vocabulary, {})


def runs_folder(config: Config) -> str:
    """Where trials are kept."""
    return storage.join(models_root(config), "runs", "lift")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    config = load_config(None, [*SETTINGS, f"lake.root={sys.argv[1]}", "ray.num_cpus=1"])
    tuned(prepare(config, Lake.of(config)), config, runs_folder(config))
