"""What evaluation asks Spark for: bounded samples, and publication. The one module here that sees pyspark."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.config import Config
from clicksmith.evaluation.provenance import require_current
from clicksmith.evaluation.samples.drawn import Samples
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot, models_root
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.sample import smallest_hashes
from clicksmith.lakehouse.session import open_session
from clicksmith.lakehouse.steps import trace_publishing, twin_of
from clicksmith.seeds import Holdout

logger = logging.getLogger(__name__)


def sample(df: DataFrame, key: str, columns: Sequence[str], max_rows: int) -> pa.Table:
    """The rows with the smallest (crc32(key), key), in that order.

    A smaller sample is the beginning of a larger one, and neither depends on partitions or files.
    """
    order = {"_hash": F.crc32(F.col(key)), "_id": F.col(key)}
    rows = smallest_hashes(df, key, max_rows).select(
        *columns, *[by.alias(name) for name, by in order.items()]
    )
    return rows.toArrow().sort_by([(name, "ascending") for name in order]).select(list(columns))


def candidates_of(spark: SparkSession, candidates: Snapshot, generator: str) -> DataFrame:
    """One generator's candidates at their pinned version."""
    return read(spark, candidates).where(F.col("generator") == generator)


def read_card(config: Config, generator_id: str) -> dict[str, Any]:
    """The card of a generator; empty where there is none."""
    uri = storage.join(models_root(config), "generators", generator_id, "card.json")
    return storage.read_json(uri) if storage.exists(uri) else {}


def draw_samples(
    spark: SparkSession,
    config: Config,
    columns: Sequence[str],
    holdout: Holdout,
    source: Snapshot,
    candidates: Mapping[str, Snapshot],
    current: Mapping[str, str],
) -> Samples:
    """Samples of real rows, and of what some generators of one kind made.

    Args:
        spark: the session.
        config: for the number of rows.
        columns: to read, of real and of generated rows.
        holdout: which real rows are held out.
        source: what the generators learnt from.
        candidates: what they made, by generator.
        current: id of the generator that learnt from this version of the source, by its name.

    Raises:
        TrainingError: another generator made the candidates.
    """
    key, limit, held_out = source.table.key[0], config.gate.max_reference_rows, F.expr(holdout.condition)
    rows_of = {name: candidates_of(spark, snapshot, name) for name, snapshot in candidates.items()}
    for name, rows in rows_of.items():
        first = rows.select("generator_id").first()
        require_current([] if first is None else [first[0]], current[name], candidates[name], source)
    real = read(spark, source).where(F.col("split") == "train")
    train, unseen = (
        sample(rows, key, list(dict.fromkeys([*columns, *holdout.key])), limit)
        for rows in (real.where(~held_out), real.where(held_out))
    )
    return Samples(
        train,
        unseen,
        holdout,
        list(rows_of),
        lambda name: sample(rows_of[name], "sample_id", columns, limit),
        {name: read_card(config, current[name]) for name in rows_of},
    )


def publish(config: Config, lake: Lake, generator: str, candidates: Snapshot, passed: bool) -> None:
    """Make a generator's candidates its published rows, or nothing where it failed the gate.

    A withheld generator commits an empty part: rows that an earlier run published are withdrawn, and
    readers can tell "withheld" from "not judged yet". What was decided already starts no Spark.
    """
    part, table = f"generator={generator}", twin_of(config, generator).published
    lineage = trace_publishing(config, generator, candidates, passed)
    if lineage.is_committed(lake, table, part=part):
        logger.info("%s (%s): already decided, nothing written", table.name, part)
        return
    rows = candidates_of(open_session(config), candidates, generator)
    commit(rows if passed else rows.limit(0), table, lake, lineage, part)
