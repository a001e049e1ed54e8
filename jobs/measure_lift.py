"""Measure what each arm of augmentation gives, to gold.evaluation_metrics and gold.verdicts."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import trace
from clicksmith.lakehouse.session import open_session
from clicksmith.lift.measure import measure
from clicksmith.lift.rows import JOB
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_EXAMPLES, TRAINING_EXAMPLES, VERDICTS, VOCABULARY

logger = logging.getLogger("clicksmith.jobs.measure_lift")

PART = f"job={JOB}"


def run(config: Config) -> None:
    """Train all arms, then commit figures and verdict, unless that is already done."""
    lake = Lake.of(config)
    examples, vocabulary = lake.get(TRAINING_EXAMPLES), lake.get(VOCABULARY)
    names = sorted({arm.generator for arm in config.lift.arms.values() if arm.generator is not None})
    found = {name: lake.find(SYNTHETIC_EXAMPLES, part=f"generator={name}") for name in names}
    synthetic = {name: snapshot for name, snapshot in found.items() if snapshot is not None}
    lineage = trace(
        JOB,
        config,
        {"lift": config.lift, "ranker": config.ranker},
        {
            "training_examples": examples,
            "vocabulary": vocabulary,
            **{f"synthetic/{name}": snapshot for name, snapshot in synthetic.items()},
        },
    )
    if lineage.is_committed(lake, EVALUATION_METRICS, part=PART) and lineage.is_committed(lake, VERDICTS):
        logger.info("already done for these inputs and this configuration")
        return
    measurement = measure(config, lineage.run_id, examples, vocabulary, synthetic)
    spark = open_session(config)  # after Ray's part: both do not fit a small machine at once
    commit(spark.createDataFrame(measurement.metrics), EVALUATION_METRICS, lake, lineage, part=PART)
    commit(spark.createDataFrame(measurement.verdict), VERDICTS, lake, lineage)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
