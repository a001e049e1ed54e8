"""Judge gold.synthetic_candidates: gold.evaluation_metrics and, past the gate, gold.synthetic_examples."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.evaluation.collect import measure_generators, publish
from clicksmith.evaluation.gate import log_decisions, read_decisions
from clicksmith.evaluation.rows import metrics_table, read_metrics
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import JUDGED, trace_gate, trace_generator
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_CANDIDATES, TRAINING_EXAMPLES

logger = logging.getLogger("clicksmith.jobs.evaluate_synthetic")

JOB = "evaluate_synthetic"


def run(config: Config) -> None:
    """Measure every configured generator, then publish the rows of those that pass and withhold the rest."""
    lake = Lake.of(config)
    examples = lake.get(TRAINING_EXAMPLES)
    candidates = {name: lake.get(SYNTHETIC_CANDIDATES, f"generator={name}") for name in config.fits}
    lineage = trace_gate(config, examples, candidates)
    if lineage.is_committed(lake, EVALUATION_METRICS, part=JUDGED):
        logger.info("already measured for these inputs and this configuration")
    else:
        from clicksmith.generators.artefact import generator_id  # torch, for this alone

        current = {name: generator_id(name, trace_generator(config, name, examples)) for name in candidates}
        spark = open_session(config)
        metrics = measure_generators(spark, config, examples, candidates, current)
        rows = spark.createDataFrame(metrics_table(metrics, lineage.run_id, JOB))
        commit(rows, EVALUATION_METRICS, lake, lineage, JUDGED)
    # From the table, so that a run killed after its commit publishes what that one decided.
    decisions = read_decisions(read_metrics(lake.get(EVALUATION_METRICS, JUDGED), JOB))
    log_decisions(decisions)
    for name, decision in decisions.items():
        publish(config, lake, name, candidates[name], decision.passed)


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
