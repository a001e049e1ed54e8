"""Judging generated training examples: all figures of each generator, and the gate's decision."""

import logging
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import Config
from clicksmith.evaluation import compare, gate
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.drawn import Samples
from clicksmith.evaluation.samples.sample import Coding
from clicksmith.seeds import Holdout, derive_seed
from clicksmith.tables.gold import JUDGED_COLUMNS, LABEL_COLUMNS, USER_COLUMNS

logger = logging.getLogger(__name__)


def judge_examples(config: Config, samples: Samples) -> list[Metric]:
    """Every figure of every generator, and the gate's decisions, as rows.

    Args:
        config: for the gate's bounds, the generators' own row limits, the label and the seed.
        samples: with `JUDGED_COLUMNS`.

    Raises:
        ContractError: there are too few rows to judge by.
    """
    bounds = config.gate
    coding = Coding.fit(samples.train, JUDGED_COLUMNS)
    train, holdout = (
        replace(coding.encode(table), users=samples.by.owners(table))
        for table in (samples.train, samples.holdout)
    )
    seed = derive_seed(config.seed, "evaluate_synthetic")
    labels = tuple(column.name for column in LABEL_COLUMNS)
    profile = tuple(column.name for column in USER_COLUMNS)
    measure = compare.Measure(coding, seed, (config.ranker.label,), labels, labels, profile)
    ceilings: dict[tuple[int, int], compare.Ceilings] = {}
    pictures = {"holdout": holdout.head(bounds.max_rows)}
    num_alone = rows_without_user(samples.by, samples.holdout)
    metrics = []
    for generator in samples.generators:
        synthetic, card = coding.encode(samples.generated(generator)), samples.cards[generator]
        # A generator with a lower limit saw the first rows of the same order.
        shown = train.head(card.get("num_rows", config.fits[generator].max_rows))
        sides = compare.Sides.of(generator, shown, holdout, synthetic.num_rows, bounds.max_rows)
        key = (sides.train.num_rows, sides.size)
        if key not in ceilings:
            ceilings[key] = compare.real_figures(measure, sides)
        known = card.get("metrics", {})
        found = compare.compare(generator, measure, sides, synthetic, ceilings[key], known)
        found.append(Metric("holdout.rows_without_user", "all", generator, num_alone, holdout.num_rows))
        metrics += [*found, *gate.gate_metrics(gate.decide(generator, found, bounds), sides.size)]
        pictures[generator] = synthetic.head(sides.size)
        logger.info("generator %s: measured on %s rows a side", generator, f"{sides.size:,}")
    return [*metrics, *compare.distribution_metrics(coding, train.head(bounds.max_rows), pictures)]


def rows_without_user(holdout: Holdout, rows: pa.Table) -> int:
    """How many rows stand for a user of their own; all of them where no column names one."""
    columns = [rows.column(name) for name in holdout.key[:-1]]
    return int(pc.coalesce(*columns).null_count) if columns else rows.num_rows
