"""Sequences for next-item models, and the vocabulary of ids."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from clicksmith.config import FeaturesConfig
from clicksmith.features.ranks import rank_by_count
from clicksmith.features.split import Cut
from clicksmith.tables import OUTCOMES


def sequences(events: DataFrame, cut: Cut, settings: FeaturesConfig) -> DataFrame:
    """One row a user and split, for gold.sequences: its newest outcomes, oldest first."""
    outcomes = events.filter(F.col("event_type").isin(*OUTCOMES) & F.col("item_id").isNotNull())
    newest = Window.partitionBy("user_id", "split").orderBy(
        F.col("event_ts").desc(), F.col("event_id").desc()
    )
    kept = (
        outcomes.withColumn("split", cut.split_of(F.col("event_ts")))
        .withColumn("_rank", F.row_number().over(newest))
        .filter(F.col("_rank") <= settings.max_sequence_length)
    )
    ordered = F.array_sort(F.collect_list(F.struct("event_ts", "event_id", "item_id", "event_type")))
    return (
        kept.groupBy("user_id", "split")
        .agg(ordered.alias("_events"))
        .select(
            "user_id",
            "split",
            F.col("_events.item_id").alias("item_ids"),
            F.col("_events.event_type").alias("event_types"),
            F.col("_events.event_ts").alias("event_ts"),
        )
    )


def vocabulary(events: DataFrame, cut: Cut, settings: FeaturesConfig) -> DataFrame:
    """Item ids seen before the cut, by falling frequency, for gold.vocabulary; see `rank_by_count` for ties.

    Index 0 is kept for padding and for ids with fewer than `min_item_events` events. What is shown often is
    not what is taken often: next-item models learn from outcomes alone, and theirs are counted apart.
    """
    trained = events.filter((F.col("event_ts") < F.lit(cut.cut_ts)) & F.col("item_id").isNotNull())
    counts = trained.groupBy(F.col("item_id").alias("value")).agg(
        F.count(F.lit(1)).alias("num_events"),
        F.count_if(F.col("event_type").isin(*OUTCOMES)).alias("num_outcomes"),
    )
    frequent = counts.filter(F.col("num_events") >= settings.min_item_events)
    return rank_by_count(frequent, "value", "num_events", "index").withColumn("field", F.lit("item_id"))
