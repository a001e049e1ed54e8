"""Score candidates: the trained next-item model's best items for every user to gold.recommendations."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import trace
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.decided import decided
from clicksmith.lift.inputs import inputs_of
from clicksmith.recommenders.artefact import TrainedSequence
from clicksmith.synthesis.recommendations import recommendations
from clicksmith.tables import RECOMMENDATIONS

logger = logging.getLogger("clicksmith.jobs.score_candidates")


def run(config: Config) -> None:
    """Write the lists of all users, unless they are of this model already."""
    lake = Lake.of(config)
    trained_on = sequential_inputs(config, lake)
    sequences = trained_on["sequences"]
    if sequences.num_rows == 0:
        logger.warning("gold.sequences is empty (the source knows no users): there is nobody to recommend to")
        return
    arm = decided(config, lake, "next_item", inputs_of(config, lake, trained_on)).arm
    folder = TrainedSequence.find(config, trained_on, None if arm is None else arm.told)
    model_id = folder.rsplit("/", 1)[1]
    settings, columns = {"scoring": config.scoring}, config.sequential.user_features
    inputs = {"sequences": sequences}
    if columns:
        inputs["user_profiles"] = trained_on["user_profiles"]
    lineage = trace("score_candidates", config, settings, inputs, extra_inputs={"model": model_id})
    if lineage.is_committed(lake, RECOMMENDATIONS):
        logger.info("already done for these inputs and this configuration")
        return
    spark, scoring = open_session(config), config.scoring
    rows = {name: read(spark, snapshot) for name, snapshot in inputs.items()}
    profiles = rows["user_profiles"].select("user_id", *columns) if columns else None
    lists = recommendations(
        rows["sequences"], folder, model_id, scoring.num_items, scoring.approximate, profiles
    )
    commit(lists, RECOMMENDATIONS, lake, lineage)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
