"""Export the trained conversion ranker to model.onnx in its folder, for serving without Python."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.job import run_job
from clicksmith.tables import SEQUENCES, TRAINING_EXAMPLES, VOCABULARY
from clicksmith.training.ranker import export_ranker, ranker_run

logger = logging.getLogger("clicksmith.jobs.export_recommender")


def run(config: Config) -> None:
    """Write the model, whose outputs are checked; its inputs are coded as codec.json says."""
    lake = Lake.of(config)
    tables = (TRAINING_EXAMPLES, VOCABULARY, SEQUENCES)
    uri = export_ranker(
        ranker_run(config, *(lake.get(table) for table in tables)), config, models_root(config)
    )
    logger.info("%s", uri)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
