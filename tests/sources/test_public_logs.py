"""Open Bandit Data and MovieLens 100k against their own files."""

import csv
from datetime import UTC, datetime

import pytest
from pyspark.sql import functions as F

from clicksmith.config import ContractConfig, OpenBanditConfig
from clicksmith.events.contract import check
from clicksmith.sources import movielens, open_bandit
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS, USER_COLUMNS

pytestmark = [pytest.mark.spark]


@pytest.mark.parametrize("policy", ["random", "bts"])
def test_open_bandit_keeps_every_impression_and_click(spark, need_wheel, policy: str):
    folder = need_wheel(open_bandit.WHEEL)
    with (folder / policy / "men" / "men.csv").open() as file:
        log = list(csv.DictReader(file))
    raw = open_bandit.read(spark, OpenBanditConfig(policy=policy, campaign="men"))
    rows = raw.events.collect()
    shown = {row.request_id: row for row in rows if row.event_type == "impression"}
    clicked = {row.request_id for row in rows if row.event_type == "click"}
    assert len(shown) == 10_000
    assert len(rows) == len({row.event_id for row in rows}) == 10_000 + len(clicked)
    assert clicked == {f"{policy}/men/{line['']}" for line in log if line["click"] == "1"}
    for row in (row for row in rows if row.event_type == "click"):
        impression = shown[row.request_id]
        assert (row.event_ts - impression.event_ts).total_seconds() == 1
        assert (row.user_id, row.item_id, row.position) == (
            impression.user_id,
            impression.item_id,
            impression.position,
        )
    for line in log[:50]:
        row = shown[f"{policy}/men/{line['']}"]
        assert row.item_id == line["item_id"]
        assert row.position == int(line["position"]) - 1
        assert float(row.propensity) == float(line["propensity_score"])
        assert row.event_ts.replace(tzinfo=UTC) == datetime.fromisoformat(line["timestamp"])


def test_open_bandit_users_are_segments(spark, need_wheel):
    need_wheel(open_bandit.WHEEL)
    raw = open_bandit.read(spark, OpenBanditConfig())
    assert raw.users is not None and raw.items is not None
    segments = {row.user_id for row in raw.users.collect()}
    assert segments == {row.user_id for row in raw.events.select("user_id").distinct().collect()}
    assert raw.items.count() == 80


def test_a_rating_is_seen_clicked_and_perhaps_liked(spark, need_wheel):
    need_wheel(movielens.WHEEL)
    raw = movielens.read(spark)
    counts = {row[0]: row[1] for row in raw.events.groupBy("event_type").count().collect()}
    assert counts == {"impression": 100_000, "click": 100_000, "purchase": 55_375}
    assert raw.events.select(F.count_distinct("event_id")).first()[0] == sum(counts.values())
    # The first line of the file: user 196 gave film 242 a 3 at 881250949.
    rows = {row.event_type: row for row in raw.events.where("request_id = '196-242'").collect()}
    assert set(rows) == {"impression", "click"}
    assert rows["click"].event_ts.replace(tzinfo=UTC).timestamp() == 881250949
    assert rows["impression"].event_ts.replace(tzinfo=UTC).timestamp() == 881250948


@pytest.mark.parametrize("adapter", ["open_bandit", "movielens"])
def test_every_row_keeps_the_contract(spark, need_wheel, adapter: str):
    need_wheel(open_bandit.WHEEL if adapter == "open_bandit" else movielens.WHEEL)
    raw = open_bandit.read(spark, OpenBanditConfig()) if adapter == "open_bandit" else movielens.read(spark)
    parts = ((raw.events, EVENT_COLUMNS), (raw.items, ITEM_COLUMNS), (raw.users, USER_COLUMNS))
    for frame, columns in parts:
        assert frame is not None
        assert check(frame, columns, ContractConfig()).where(F.size("reasons") > 0).count() == 0


def test_movielens_films_and_users(spark, need_wheel):
    need_wheel(movielens.WHEEL)
    raw = movielens.read(spark)
    assert raw.users is not None and raw.items is not None
    (user,) = raw.users.where("user_id = '1'").collect()
    assert (user.age_band, user.gender, user.household) == ("20-29", "M", "technician")
    (film,) = raw.items.where("item_id = '1'").collect()
    assert (film.title, film.category) == ("Toy Story", "Animation")
    assert (raw.users.count(), raw.items.count()) == (943, 1682)
