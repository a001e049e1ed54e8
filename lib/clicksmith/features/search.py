"""Search pairs: what was shown for a query, and what became of it."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from clicksmith.features.split import Cut

GRADES = {"click": 1, "cart": 2, "purchase": 3}
"""Of a shown item by the deepest event that followed; 0 where none did."""


def search_pairs(events: DataFrame, cut: Cut) -> DataFrame:
    """One row a query, item and split, for gold.search_pairs.

    A request is a search when one of its events has a query; its impressions are what was shown for it, and
    its clicks, carts and purchases what became of them. Events without a request tell of no list. An event
    is of the split that its own time falls into, and was shown for the query of that split, or else of the
    last one before it that has a query: no training pair knows what came at or after the cut, however long
    a request lasts.

    Args:
        events: rows of silver.events.
        cut: the global time cut; a pair of two splits is a row in each.
    """
    requests = (
        events.where(F.col("request_id").isNotNull())
        .select(
            "user_id",
            "request_id",
            "event_type",
            "event_ts",
            "item_id",
            "position",
            _normal("query").alias("query"),
        )
        .withColumn("split", cut.split_of(F.col("event_ts")))
    )
    asked = requests.groupBy("user_id", "request_id", "split").agg(
        F.min("query").alias("query"), F.min("event_ts").alias("first_ts")
    )
    until_then = Window.partitionBy("user_id", "request_id").orderBy("first_ts")  # splits follow one another
    queries = asked.select(
        "user_id", "request_id", "split", F.last("query", ignorenulls=True).over(until_then).alias("query")
    )
    shown = (
        requests.where(F.col("item_id").isNotNull())
        .groupBy("user_id", "request_id", "item_id", "split")
        .agg(
            F.max((F.col("event_type") == "impression").cast("int")).alias("was_shown"),
            F.min("position").alias("position"),
            *[F.max((F.col("event_type") == kind).cast("int")).alias(kind) for kind in GRADES],
        )
    )
    lists = shown.where("was_shown = 1").join(
        queries.where(F.col("query").isNotNull()), ["user_id", "request_id", "split"]
    )
    grade = F.greatest(F.lit(0), *[F.col(kind) * worth for kind, worth in GRADES.items()])
    return (
        lists.groupBy("query", "item_id", "split")
        .agg(
            F.max(grade).alias("grade"),
            F.count(F.lit(1)).alias("num_impressions"),
            *[F.sum(kind).alias(f"num_{kind}s") for kind in GRADES],
            F.avg("position").alias("mean_position"),
        )
        .withColumn("source", F.lit("log"))
    )


def _normal(name: str) -> Column:
    """A query in lower case with single spaces; blank ones are null."""
    text = F.trim(F.regexp_replace(F.lower(name), r"\s+", " "))
    return F.when(F.length(text) > 0, text)
