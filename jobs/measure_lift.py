"""Measure what each arm of augmentation gives, to gold.evaluation_metrics and gold.verdicts."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import sequential_inputs
from clicksmith.lift.inputs import JOB, inputs_of, lineage_of
from clicksmith.lift.ledger import note
from clicksmith.lift.measure import measure
from clicksmith.lift.rows import metric_rows, verdict_rows
from clicksmith.lift.tasks import tasks_of
from clicksmith.lift.tuning import tuned
from clicksmith.lift.verdict import confirm
from clicksmith.tables import EVALUATION_METRICS, VERDICTS

logger = logging.getLogger("clicksmith.jobs.measure_lift")

PART = f"job={JOB}"


def run(config: Config) -> None:
    """Train all arms, then commit figures and verdicts, unless that is already done."""
    lake = Lake.of(config)
    inputs = inputs_of(config, lake, sequential_inputs(config, lake))
    lineage = lineage_of(config, inputs)
    if lineage.is_committed(lake, EVALUATION_METRICS, part=PART) and lineage.is_committed(lake, VERDICTS):
        logger.info("already done for these inputs and this configuration")
        return
    folder = storage.join(models_root(config), "runs", f"{JOB}-{lineage.run_id}")
    tasks = tasks_of(config, inputs)
    arms = [f"{task.name}/{arm}" for task in tasks for arm in task.arms]
    before = note(lake, lineage.run_id, inputs["training_examples"], arms)
    measured = []
    for task in tasks:
        place = storage.join(folder, task.name)
        measured.append(measure(tuned(task, config, place), config, place))
    verdicts = confirm({one.task.name: one.verdict for one in measured})
    for name, verdict in verdicts.items():
        logger.info("%s: %s (%s)", name, verdict.decision, "; ".join(verdict.reasons) or verdict.arm)
    spark = open_session(config)  # after Ray's part: both do not fit a small machine at once
    figures = metric_rows(lineage.run_id, measured)
    facts = {"impressions": config.impressions}
    decisions = verdict_rows(lineage.run_id, measured, verdicts, facts, before)
    commit(spark.createDataFrame(figures), EVALUATION_METRICS, lake, lineage, part=PART)
    commit(spark.createDataFrame(decisions), VERDICTS, lake, lineage)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
