"""Profiles and point-in-time features, computed by hand."""

import re
from datetime import date

import pytest

from builders import at, event, rows_of
from clicksmith.config import FeaturesConfig
from clicksmith.errors import ConfigError
from clicksmith.features.examples import OTHER_BRAND, training_examples
from clicksmith.features.profiles import item_profiles, user_profiles
from clicksmith.features.sequences import sequences, vocabulary
from clicksmith.features.split import Cut, find_cut
from clicksmith.lakehouse.commit import conform
from clicksmith.tables import (
    BRONZE_ITEMS,
    BRONZE_USERS,
    ITEM_PROFILES,
    SEQUENCES,
    SILVER_EVENTS,
    TRAINING_EXAMPLES,
    USER_PROFILES,
    VOCABULARY,
)

pytestmark = pytest.mark.spark

CUT = Cut(at(0), at(40), at(50))
EVENTS = [
    event("p1", "purchase", at(0), item="a", price=2.0, quantity=3, session_id="u/1"),
    event("p2", "purchase", at(10), item="b", price=5.0, quantity=1, session_id="u/2"),
    event("i1", "impression", at(35), item="a", session_id="u/3", propensity=0.5, request_id="r"),
    event("i2", "impression", at(35), item="b", session_id="u/3", propensity=0.001, request_id="r"),
    event("p3", "purchase", at(35), item="a", price=4.0, quantity=1, session_id="u/3", request_id="r"),
    event("i3", "impression", at(45), item="c", session_id="u/4", request_id="r2"),
    event("p4", "purchase", at(55), item="a", price=9.0, quantity=1, session_id="u/5"),
    event("i4", "impression", at(60), user="v", item="a", session_id="v/1"),
    event("p5", "purchase", at(60, 1), user="v", item="a", price=1.0, session_id="v/1"),
]
ITEMS = [
    {
        "item_id": "a",
        "category": "food",
        "subcategory": "bread",
        "brand": "x",
        "price": 1.0,
        "source": "t",
        "ingest_id": "t",
    },
    {
        "item_id": "b",
        "category": "food",
        "subcategory": "milk",
        "brand": "y",
        "price": 1.0,
        "source": "t",
        "ingest_id": "t",
    },
    {
        "item_id": "c",
        "category": "toys",
        "subcategory": None,
        "brand": "z",
        "price": 7.0,
        "source": "t",
        "ingest_id": "t",
    },
]
USERS = [{"user_id": "u", "age_band": "45-54", "income_band": "low", "source": "t", "ingest_id": "t"}]


@pytest.fixture(scope="module")
def frames(spark):
    return (
        spark.createDataFrame(rows_of(SILVER_EVENTS, EVENTS)),
        spark.createDataFrame(rows_of(BRONZE_ITEMS, ITEMS)),
        spark.createDataFrame(rows_of(BRONZE_USERS, USERS)),
    )


@pytest.fixture(scope="module")
def examples(frames):
    settings = FeaturesConfig(max_brands=1, max_sample_weight=100.0)
    df = conform(training_examples(*frames, CUT, settings, num_partitions=3, max_rows=4), TRAINING_EXAMPLES)
    return {row["example_id"]: row for row in df.collect()}


def test_one_example_an_impression(examples):
    assert sorted(examples) == ["i1", "i2", "i3", "i4"]


def test_one_shuffle_by_user_of_the_asked_number(frames):
    """Rows and profiles each once: the join adds none, and Spark does not choose the number."""
    df = training_examples(*frames, CUT, FeaturesConfig(), num_partitions=7, max_rows=4)
    plan = df._jdf.queryExecution().executedPlan().toString()
    numbers = [int(number) for number in re.findall(r"hashpartitioning\(user_id#\d+, (\d+)\)", plan)]
    assert numbers == [7, 7]
    assert len(re.findall(r"hashpartitioning\(item_id#\d+, _day#\d+, 7\)", plan)) == 3, "rows, days, carried"


def test_user_features_are_of_the_past_only(examples):
    row = examples["i1"]
    assert row["user_num_events"] == 2, "the purchase at the same moment is not known yet"
    assert row["user_num_purchases_30d"] == 1
    assert row["user_mean_price"] == pytest.approx(3.5)
    assert row["user_days_since_last"] == pytest.approx(25.0)
    assert row["user_category_share"] == pytest.approx(1.0)
    assert row["user_item_num_purchases"] == 1
    assert row["user_item_days_since_last"] == pytest.approx(35.0)
    assert examples["i3"]["user_category_share"] == 0.0
    assert examples["i4"]["user_num_events"] == 0
    assert examples["i4"]["user_days_since_last"] is None


