"""Judge what generators made: gold.evaluation_metrics and, past the gate, the published synthetic tables."""

import logging
import sys

from clicksmith.config import Config
from clicksmith.evaluation.collect import draw_samples, publish
from clicksmith.evaluation.gate import log_decisions, read_decisions
from clicksmith.evaluation.rows import Metric, metrics_table, read_metrics
from clicksmith.generators.kinds import KINDS
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import JUDGED, sources_of, trace_gate, trace_generator, twin_of
from clicksmith.tables import EVALUATION_METRICS

logger = logging.getLogger("clicksmith.jobs.evaluate_synthetic")

JOB = "evaluate_synthetic"


def run(config: Config) -> None:
    """Measure every configured generator, then publish the rows of those that pass and withhold the rest."""
    lake = Lake.of(config)
    sources = sources_of(config, lake)
    candidates = {
        name: lake.get(twin_of(config, name).candidates, f"generator={name}") for name in config.fits
    }
    lineage = trace_gate(config, sources, candidates)
    if lineage.is_committed(lake, EVALUATION_METRICS, part=JUDGED):
        logger.info("already measured for these inputs and this configuration")
    else:
        metrics = [row for kind in sources for row in judge(config, kind, sources[kind], candidates)]
        rows = open_session(config).createDataFrame(metrics_table(metrics, lineage.run_id, JOB))
        commit(rows, EVALUATION_METRICS, lake, lineage, JUDGED)
    # From the table, so that a run killed after its commit publishes what that one decided.
    decisions = read_decisions(read_metrics(lake.get(EVALUATION_METRICS, JUDGED), JOB))
    log_decisions(decisions)
    for name, decision in decisions.items():
        publish(config, lake, name, candidates[name], decision.passed)


def judge(config: Config, name: str, source: Snapshot, candidates: dict[str, Snapshot]) -> list[Metric]:
    """All figures of the generators of a kind, and the gate's decisions."""
    from clicksmith.generators.artefact import generator_id  # torch, for this alone

    kind = KINDS[name]
    mine = {fit: candidates[fit] for fit, options in config.fits.items() if options.kind == name}
    current = {fit: generator_id(fit, trace_generator(config, fit, source)) for fit in mine}
    spark, holdout = open_session(config), kind.holdout(config.holdout)
    return kind.judge(config, draw_samples(spark, config, kind.judged, holdout, source, mine, current))


if __name__ == "__main__":
    sys.exit(run_job(run, __doc__))
