"""Training examples: an impression, what was known strictly before it, and its outcome.

Point in time without an as-of join: impressions and outcomes are stacked and every feature is a
window whose frame ends one microsecond before the row. One shuffle by user serves all user
features and labels, one by item serves the item features.
"""

from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from clicksmith.config import FeaturesConfig
from clicksmith.features.amounts import MICROS_PER_DAY, days_between, mean_of, micros
from clicksmith.features.profiles import first_by
from clicksmith.features.split import Cut

OTHER_BRAND = "other"
_OUTCOMES = ("click", "cart", "purchase")


def training_examples(
    events: DataFrame, items: DataFrame, users: DataFrame, cut: Cut, settings: FeaturesConfig
) -> DataFrame:
    """One row an impression, for gold.training_examples.

    Args:
        events: rows of silver.events.
        items: rows of bronze.items.
        users: rows of bronze.users.
        cut: the global time cut; brands are counted strictly before it.
        settings: bounds.
    """
    stacked = events.filter(F.col("event_type").isin("impression", *_OUTCOMES)).select(
        "event_id",
        "event_type",
        "event_ts",
        "user_id",
        "item_id",
        "session_id",
        "request_id",
        "placement",
        "price",
        "propensity",
        F.unix_micros("event_ts").alias("_us"),
        (F.col("event_type") != "impression").alias("_outcome"),
        micros(F.when(F.col("event_type") == "purchase", F.col("price"))).alias("_price"),
        (F.col("event_type") == "purchase").alias("_bought"),
    )
    attributes = _item_attributes(items, stacked, cut, settings)
    rows = _item_features(stacked.join(attributes, "item_id", "left"))
    rows = _labels(_user_features(rows.repartition("user_id"))).filter(~F.col("_outcome"))
    profile = users.select(
        "user_id",
        F.col("age_band").alias("user_age_band"),
        F.col("income_band").alias("user_income_band"),
        F.col("household").alias("user_household"),
    )
    weight = 1.0 / F.coalesce(F.col("propensity"), F.lit(1.0))
    return (
        rows.join(F.broadcast(first_by(profile, "user_id")), "user_id", "left")
        .withColumnRenamed("event_id", "example_id")
        .withColumn("hour_of_day", F.hour("event_ts"))
        .withColumn("day_of_week", F.weekday("event_ts") + 1)
        .withColumn("sample_weight", F.least(weight, F.lit(settings.max_sample_weight)))
        .withColumn("split", cut.split_of(F.col("event_ts")))
    )


def _before(*keys: str) -> WindowSpec:
    """All rows of the same keys up to one microsecond before the row."""
    return Window.partitionBy(*keys).orderBy("_us").rangeBetween(Window.unboundedPreceding, -1)


def _count_if(condition: Column) -> Column:
    return F.count(F.when(condition, F.lit(1)))


def _item_attributes(items: DataFrame, stacked: DataFrame, cut: Cut, settings: FeaturesConfig) -> DataFrame:
    """Category, subcategory and brand; a rare brand becomes `OTHER_BRAND`."""
    catalogue = first_by(items.select("item_id", "category", "subcategory", "brand"), "item_id")
    trained = stacked.filter(F.col("_outcome") & (F.col("event_ts") < F.lit(cut.cut_ts)))
    frequent = (
        trained.groupBy("item_id")
        .agg(F.count("*").alias("n"))
        .join(catalogue, "item_id")
        .filter("brand IS NOT NULL")
        .groupBy("brand")
        .agg(F.sum("n").alias("n"))
        .orderBy(F.col("n").desc(), "brand")
        .limit(settings.max_brands)
        .select("brand", F.col("brand").alias("_kept"))
    )
    named = catalogue.join(F.broadcast(frequent), "brand", "left")
    brand = F.when(F.col("brand").isNotNull(), F.coalesce("_kept", F.lit(OTHER_BRAND)))
    return named.select(
        "item_id",
        F.col("category").alias("item_category"),
        F.col("subcategory").alias("item_subcategory"),
        brand.alias("item_brand"),
    )


def _item_features(rows: DataFrame) -> DataFrame:
    before = _before("item_id")
    return (
        rows.withColumn("item_num_purchases", _count_if(F.col("_bought")).over(before))
        .withColumn("_price_count", F.count("_price").over(before))
        .withColumn("item_price", mean_of(F.sum("_price").over(before), F.col("_price_count")))
        .withColumn("item_days_since_first", days_between(F.min("_us").over(before), F.col("_us")))
    )


def _user_features(rows: DataFrame) -> DataFrame:
    user, in_category, with_item = (
        _before("user_id"),
        _before("user_id", "item_category"),
        _before("user_id", "item_id"),
    )
    month = Window.partitionBy("user_id").orderBy("_us").rangeBetween(-30 * MICROS_PER_DAY, -1)
    outcome_us = F.when(F.col("_outcome"), F.col("_us"))
    rows = (
        rows.withColumn("user_num_events", _count_if(F.col("_outcome")).over(user))
        .withColumn("user_num_purchases_30d", _count_if(F.col("_bought")).over(month))
        .withColumn("user_mean_price", mean_of(F.sum("_price").over(user), F.count("_price").over(user)))
        .withColumn("user_days_since_last", days_between(F.max(outcome_us).over(user), F.col("_us")))
    )
    return (
        rows.withColumn("_in_category", _count_if(F.col("_outcome")).over(in_category))
        .withColumn(
            "user_category_share",
            F.when(
                F.col("item_category").isNotNull() & (F.col("user_num_events") > 0),
                F.col("_in_category") / F.col("user_num_events"),
            ).otherwise(0.0),
        )
        .withColumn("user_item_num_purchases", _count_if(F.col("_bought")).over(with_item))
        .withColumn(
            "user_item_days_since_last", days_between(F.max(outcome_us).over(with_item), F.col("_us"))
        )
    )


def _labels(rows: DataFrame) -> DataFrame:
    """An outcome counts for an impression when it follows it in the same session, on the same item."""
    after = (
        Window.partitionBy("user_id", "session_id", "item_id")
        .orderBy("_us")
        .rangeBetween(Window.currentRow, Window.unboundedFollowing)
    )
    for kind in _OUTCOMES:
        happened = F.max((F.col("event_type") == kind).cast("int")).over(after) == 1
        rows = rows.withColumn(f"label_{kind}", happened)
    return rows
