"""Measure what each arm of augmentation gives, to gold.evaluation_metrics and gold.verdicts."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot, models_root
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import trace
from clicksmith.lakehouse.session import open_session
from clicksmith.lift.measure import measure
from clicksmith.lift.ranking import ranking_task
from clicksmith.lift.rows import JOB, metric_rows, verdict_rows
from clicksmith.lift.verdict import confirm
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_EXAMPLES, TRAINING_EXAMPLES, VERDICTS, VOCABULARY

logger = logging.getLogger("clicksmith.jobs.measure_lift")

PART = f"job={JOB}"


def run(config: Config) -> None:
    """Train all arms, then commit figures and verdicts, unless that is already done."""
    lake = Lake.of(config)
    examples, vocabulary = lake.get(TRAINING_EXAMPLES), lake.get(VOCABULARY)
    synthetic = _published(config, lake)
    inputs = {f"synthetic/{name}": snapshot for name, snapshot in synthetic.items()}
    lineage = trace(
        JOB,
        config,
        {"lift": config.lift, "ranker": config.ranker},
        {"training_examples": examples, "vocabulary": vocabulary, **inputs},
    )
    if lineage.is_committed(lake, EVALUATION_METRICS, part=PART) and lineage.is_committed(lake, VERDICTS):
        logger.info("already done for these inputs and this configuration")
        return
    fits = {name: [snapshot] for name, snapshot in synthetic.items()}
    task = ranking_task(config, examples, vocabulary, fits)
    lift, folder = (
        config.lift,
        storage.join(models_root(config), "runs", f"{JOB}-{lineage.run_id}", task.name),
    )
    measured = [measure(task, lift.num_seeds, lift.min_users, lift.min_positives, config.ray, folder)]
    verdicts = confirm({one.task.name: one.verdict for one in measured})
    for name, verdict in verdicts.items():
        logger.info("%s: %s (%s)", name, verdict.decision, "; ".join(verdict.reasons) or verdict.arm)
    spark = open_session(config)  # after Ray's part: both do not fit a small machine at once
    figures = metric_rows(lineage.run_id, measured)
    decisions = verdict_rows(lineage.run_id, measured, verdicts, {"impressions": config.impressions})
    commit(spark.createDataFrame(figures), EVALUATION_METRICS, lake, lineage, part=PART)
    commit(spark.createDataFrame(decisions), VERDICTS, lake, lineage)


def _published(config: Config, lake: Lake) -> dict[str, Snapshot]:
    """The rows of each generator of an arm that passed the gate."""
    names = sorted({arm.generator for arm in config.lift.arms.values() if arm.generator is not None})
    found = {name: lake.find(SYNTHETIC_EXAMPLES, part=f"generator={name}") for name in names}
    return {name: snapshot for name, snapshot in found.items() if snapshot is not None}


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
