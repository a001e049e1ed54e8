"""The sampling's known truth, on toy frames and on the real data."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from pyspark.sql import functions as F

from clicksmith.config import CompleteJourneyConfig, ContractConfig
from clicksmith.events.contract import check
from clicksmith.sources import complete_journey
from clicksmith.tables.bronze import EVENT_COLUMNS

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("compiled")]

SMALL = CompleteJourneyConfig(household_fraction=0.03)
SEED = 7


def toy_frames(spark, num_baskets: int, num_products: int):
    ts = F.lit(datetime(2017, 1, 1))
    baskets = spark.range(num_baskets).select(
        F.col("id").alias("basket_id"), F.col("id").alias("household_id"), F.lit(1).alias("store_id"),
        F.lit(1).alias("week"), ts.alias("basket_ts"), F.lit(-1).alias("product_id"),
    )  # fmt: skip
    promotions = spark.range(num_products).select(
        F.col("id").alias("product_id"), F.lit(1).alias("store_id"), F.lit(1).alias("week"),
        F.lit("0").alias("display_location"), F.lit("A").alias("mailer_location"),
    )  # fmt: skip
    return baskets, promotions


@pytest.mark.parametrize("rate", [0.03, 0.3, 1.0])
def test_each_basket_is_drawn_with_exactly_the_rate(spark, rate: float):
    num_baskets, num_products = 7, 20_000
    baskets, promotions = toy_frames(spark, num_baskets, num_products)
    settings = CompleteJourneyConfig(other_impression_rate=rate)
    drawn = complete_journey._not_bought(baskets, promotions, baskets, F.lit(True), settings, SEED)
    per_product = drawn.groupBy("product_id").count().groupBy("count").count().collect()
    # Systematic sampling: a product is shown to floor or ceil of 7 * rate baskets, never to others.
    assert {row[0] for row in per_product} <= {
        np.floor(num_baskets * rate),
        np.ceil(num_baskets * rate),
    }
    counts = {row[0]: row[1] for row in drawn.groupBy("basket_id").count().collect()}
    assert set(counts) == set(range(num_baskets))
    deviation = np.sqrt(num_products * rate * (1 - rate))
    for count in counts.values():
        assert abs(count - num_products * rate) <= 4 * deviation
    assert {row[0] for row in drawn.select("propensity").distinct().collect()} == {rate}


@pytest.fixture(scope="module")
def folder(need_wheel) -> Path:
    return need_wheel(complete_journey.WHEEL)


@pytest.fixture(scope="module")
def events(spark, folder: Path) -> pa.Table:
    return complete_journey.read(spark, SMALL, SEED).events.toArrow()


@pytest.fixture(scope="module")
def kept_transactions(events: pa.Table, folder: Path) -> pa.Table:
    table = pq.read_table(folder / "transactions.parquet")
    purchases = events.filter(pc.equal(events["event_type"], "purchase"))
    households = pc.unique(purchases["user_id"]).cast("int64")
    return table.filter(pc.is_in(table["household_id"], households))


def impressions_of(events: pa.Table) -> pa.Table:
    return events.filter(pc.equal(events["event_type"], "impression"))


@pytest.mark.slow
def test_all_purchases_of_the_kept_households_arrive(events: pa.Table, kept_transactions: pa.Table):
    purchases = events.filter(pc.equal(events["event_type"], "purchase"))
    assert purchases.num_rows == kept_transactions.num_rows
    assert 30 < pc.count_distinct(purchases["user_id"]).as_py() < 130  # 3 % of 2,469
    spend = pc.sum(pc.multiply(purchases["price"], purchases["quantity"])).as_py()
    sold = kept_transactions.filter(pc.greater(kept_transactions["quantity"], 0))
    assert spend == pytest.approx(pc.sum(sold["sales_value"]).as_py())


@pytest.mark.slow
def test_event_ids_are_unique(events: pa.Table):
    assert pc.count_distinct(events["event_id"]).as_py() == events.num_rows


@pytest.mark.slow
def test_weighted_impressions_count_the_population(
    events: pa.Table, kept_transactions: pa.Table, folder: Path
):
    promotions = pq.read_table(folder / "promotions.parquet", columns=["store_id", "week", "product_id"])
    lists = promotions.group_by(["store_id", "week"]).aggregate([("product_id", "count")])
    baskets = kept_transactions.select(["basket_id", "store_id", "week"]).group_by(
        ["basket_id", "store_id", "week"]
    )
    truth = pc.sum(baskets.aggregate([]).join(lists, ["store_id", "week"])["product_id_count"]).as_py()
    shown = impressions_of(events)
    estimate = pc.sum(pc.divide(1.0, shown["propensity"])).as_py()
    assert truth > 5_000_000
    # About 17,000 impressions were drawn: a standard error below 1 %. 0.06 % of promotions repeat.
    assert estimate == pytest.approx(truth, rel=0.03)


@pytest.mark.slow
def test_the_rate_tells_bought_from_not_bought(events: pa.Table, kept_transactions: pa.Table):
    bought = set(
        zip(*(kept_transactions[name].to_pylist() for name in ("basket_id", "product_id")), strict=True)
    )
    shown = impressions_of(events).select(["request_id", "item_id", "propensity"]).to_pylist()
    for row in shown:
        is_bought = (int(row["request_id"]), int(row["item_id"])) in bought
        expected = SMALL.converted_impression_rate if is_bought else SMALL.other_impression_rate
        assert row["propensity"] == expected


@pytest.mark.slow
def test_an_impression_was_promoted_in_its_store_and_week(
    events: pa.Table, kept_transactions: pa.Table, folder: Path
):
    place = {
        row["basket_id"]: (row["store_id"], row["week"], row["transaction_timestamp"])
        for row in kept_transactions.select(
            ["basket_id", "store_id", "week", "transaction_timestamp"]
        ).to_pylist()
    }
    for row in impressions_of(events).slice(0, 6).to_pylist():
        store, week, ts = place[int(row["request_id"])]
        found = pq.read_table(
            folder / "promotions.parquet",
            filters=[("product_id", "=", int(row["item_id"])), ("store_id", "=", store), ("week", "=", week)],
        ).to_pylist()
        placements = {f"display-{p['display_location']}|mailer-{p['mailer_location']}" for p in found}
        assert row["placement"] in placements
        assert (ts.timestamp() if ts.tzinfo else ts.replace(tzinfo=row["event_ts"].tzinfo).timestamp()) - row[
            "event_ts"
        ].timestamp() == 600


@pytest.mark.slow
def test_every_event_keeps_the_contract(spark, events: pa.Table):
    checked = check(spark.createDataFrame(events), EVENT_COLUMNS, ContractConfig())
    assert checked.where(F.size("reasons") > 0).count() == 0


@pytest.mark.slow
def test_partitions_do_not_change_the_rows(spark, events: pa.Table):
    conf = {"spark.sql.shuffle.partitions": "5", "spark.sql.files.maxPartitionBytes": "4000000"}
    before = {key: spark.conf.get(key) for key in conf}
    try:
        for key, value in conf.items():
            spark.conf.set(key, value)
        again = complete_journey.read(spark, SMALL, SEED).events.toArrow()
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)
    order = [("event_id", "ascending")]
    assert again.sort_by(order).equals(events.sort_by(order))


def test_items_and_users(spark, folder: Path):
    raw = complete_journey.read(spark, CompleteJourneyConfig(), SEED)
    assert raw.items is not None and raw.users is not None
    assert raw.items.count() == 92_331
    assert raw.users.count() == 801
    (ice,) = raw.items.where("item_id = 25671").collect()
    assert ice.asDict() == {
        "item_id": 25671,
        "title": "ICE - CRUSHED/CUBED",
        "category": "GROCERY",
        "subcategory": "FRZN ICE",
        "brand": "National-2",
        "properties": '{"package_size":"22 LB"}',
    }
