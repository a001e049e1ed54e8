"""Training examples: an impression, what was known strictly before it, and its outcome.

Point in time without an as-of join. One shuffle by (item, day) serves the item features: a day's rows look at
what came before them in that day, and add what the item's days before it came to; no partition holds more
than a day of an item, however many buy it. One shuffle by user serves the user features and the labels, in
an Arrow kernel.
"""

from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import from_arrow_schema

from clicksmith.config import FeaturesConfig
from clicksmith.events.spill import whole_users
from clicksmith.features import history
from clicksmith.features.amounts import days_between, mean_of, micros, micros_of, wide
from clicksmith.features.profiles import first_by
from clicksmith.features.split import Cut
from clicksmith.tables import OUTCOMES

OTHER_BRAND = "other"


def training_examples(
    events: DataFrame,
    items: DataFrame,
    users: DataFrame,
    cut: Cut,
    settings: FeaturesConfig,
    *,
    num_partitions: int,
    max_rows: int,
) -> DataFrame:
    """One row an impression, for gold.training_examples.

    Args:
        events: rows of silver.events.
        items: rows of bronze.items.
        users: rows of bronze.users.
        cut: the global time cut; brands are counted strictly before it.
        settings: bounds.
        num_partitions: of the shuffles; the rows do not depend on it.
        max_rows: that a worker holds at once, see `whole_users`.
    """
    stacked = events.filter(F.col("event_type").isin("impression", *OUTCOMES)).select(
        "event_id",
        "event_type",
        "event_ts",
        "user_id",
        "item_id",
        "session_id",
        "request_id",
        "placement",
        "propensity",
        micros(F.when(F.col("event_type") == "purchase", F.col("price"))).alias("price_micros"),
    )
    attributes = _item_attributes(items, stacked, cut, settings)
    profile = users.select(
        "user_id",
        F.col("age_band").alias("user_age_band"),
        F.col("income_band").alias("user_income_band"),
        F.col("household").alias("user_household"),
    )
    rows = _item_features(stacked, attributes, cut, num_partitions)
    weight = 1.0 / F.coalesce(F.col("propensity"), F.lit(1.0))
    return (
        _user_features(rows, profile, cut, num_partitions, max_rows)
        .withColumn("hour_of_day", F.hour("event_ts"))
        .withColumn("day_of_week", F.weekday("event_ts") + 1)
        .withColumn("sample_weight", F.least(weight, F.lit(settings.max_sample_weight)))
        .withColumn("split", cut.split_of(F.col("event_ts")))
    )


def _item_attributes(items: DataFrame, stacked: DataFrame, cut: Cut, settings: FeaturesConfig) -> DataFrame:
    """Category, subcategory and brand; a rare brand becomes `OTHER_BRAND`."""
    catalogue = first_by(items.select("item_id", "category", "subcategory", "brand"), "item_id")
    trained = stacked.filter((F.col("event_type") != "impression") & (F.col("event_ts") < F.lit(cut.cut_ts)))
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


def _item_features(rows: DataFrame, attributes: DataFrame, cut: Cut, num_partitions: int) -> DataFrame:
    bought = F.col("event_type") == "purchase"
    rows = rows.withColumns({"_us": F.unix_micros("event_ts"), "_day": F.to_date("event_ts")}).repartition(
        num_partitions, "item_id", "_day"
    )
    figures = {
        "purchases": F.count(F.when(bought, F.lit(1))),
        "price_sum": F.sum(wide(F.col("price_micros"))),
        "price_count": F.count("price_micros"),
        "first_us": F.min("_us"),
    }
    days = rows.groupBy("item_id", "_day").agg(*[value.alias(name) for name, value in figures.items()])
    days_before = Window.partitionBy("item_id").orderBy("_day").rowsBetween(Window.unboundedPreceding, -1)
    carried = days.select(
        "item_id",
        "_day",
        *[
            (F.min(name) if name == "first_us" else F.sum(name)).over(days_before).alias(f"_carried_{name}")
            for name in figures
        ],
    )
    earlier = Window.partitionBy("item_id", "_day").orderBy("_us").rangeBetween(Window.unboundedPreceding, -1)
    today = rows.withColumns({f"_today_{name}": value.over(earlier) for name, value in figures.items()})
    # An item's attributes come with its days, which are few beside its rows.
    joined = today.join(carried.join(attributes, "item_id", "left"), ["item_id", "_day"])
    price_count = _added("price_count")
    first_us = F.least("_carried_first_us", "_today_first_us")
    return joined.withColumns(
        {
            "item_num_purchases": _added("purchases"),
            "item_price": mean_of(_added("price_sum"), price_count),
            "item_days_since_first": days_between(first_us, F.col("_us")),
            "is_cold_item": F.least(first_us, "_us") >= micros_of(cut.cut_ts),
        }
    )


def _added(name: str) -> Column:
    return sum((F.coalesce(f"_{part}_{name}", F.lit(0)) for part in ("carried", "today")), F.lit(0))


def _user_features(
    rows: DataFrame, profiles: DataFrame, cut: Cut, num_partitions: int, max_rows: int
) -> DataFrame:
    cut_us, test_us = micros_of(cut.cut_ts), micros_of(cut.test_ts)

    def run(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for table in whole_users(batches, max_rows):
            yield from history.with_history(table, cut_us, test_us).to_batches(max_chunksize=50_000)

    schema = from_arrow_schema(history.SCHEMA, prefer_timestamp_ntz=False)
    # One shuffle for the join and the kernel. Both sides are told the number of partitions: Spark keeps it
    # then, and parts no rows of a user, be they many.
    rows, profiles = (side.repartition(num_partitions, "user_id") for side in (rows, profiles))
    joined = rows.join(first_by(profiles, "user_id"), "user_id", "left")
    columns = joined.select("event_id", "event_type", "price_micros", *history.PASSED_ON)
    return columns.mapInArrow(run, schema)
