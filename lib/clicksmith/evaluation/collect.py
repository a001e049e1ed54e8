"""What evaluation asks Spark for: bounded samples, and publication. The one module here that sees pyspark."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.config import Config
from clicksmith.evaluation import compare, gate
from clicksmith.evaluation.provenance import require_current
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.sample import Coding
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot, models_root
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.sample import smallest_hashes
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_publishing
from clicksmith.seeds import Holdout, derive_seed
from clicksmith.tables import SYNTHETIC_EXAMPLES, TRAINING_EXAMPLES
from clicksmith.tables.gold import FEATURE_COLUMNS, LABEL_COLUMNS, USER_COLUMNS

logger = logging.getLogger(__name__)

COLUMNS = (*FEATURE_COLUMNS, *LABEL_COLUMNS, TRAINING_EXAMPLES["item_id"])
"""That are measured: what is generated, and the item that a row is given."""


def sample(df: DataFrame, columns: Sequence[str], max_rows: int) -> pa.Table:
    """The rows with the smallest (crc32(example_id), example_id), in that order.

    A smaller sample is the beginning of a larger one, and neither depends on partitions or files.
    """
    order = {"_hash": F.crc32(F.col("example_id")), "_id": F.col("example_id")}
    rows = smallest_hashes(df, max_rows).select(*columns, *[key.alias(name) for name, key in order.items()])
    return rows.toArrow().sort_by([(name, "ascending") for name in order]).select(list(columns))


def candidates_of(spark: SparkSession, candidates: Snapshot, generator: str) -> DataFrame:
    """One generator's candidates at their pinned version."""
    return read(spark, candidates).where(F.col("generator") == generator)


def read_card(config: Config, generator_id: str) -> dict[str, Any]:
    """The card of a generator; empty where there is none."""
    uri = storage.join(models_root(config), "generators", generator_id, "card.json")
    return storage.read_json(uri) if storage.exists(uri) else {}


def rows_without_user(holdout: Holdout, rows: pa.Table) -> int:
    """How many rows stand for a user of their own; all of them where no column names one."""
    columns = [rows.column(name) for name in holdout.key[:-1]]
    return int(pc.coalesce(*columns).null_count) if columns else rows.num_rows


def measure_generators(
    spark: SparkSession,
    config: Config,
    examples: Snapshot,
    candidates: Mapping[str, Snapshot],
    current: Mapping[str, str],
) -> list[Metric]:
    """Every figure of every generator, and the gate's decisions, as rows.

    Args:
        spark: the session.
        config: for the gate's bounds, the generators' own row limits, the label and the seed.
        examples: gold.training_examples.
        candidates: gold.synthetic_candidates by generator.
        current: id of the generator that learnt from these examples, by its name.

    Raises:
        TrainingError: another generator made the candidates.
        ContractError: there are too few rows to judge by.
    """
    names = [column.name for column in COLUMNS]
    bounds, held_out = config.gate, F.expr(config.holdout.condition)
    rows_of = {name: candidates_of(spark, snapshot, name) for name, snapshot in candidates.items()}
    for name, rows in rows_of.items():
        first = rows.select("generator_id").first()
        require_current([] if first is None else [first[0]], current[name], candidates[name], examples)
    real = read(spark, examples).where(F.col("split") == "train")
    real_tables = [
        sample(rows, [*names, *config.holdout.key], bounds.max_reference_rows)
        for rows in (real.where(~held_out), real.where(held_out))
    ]
    coding = Coding.fit(real_tables[0], COLUMNS)
    train, holdout = (
        replace(coding.encode(table), users=config.holdout.owners(table)) for table in real_tables
    )
    seed = derive_seed(config.seed, "evaluate_synthetic")
    labels = tuple(column.name for column in LABEL_COLUMNS)
    profile = tuple(column.name for column in USER_COLUMNS)
    measure = compare.Measure(coding, seed, (config.ranker.label,), labels, labels, profile)
    ceilings: dict[tuple[int, int], compare.Ceilings] = {}
    pictures = {"holdout": holdout.head(bounds.max_rows)}
    num_alone = rows_without_user(config.holdout, real_tables[1])
    metrics = []
    for generator, rows in rows_of.items():
        synthetic = coding.encode(sample(rows, names, bounds.max_reference_rows))
        card = read_card(config, current[generator])
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


def publish(config: Config, lake: Lake, generator: str, candidates: Snapshot, passed: bool) -> None:
    """Make a generator's candidates its published rows, or nothing where it failed the gate.

    A withheld generator commits an empty part: rows that an earlier run published are withdrawn, and
    readers can tell "withheld" from "not judged yet". What was decided already starts no Spark.
    """
    part = f"generator={generator}"
    lineage = trace_publishing(config, generator, candidates, passed)
    if lineage.is_committed(lake, SYNTHETIC_EXAMPLES, part=part):
        logger.info("%s (%s): already decided, nothing written", SYNTHETIC_EXAMPLES.name, part)
        return
    rows = candidates_of(open_session(config), candidates, generator)
    commit(rows if passed else rows.limit(0), SYNTHETIC_EXAMPLES, lake, lineage, part)
