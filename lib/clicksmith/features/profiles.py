"""User and item profiles as of the cut."""

from datetime import datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clicksmith.features.amounts import days_between, mean_of, micros, to_units, total
from clicksmith.features.ranks import rank_by_count
from clicksmith.tables import OUTCOMES
from clicksmith.tables.gold import WINDOWS

_PRIOR_IMPRESSIONS = 100.0
"""Strength of the prior of an item's conversion, in impressions."""
_SKETCH_ERROR = 0.02
"""Relative standard error of HyperLogLog++ (Heule et al. 2013); less where there are few."""


def user_profiles(events: DataFrame, items: DataFrame, users: DataFrame, as_of: datetime) -> DataFrame:
    """One row a user with an event before `as_of`, for gold.user_profiles.

    Args:
        events: rows of silver.events.
        items: rows of bronze.items, for categories.
        users: rows of bronze.users.
        as_of: only events strictly before it are counted.
    """
    past = events.filter(F.col("event_ts") < F.lit(as_of))
    bought = F.col("event_type") == "purchase"
    totals = past.groupBy("user_id").agg(
        F.countDistinct("session_id").alias("num_sessions"),
        _count("impression").alias("num_impressions"),
        _count("click").alias("num_clicks"),
        _count("purchase").alias("num_purchases"),
        F.countDistinct("item_id").alias("num_distinct_items"),
        F.max(F.when(F.col("event_type") != "impression", F.unix_micros("event_ts"))).alias("_last_us"),
        *[
            _count_if(F.col("event_type").isin(*OUTCOMES) & _within(days, as_of)).alias(
                f"num_outcomes_{days}d"
            )
            for days in WINDOWS
        ],
        total(F.when(bought, micros(F.col("price"))), F.coalesce(F.col("quantity"), F.lit(1))).alias(
            "_spend"
        ),
        total(F.when(bought, micros(F.col("price")))).alias("_price_sum"),
        F.count(F.when(bought, F.col("price"))).alias("_price_count"),
    )
    mean_price = mean_of(F.col("_price_sum"), F.col("_price_count"))
    # Exact percentiles keep each distinct value; to a thousandth of their logarithm there are few of them.
    totals = totals.withColumn("mean_price", mean_price).withColumn("_level", F.round(F.ln("mean_price"), 3))
    borders = totals.agg(F.percentile("_level", F.array(F.lit(1 / 3), F.lit(2 / 3))).alias("_borders"))
    profiles = totals.crossJoin(F.broadcast(borders))
    mix = _category_mix(past.filter(F.col("event_type").isin(*OUTCOMES)), items)
    attributes = users.select("user_id", "age_band", "gender", "income_band", "household")
    return (
        profiles.join(mix, "user_id", "left")
        .join(first_by(attributes, "user_id"), "user_id", "left")
        .withColumn("as_of_ts", F.lit(as_of))
        .withColumn("days_since_last", days_between(F.col("_last_us"), F.unix_micros("as_of_ts")))
        .withColumn("total_spend", to_units(F.col("_spend")))
        .withColumn(
            "price_band",
            F.when((F.col("_level") <= F.col("_borders")[0]) | (F.col("mean_price") == 0), "low")
            .when(F.col("_level") <= F.col("_borders")[1], "middle")
            .when(F.col("_level").isNotNull(), "high"),
        )
    )