def test_item_features_are_of_the_past_only(examples):
    assert examples["i1"]["item_num_purchases"] == 1
    assert examples["i1"]["item_price"] == pytest.approx(2.0)
    assert examples["i4"]["item_num_purchases"] == 3
    assert examples["i4"]["item_price"] == pytest.approx((2.0 + 4.0 + 9.0) / 3)
    assert examples["i4"]["item_days_since_first"] == pytest.approx(60.0)
    assert examples["i3"]["item_price"] is None


def test_labels_weights_and_splits(examples):
    assert [examples[i]["label_purchase"] for i in ("i1", "i2", "i3", "i4")] == [True, False, False, True]
    assert not any(row["label_click"] for row in examples.values())
    assert [examples[i]["sample_weight"] for i in ("i1", "i2", "i3")] == [2.0, 100.0, 1.0]
    assert [examples[i]["split"] for i in ("i1", "i3", "i4")] == ["train", "validation", "test"]


def test_an_outcome_of_a_later_split_is_no_label(spark, frames):
    """A session of the source's own that lasts; its history is known, what is to come is not."""
    _, items, users = frames
    rows = [
        event("train-a", "impression", at(39), item="a", session_id="u/s"),
        event("train-b", "impression", at(39), item="b", session_id="u/s"),
        event("o1", "click", at(39, 1), item="a", session_id="u/s"),
        event("o2", "purchase", at(40), item="a", price=2.0, session_id="u/s"),
        event("validation-a", "impression", at(40), item="a", session_id="u/s"),
        event("validation-b", "impression", at(49), item="b", session_id="u/s"),
        event("o3", "cart", at(49, 1), item="b", session_id="u/s"),
        event("o4", "purchase", at(50), item="b", price=5.0, session_id="u/s"),
        event("test-b", "impression", at(51), item="b", session_id="u/s"),
        event("o5", "click", at(52), item="b", session_id="u/s"),
    ]
    events = spark.createDataFrame(rows_of(SILVER_EVENTS, rows))
    df = training_examples(events, items, users, CUT, FeaturesConfig(), num_partitions=2, max_rows=100)
    found = {row["example_id"]: row for row in df.collect()}
    kinds = ("click", "cart", "purchase")
    labels = {name: [kind for kind in kinds if row[f"label_{kind}"]] for name, row in found.items()}
    assert labels == {
        "train-a": ["click"],
        "train-b": [],
        "validation-a": ["purchase"],
        "validation-b": ["cart"],
        "test-b": ["click"],
    }
    assert all(name.split("-")[0] == row["split"] for name, row in found.items())
    past = {name: (row["user_num_events"], row["user_item_num_purchases"]) for name, row in found.items()}
    assert past == {
        "train-a": (0, 0), "train-b": (0, 0), "validation-a": (1, 0), "validation-b": (2, 0),
        "test-b": (4, 1),
    }  # fmt: skip


def test_cold_users_and_items(examples):
    flags = {name: (row["is_cold_user"], row["is_cold_item"]) for name, row in examples.items()}
    assert flags == {"i1": (False, False), "i2": (False, False), "i3": (False, True), "i4": (True, False)}


def test_only_frequent_brands_keep_their_name(examples):
    assert examples["i1"]["item_brand"] == "x"
    assert examples["i2"]["item_brand"] == OTHER_BRAND


def test_context_and_attributes(examples):
    row = examples["i1"]
    assert (row["hour_of_day"], row["day_of_week"]) == (0, 1), "2024-02-05 is a Monday"
    assert (row["user_age_band"], row["user_household"]) == ("45-54", None)


def test_a_planted_leak_would_be_seen(frames, examples):
    """Features do not move when everything from an impression on is changed."""
    events, items, users = frames
    later = events.filter("event_id NOT IN ('p3', 'p4', 'p5')")
    settings = FeaturesConfig(max_brands=1, max_sample_weight=100.0)
    df = training_examples(later, items, users, CUT, settings, num_partitions=1, max_rows=100)
    row = next(r for r in conform(df, TRAINING_EXAMPLES).collect() if r["example_id"] == "i1")
    changed = [name for name in row.asDict() if row[name] != examples["i1"][name]]
    assert changed == ["label_purchase"]


def test_user_profile_by_hand(frames):
    events, items, users = frames
    rows = {
        r["user_id"]: r for r in conform(user_profiles(events, items, users, at(40)), USER_PROFILES).collect()
    }
    assert set(rows) == {"u"}, "v has no event before the cut"
    row = rows["u"]
    assert (row["num_sessions"], row["num_impressions"], row["num_purchases"], row["num_distinct_items"]) == (
        3,
        2,
        3,
        2,
    )
    assert row["total_spend"] == pytest.approx(2 * 3 + 5 + 4)
    assert row["mean_price"] == pytest.approx(11 / 3)
    assert row["days_since_last"] == pytest.approx(5.0)
    assert (row["favourite_category"], row["category_mix"]) == ("food", '{"food":1.0}')


