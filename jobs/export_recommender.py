"""Export the trained recommenders to model.onnx in their folders, for serving without Python."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.decided import decided
from clicksmith.lift.inputs import inputs_of
from clicksmith.lift.shipping import ranker_as_decided
from clicksmith.recommenders.artefact import TrainedSequence
from clicksmith.recommenders.export import MODEL
from clicksmith.training.ranker import export_ranker

logger = logging.getLogger("clicksmith.jobs.export_recommender")


def run(config: Config) -> None:
    """Write the models, whose outputs are checked; their inputs are coded as codec.json says."""
    lake = Lake.of(config)
    inputs = sequential_inputs(config, lake)
    ranker = ranker_as_decided(config, lake, inputs)
    logger.info("%s", export_ranker(ranker, config, models_root(config)))
    if inputs["sequences"].num_rows != 0:
        arm = decided(config, lake, "next_item", inputs_of(config, lake, inputs)).arm
        folder = TrainedSequence.find(config, inputs, None if arm is None else arm.told)
        uri = storage.join(folder, MODEL)
        storage.write_bytes(uri, TrainedSequence.load(folder).export())
        logger.info("%s", uri)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