def item_profiles(events: DataFrame, items: DataFrame, as_of: datetime) -> DataFrame:
    """One row an item of the catalogue, or with an event before `as_of`, for gold.item_profiles.

    Conversion is (purchases + prior) / (impressions + prior), impressions weighted by 1/propensity and
    shrunk to the mean over all items with the weight of 100 impressions.
    """
    past = events.filter((F.col("event_ts") < F.lit(as_of)) & F.col("item_id").isNotNull())
    bought = F.col("event_type") == "purchase"
    engaged = F.col("event_type").isin(*OUTCOMES)
    shown = F.col("event_type") == "impression"
    weight = micros(1.0 / F.coalesce(F.col("propensity"), F.lit(1.0)))
    totals = past.groupBy("item_id").agg(
        _count("impression").alias("num_impressions"),
        _count("click").alias("num_clicks"),
        _count("purchase").alias("num_purchases"),
        # A sketch: an item may have any number of users. Users have few items, and are counted exactly.
        F.approx_count_distinct(F.when(engaged, F.col("user_id")), _SKETCH_ERROR).alias("num_users"),
        total(F.when(bought, micros(F.col("price")))).alias("_price_sum"),
        F.count(F.when(bought, F.col("price"))).alias("_price_count"),
        total(F.when(shown, weight)).alias("_shown"),
        *[
            _count_if((F.col("event_type") == kind) & _within(days, as_of)).alias(f"num_{kind}s_{days}d")
            for kind in ("impression", "purchase")
            for days in WINDOWS
        ],
        F.min(F.unix_micros("event_ts")).alias("_first_us"),
        F.max(F.when(engaged, F.unix_micros("event_ts"))).alias("_last_us"),
    )
    overall = totals.agg(
        # Null where nothing was shown.
        F.try_divide(F.sum("num_purchases"), to_units(total(F.col("_shown")))).alias("_overall")
    )
    catalogue = first_by(
        items.select("item_id", "title", "category", "subcategory", "brand", "price"), "item_id"
    )
    bought_items = totals.filter("num_purchases > 0").select("item_id", "num_purchases")
    ranks = rank_by_count(bought_items, "item_id", "num_purchases", "popularity_rank").drop("num_purchases")
    counts = [name for name in totals.columns if name.startswith("num_")]
    return (
        catalogue.join(totals, "item_id", "full")
        .join(ranks, "item_id", "left")
        .crossJoin(F.broadcast(overall))
        .fillna(0, counts)
        .withColumn("as_of_ts", F.lit(as_of))
        .withColumn(
            "mean_price", F.coalesce(mean_of(F.col("_price_sum"), F.col("_price_count")), F.col("price"))
        )
        .withColumn(
            "conversion",
            F.when(
                F.col("_shown") > 0,
                (F.col("num_purchases") + _PRIOR_IMPRESSIONS * F.col("_overall"))
                / (to_units(F.col("_shown")) + _PRIOR_IMPRESSIONS),
            ),
        )
        .withColumn("days_since_first", days_between(F.col("_first_us"), F.unix_micros("as_of_ts")))
        .withColumn("days_since_last", days_between(F.col("_last_us"), F.unix_micros("as_of_ts")))
    )


def first_by(records: DataFrame, key: str) -> DataFrame:
    """One record a key: the smallest by all columns, so that the choice is the same in any run."""
    others = [name for name in records.columns if name != key]
    chosen = records.groupBy(key).agg(F.min(F.struct(*others)).alias("_chosen"))
    return chosen.select(key, *(F.col("_chosen")[name].alias(name) for name in others))


def _within(days: int, as_of: datetime) -> Column:
    return F.col("event_ts") >= F.lit(as_of - timedelta(days=days))


def _count(event_type: str) -> Column:
    return _count_if(F.col("event_type") == event_type)


def _count_if(condition: Column) -> Column:
    return F.count(F.when(condition, F.lit(1)))


def _category_mix(outcomes: DataFrame, items: DataFrame) -> DataFrame:
    """The favourite category, and the five largest shares as JSON in falling order."""
    categories = first_by(items.select("item_id", "category"), "item_id").filter("category IS NOT NULL")
    counts = outcomes.join(categories, "item_id").groupBy("user_id", "category").agg(F.count("*").alias("n"))
    ranked = counts.groupBy("user_id").agg(
        F.sum("n").alias("total"),
        F.array_sort(F.collect_list(F.struct((-F.col("n")).alias("n"), "category"))).alias("mix"),
    )
    entries = F.transform(
        F.slice("mix", 1, 5),
        lambda e: F.struct(e["category"].alias("key"), F.round(-e["n"] / F.col("total"), 4).alias("value")),
    )
    return ranked.select(
        "user_id",
        F.col("mix")[0]["category"].alias("favourite_category"),
        F.to_json(F.map_from_entries(entries)).alias("category_mix"),
    )