def test_item_profile_by_hand(frames):
    events, items, _ = frames
    rows = {r["item_id"]: r for r in conform(item_profiles(events, items, at(40)), ITEM_PROFILES).collect()}
    assert set(rows) == {"a", "b", "c"}
    overall = 3 / (2 + 1000)
    assert rows["a"]["conversion"] == pytest.approx((2 + 100 * overall) / (2 + 100))
    assert rows["a"]["popularity_rank"] == 1
    assert rows["c"]["popularity_rank"] is None
    assert (rows["a"]["num_users"], rows["a"]["mean_price"], rows["c"]["mean_price"]) == (1, 3.0, 7.0)


def test_sequences_and_vocabulary(frames):
    events, _, _ = frames
    rows = {
        (r["user_id"], r["split"]): r
        for r in conform(sequences(events, CUT, FeaturesConfig()), SEQUENCES).collect()
    }
    assert rows["u", "train"]["item_ids"] == ["a", "b", "a"]
    assert rows["u", "test"]["item_ids"] == ["a"]
    short = sequences(events, CUT, FeaturesConfig(max_sequence_length=2)).filter("split = 'train'").collect()
    assert short[0]["item_ids"] == ["b", "a"]
    words = conform(vocabulary(events, CUT, FeaturesConfig()), VOCABULARY).collect()
    assert {(w["value"], w["index"], w["num_events"]) for w in words} == {("a", 1, 3), ("b", 2, 2)}
    taken = {w["value"]: w["num_outcomes"] for w in words}
    assert taken == {"a": 2, "b": 1}, "outcomes before the cut, as in the training sequences"


def test_the_cut_by_date_and_by_fraction(frames):
    events, _, _ = frames
    assert find_cut(events, FeaturesConfig(cut_date=date(2024, 2, 10))).cut_ts == at(40)
    assert find_cut(events, FeaturesConfig(cut_fraction=0.5)).cut_ts == at(30)
    with pytest.raises(ConfigError, match="leaves a split without events"):
        find_cut(events, FeaturesConfig(cut_date=date(2030, 1, 1)))


def test_events_decades_off_move_nothing(spark):
    """A hundredth of a log's clocks may be wrong: the cut stays where it is, to the day."""
    rows = [event(str(n), "click", at(n / 10), session_id="s") for n in range(600)]
    right = spark.createDataFrame(rows_of(SILVER_EVENTS, rows))
    cut = find_cut(right, FeaturesConfig())
    assert cut == Cut(at(0), at(47), at(50)), "0.8 of 59.9 days, then 0.3 of the rest"
    wrong = [event("2049", "click", at(25 * 365), session_id="t")]
    wrong += [event(f"old-{n}", "click", at(-n * 365), session_id="t") for n in range(1, 6)]
    both = spark.createDataFrame(rows_of(SILVER_EVENTS, [*rows, *wrong]))
    assert find_cut(both, FeaturesConfig()) == cut
    slow = {f"old-{n}" for n in range(1, 6)}
    believed = {row.event_id for row in cut.believed(both).select("event_id").collect()}
    assert believed == {row["event_id"] for row in [*rows, *wrong]} - slow, "nobody's first event is of them"


def test_sums_of_huge_amounts(spark, frames):
    _, items, users = frames
    price, count = 9e11, 40
    rows = [
        event(str(n), "purchase", at(n), price=price, quantity=2_000_000_000, session_id="s")
        for n in range(count)
    ]
    shown = event("i", "impression", at(count), session_id="s", propensity=1e-300)
    events = spark.createDataFrame(rows_of(SILVER_EVENTS, [*rows, shown]))
    (user,) = user_profiles(events, items, users, at(50)).collect()
    assert user["total_spend"] == pytest.approx(price * 2e9 * count)
    assert user["mean_price"] == pytest.approx(price)
    item = item_profiles(events, items, at(50)).filter("item_id = 'a'").first()
    assert item["mean_price"] == pytest.approx(price)
    example = training_examples(
        events, items, users, Cut(at(0), at(41), at(45)), FeaturesConfig(), num_partitions=1, max_rows=100
    ).first()
    assert (example["user_mean_price"], example["item_price"]) == pytest.approx((price, price))


def test_windows_of_the_profiles(frames):
    events, items, users = frames
    (user,) = user_profiles(events, items, users, at(36)).filter("user_id = 'u'").collect()
    assert [user[f"num_outcomes_{days}d"] for days in (1, 7, 30, 90)] == [1, 1, 2, 3]
    rows = {row["item_id"]: row for row in item_profiles(events, items, at(36)).collect()}
    assert [rows["a"][f"num_purchases_{days}d"] for days in (1, 7, 30, 90)] == [1, 1, 1, 2]
    assert [rows["b"][f"num_impressions_{days}d"] for days in (1, 7, 30, 90)] == [1, 1, 1, 1]
    assert rows["c"]["num_purchases_90d"] == 0, "an item of the catalogue alone"
