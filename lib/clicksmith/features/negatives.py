"""Impressions for a log that has none: what was taken, and items drawn beside it with a known probability."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clicksmith.errors import ConfigError
from clicksmith.tables import OUTCOMES

_RANDOM_BITS = 53


def with_drawn_impressions(events: DataFrame, words: DataFrame, num_negatives: int, seed: int) -> DataFrame:
    """The events, with an impression of each item that a session took, and of others drawn beside it.

    The item taken counts as shown at its first outcome. The others share its moment and its request; which
    ones depends on the outcome's id alone. Ranks of items by training frequency are drawn log-uniformly,
    P(rank) = log(1 + 1 / rank) / log(V + 1), which is close to their popularity where that follows Zipf's
    law, and needs no table of probabilities (as in TensorFlow's ``log_uniform_candidate_sampler``). An item
    drawn more than once is shown once; its propensity is the probability of being drawn at all. One that
    the session takes as well, then or later in the same split, gets the label that it deserves.

    Args:
        events: rows of silver.events, none of them an impression.
        words: rows of gold.vocabulary: no item is drawn that was not there before the cut.
        num_negatives: drawn beside each outcome.
        seed: of the draws.

    Raises:
        ConfigError: the log has impressions.
    """
    if not events.where(F.col("event_type") == "impression").isEmpty():
        raise ConfigError(
            "features.num_negatives draws impressions, but this log has impressions of its own.",
            "Set features.num_negatives to 0: what was shown and not taken are the negatives.",
        )
    items = words.where(F.col("field") == "item_id").select("index", F.col("value").alias("drawn_item_id"))
    num_items = items.count()
    taken = (
        events.where(F.col("event_type").isin(*OUTCOMES) & F.col("item_id").isNotNull())
        .groupBy("user_id", "session_id", "item_id")
        .agg(F.min(F.struct("event_ts", "event_id")).alias("first"))
        .select(
            "user_id", "session_id", "item_id", "first.event_ts", F.col("first.event_id").alias("request_id")
        )
    )
    bits = F.shiftrightunsigned(F.xxhash64(F.lit(seed), "request_id", "number"), 64 - _RANDOM_BITS)
    rank = F.floor(F.exp(bits / 2.0**_RANDOM_BITS * F.log(F.lit(num_items + 1.0))))
    rate = F.log1p(1.0 / F.col("index")) / F.log(F.lit(num_items + 1.0))
    drawn = (
        taken.withColumn("number", F.explode(F.sequence(F.lit(1), F.lit(num_negatives))))
        .withColumn("index", F.least(rank, F.lit(num_items)))
        .groupBy("request_id", "index")
        .agg(F.first(F.struct("user_id", "session_id", "event_ts", "item_id")).alias("taken"))
        .join(items, "index")
        .where(F.col("drawn_item_id") != F.col("taken.item_id"))
        .select(
            "taken.user_id",
            "taken.session_id",
            F.col("drawn_item_id").alias("item_id"),
            "taken.event_ts",
            "request_id",
            (1.0 - F.pow(1.0 - rate, F.lit(num_negatives))).alias("propensity"),
        )
    )
    shown = taken.withColumn("propensity", F.lit(None).cast("double")).unionByName(drawn)
    impressions = shown.withColumns(
        {
            "event_id": F.concat_ws("/", F.lit("drawn"), "request_id", "item_id"),
            "event_type": F.lit("impression"),
        }
    )
    return events.unionByName(impressions, allowMissingColumns=True)
