"""Impressions for a log that has none: what was taken, and items drawn beside it with a known probability."""

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from clicksmith.errors import ConfigError
from clicksmith.features.ranks import rank_by_count
from clicksmith.tables import OUTCOMES

_RANDOM_BITS = 53


def with_drawn_impressions(
    events: DataFrame, words: DataFrame, cut_ts: datetime, num_negatives: int, seed: int
) -> DataFrame:
    """The events, with an impression of each item that a session took, and of others drawn beside it.

    The item taken counts as shown at its first outcome. The others share its moment and its request; which
    ones depends on the outcome's id alone. Whatever is shown was there: an item's very first event, which no
    list could have held, is no impression, and no item is drawn before its own. A new item would otherwise be
    one that is taken, each time.

    Ranks of items by training frequency are drawn log-uniformly, P(rank) = log(1 + 1 / rank) / log(N + 1) of
    N items, which is close to their popularity where that follows Zipf's law, and needs no table of
    probabilities (as in TensorFlow's ``log_uniform_candidate_sampler``). Items that are too rare for the
    vocabulary come behind it, those that are new since the cut last; no training row is drawn from these. An
    item drawn more than once is shown once; its propensity is the probability of being drawn at all. One that
    the session takes as well, then or later in the same split, gets the label that it deserves.

    Args:
        events: rows of silver.events, none of them an impression.
        words: rows of gold.vocabulary.
        cut_ts: before which training lies.
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
    items = _ranked(events, words, cut_ts)
    num_before, num_in_all = items.agg(
        F.count_if(F.col("first_ts") < F.lit(cut_ts)), F.count(F.lit(1))
    ).collect()[0]
    is_train = F.col("event_ts") < F.lit(cut_ts)
    num_items = F.when(is_train, F.lit(num_before)).otherwise(F.lit(num_in_all))
    taken = (
        events.where(F.col("event_type").isin(*OUTCOMES) & F.col("item_id").isNotNull())
        .groupBy("user_id", "session_id", "item_id")
        .agg(F.min(F.struct("event_ts", "event_id")).alias("first"))
        .select(
            "user_id", "session_id", "item_id", "first.event_ts", F.col("first.event_id").alias("request_id")
        )
        # By item and moment: those of one item alone may be a fifth of the log.
        .join(
            items.select("item_id", F.col("first_ts").alias("event_ts")), ["item_id", "event_ts"], "left_anti"
        )
    )
    bits = F.shiftrightunsigned(F.xxhash64(F.lit(seed), "request_id", "number"), 64 - _RANDOM_BITS)
    rank = F.floor(F.exp(bits / 2.0**_RANDOM_BITS * F.log(num_items + 1.0)))
    rate = F.log1p(1.0 / F.col("index")) / F.log(F.col("taken.num_items") + 1.0)
    drawn = (
        taken.withColumn("num_items", num_items)
        .withColumn("number", F.explode(F.sequence(F.lit(1), F.lit(num_negatives))))
        .withColumn("index", F.least(rank, "num_items"))
        .groupBy("request_id", "index")
        .agg(F.first(F.struct("user_id", "session_id", "event_ts", "item_id", "num_items")).alias("taken"))
        .join(items.withColumnRenamed("item_id", "drawn_item_id"), "index")
        .where(F.col("drawn_item_id") != F.col("taken.item_id"))
        .where(F.col("first_ts") < F.col("taken.event_ts"))
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


def _ranked(events: DataFrame, words: DataFrame, cut_ts: datetime) -> DataFrame:
    """Every item with its first moment and its rank: of the vocabulary, else behind it, new ones last."""
    known = words.where(F.col("field") == "item_id").select(F.col("value").alias("item_id"), "index")
    num_before = F.count_if(F.col("event_ts") < F.lit(cut_ts)).alias("num_events")
    seen = events.where(F.col("item_id").isNotNull()).groupBy("item_id")
    items = seen.agg(F.min("event_ts").alias("first_ts"), num_before)
    behind = rank_by_count(items.join(known, "item_id", "left_anti"), "item_id", "num_events", "place")
    place = (F.col("place") + F.lit(known.count())).cast("int").alias("index")
    ranked = items.join(known, "item_id").select("item_id", "first_ts", "index")
    return ranked.unionByName(behind.select("item_id", "first_ts", place))
