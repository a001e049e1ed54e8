"""No job broadcasts, or brings into one task, what grows with the data; and wrong clocks move nothing."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

import build_profiles
import build_training_set
import clean_events
import ingest_events
import simulate_events
from builders import at
from clicksmith.config import CleaningConfig, Config, FeaturesConfig
from clicksmith.evaluation.collect import sample
from clicksmith.events.clean import shuffle_and_clean
from clicksmith.features.examples import training_examples
from clicksmith.features.negatives import with_drawn_impressions
from clicksmith.features.profiles import item_profiles, user_profiles
from clicksmith.features.search import search_pairs
from clicksmith.features.sequences import sequences, vocabulary
from clicksmith.features.split import Cut, find_cut
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import read
from clicksmith.lakehouse.sample import smallest_hashes
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVENTS_REJECTED,
    ITEM_PROFILES,
    SILVER_EVENTS,
    TRAINING_EXAMPLES,
    VOCABULARY,
)
from plans import Plans, growing, plan_of

pytestmark = pytest.mark.spark

CONF = str(Path(__file__).resolve().parents[2] / "conf" / "simulated.yaml")
JOBS = (simulate_events, ingest_events, clean_events, build_profiles, build_training_set)
SMALL = {"num_events": 2000, "num_items": 50, "num_categories": 5, "dirt.wrong_clock": 0.01}


@pytest.fixture
def config(tmp_path: Path, make_config: Callable[..., Config]) -> Config:
    source = tmp_path / "source"
    paths = {"events": source / "log" / "table=events", "items": source / "items", "users": source / "users"}
    overrides = [f"source.{name}.path={path}" for name, path in paths.items()]
    sizes = [f"simulate.{key}={value}" for key, value in SMALL.items()]
    return make_config(f"simulate.path={source}", *overrides, *sizes, conf=CONF)


@pytest.mark.soak
def test_plans_and_clocks_of_the_jobs(spark: SparkSession, config: Config) -> None:
    """One small lake, since to build it takes longer than to look at it."""
    plans = Plans(spark)
    for job in JOBS:
        job.run(config)
    lake = Lake.of(config)
    examples = read(spark, lake.get(TRAINING_EXAMPLES))
    assert sample(examples, "example_id", ["item_id"], 100).num_rows == 100
    assert smallest_hashes(examples, "example_id", 100).groupBy("placement").count().collect()
    executed = plans.executed()
    assert len(executed) > 20
    assert [found for plan in executed for found in growing(plan)] == []
    shuffles = [plan for plan in executed if "MapInArrow" in plan and "SortMergeJoin" in plan]
    assert shuffles, "the training examples' plan is among them"

    # Clocks that are ten years fast or more are known by the ingest; slow ones pass, and move no cut.
    reasons = read(spark, lake.get(EVENTS_REJECTED)).select(F.explode("reasons").alias("reason"))
    assert reasons.where("reason = 'event_ts: over 24 hours later than its ingest'").count() > 3
    started = config.simulate.start_date  # type: ignore[union-attr]
    begin = datetime(started.year, started.month, started.day, tzinfo=UTC)
    end = begin + timedelta(days=config.simulate.num_days + 1)  # type: ignore[union-attr]
    silver = read(spark, lake.get(SILVER_EVENTS))
    assert silver.where(F.col("event_ts") < F.lit(begin)).count() > 3
    cut = find_cut(silver, config.features)
    right = find_cut(silver.where(F.col("event_ts").between(begin, end)), config.features)
    assert begin < cut.cut_ts < end and cut == right
    oldest = examples.agg(F.max("item_days_since_first")).collect()[0][0]
    oldest_profile = read(spark, lake.get(ITEM_PROFILES)).agg(F.max("days_since_first")).collect()[0][0]
    assert max(oldest, oldest_profile) < 2 * (end - begin).days

    # Done again, whenever that is, the ingest holds times against the moment that it wrote down.
    began = lake.get(EVENTS_REJECTED).metadata["began"]
    assert lake.get(BRONZE_EVENTS).metadata["began"] == began


def test_plans_of_the_features(spark: SparkSession, tmp_path: Path) -> None:
    """Read from files, which may be of any size; what the frames would do is enough, nothing runs."""
    tables = (SILVER_EVENTS, BRONZE_ITEMS, BRONZE_USERS, VOCABULARY)
    for table in tables:
        pq.write_table(table.arrow_schema.empty_table(), tmp_path / f"{table.name}.parquet")
    events, items, users, words = (spark.read.parquet(f"{tmp_path}/{table.name}.parquet") for table in tables)
    cut, settings = Cut(at(0), at(40), at(50)), FeaturesConfig()
    frames = {
        "user_profiles": user_profiles(events, items, users, at(40)),
        "item_profiles": item_profiles(events, items, at(40)),
        "sequences": sequences(events, cut, settings),
        "search_pairs": search_pairs(events, cut),
        "vocabulary": vocabulary(events, cut, settings),
        "drawn": with_drawn_impressions(events, words, at(40), 2, seed=1),
        "examples": training_examples(
            events, items, users, cut, settings, num_partitions=2, max_rows=100
        ),
        "clean": shuffle_and_clean(events, CleaningConfig(), 2, 100),
    }  # fmt: skip
    assert {name: found for name, df in frames.items() if (found := growing(plan_of(df)))} == {}


def test_what_grows_is_seen(spark: SparkSession) -> None:
    rows = spark.range(100).withColumn("key", F.col("id") % 7)
    by_key = rows.groupBy("key").count()
    plans = Plans(spark)
    rows.join(F.broadcast(rows.groupBy("key").agg(F.max("id").alias("last"))), "key").collect()
    by_key.withColumn("rank", F.row_number().over(Window.orderBy("count"))).collect()
    rows.coalesce(1).crossJoin(by_key).collect()
    assert [bool(growing(plan)) for plan in plans.executed()] == [True, True, True]
    plans = Plans(spark)
    rows.crossJoin(F.broadcast(rows.agg(F.max("id")))).orderBy("key").limit(3).collect()
    rows.join(F.broadcast(by_key.orderBy("count").limit(3)), "key").collect()
    assert [growing(plan) for plan in plans.executed()] == [[], []]
