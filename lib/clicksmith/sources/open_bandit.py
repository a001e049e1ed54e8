"""ZOZO's Open Bandit Data: logged impressions and clicks of a fashion shop.

There is no user id: a user is the segment of those who share the four hashed user features, so histories
are of segments. Positions 1 to 3 of the source become 0 to 2. The propensity is the logging policy's
probability of showing the item at that position. A logged row is one impression; where it was clicked, a
``click`` with the same request id is added, one second later: the source knows no time of the click.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.config import OpenBanditConfig
from clicksmith.sources.raw import RawTables
from clicksmith.sources.wheels import Wheel, data_folder

WHEEL = Wheel(
    project="obp",
    version="0.4.1",
    sha256="87dec9caf4283c25ab13036532e0a24566f1c7bdcad1653a8ded43b2f5ef8208",
    folder="obp/dataset/obd",
    files=tuple(
        f"{policy}/{campaign}/{name}.csv"
        for policy in ("random", "bts")
        for campaign in ("all", "men", "women")
        for name in (campaign, "item_context")
    ),
)

_USER_FEATURES = [f"user_feature_{number}" for number in range(4)]


def read(spark: SparkSession, settings: OpenBanditConfig) -> RawTables:
    """Map one policy's log of one campaign to raw tables; users are segments."""
    campaign = f"{settings.policy}/{settings.campaign}"
    folder = f"file://{data_folder(WHEEL)}/{campaign}"
    log = _read_csv(spark, f"{folder}/{settings.campaign}.csv").select(
        F.concat(F.lit(f"{campaign}/"), "row").alias("request_id"),
        F.to_timestamp("timestamp").alias("event_ts"),
        F.md5(F.concat_ws("|", *_USER_FEATURES)).alias("user_id"),
        "item_id",
        (F.col("position").cast("int") - 1).alias("position"),
        "click",
        F.col("propensity_score").alias("propensity"),
        *_USER_FEATURES,
    )
    impressions = log.select(
        F.concat_ws("/", "request_id", F.lit("impression")).alias("event_id"),
        F.lit("impression").alias("event_type"),
        "event_ts",
        "user_id",
        "item_id",
        "request_id",
        "position",
        "propensity",
        F.lit(settings.campaign).alias("placement"),
    )
    clicks = log.where("click = 1").select(
        F.concat_ws("/", "request_id", F.lit("click")).alias("event_id"),
        F.lit("click").alias("event_type"),
        (F.col("event_ts") + F.expr("INTERVAL 1 second")).alias("event_ts"),
        "user_id",
        "item_id",
        "request_id",
        "position",
    )
    return RawTables(
        events=impressions.unionByName(clicks, allowMissingColumns=True),
        items=_items(_read_csv(spark, f"{folder}/item_context.csv")),
        users=_users(log),
    )


def _read_csv(spark: SparkSession, path: str) -> DataFrame:
    """All columns as text; the first, which has no name in the files, is the row's number."""
    return spark.read.csv(path, header=True, inferSchema=False).withColumnRenamed("_c0", "row")


def _items(context: DataFrame) -> DataFrame:
    return context.select(
        "item_id",
        F.col("item_feature_1").alias("category"),
        F.col("item_feature_2").alias("subcategory"),
        F.col("item_feature_3").alias("brand"),
        F.to_json(F.struct("item_feature_0")).alias("properties"),
    )


def _users(log: DataFrame) -> DataFrame:
    """What the hashed features mean is not published; they fill the contract's columns in their order."""
    return log.groupBy("user_id", *_USER_FEATURES).count().select(
        "user_id",
        F.col("user_feature_0").alias("gender"),
        F.col("user_feature_1").alias("age_band"),
        F.col("user_feature_2").alias("income_band"),
        F.col("user_feature_3").alias("household"),
    )  # fmt: skip
