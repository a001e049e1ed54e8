"""Impressions drawn for a log without any."""

import math
from collections import Counter

import pytest
from pyspark.sql import functions as F

from builders import at, event, rows_of
from clicksmith.config import FeaturesConfig
from clicksmith.errors import ConfigError
from clicksmith.features.examples import training_examples
from clicksmith.features.negatives import with_drawn_impressions
from clicksmith.features.split import Cut
from clicksmith.lakehouse.commit import conform
from clicksmith.tables import BRONZE_ITEMS, BRONZE_USERS, SILVER_EVENTS, TRAINING_EXAMPLES, VOCABULARY

pytestmark = pytest.mark.spark

NUM_TAKEN = 3000
CUT = at(60)
WORDS = [
    {"field": "item_id", "value": name, "index": index, "num_events": 10 - index}
    for index, name in enumerate("abc", start=1)
]
"""z is too rare for a number of its own: it comes behind the others."""
BEFORE = [event(f"first-{name}", "click", at(-1), user="first", item=name) for name in "abcz"]


@pytest.fixture(scope="module")
def words(spark):
    return spark.createDataFrame(rows_of(VOCABULARY, WORDS))


@pytest.fixture(scope="module")
def events(spark):
    """Each user clicks on z twice, and then on a; all items have been there before."""
    rows = [*BEFORE]
    for user in range(NUM_TAKEN):
        more = {"user": f"u{user}", "session_id": f"u{user}/1"}
        rows += [
            event(f"{user}-1", "click", at(user % 50), item="z", **more),
            event(f"{user}-2", "cart", at(user % 50, 1), item="z", **more),
            event(f"{user}-3", "click", at(user % 50, 2), item="a", **more),
        ]
    return spark.createDataFrame(rows_of(SILVER_EVENTS, rows))


def drawn(events, words, seed: int = 1):
    shown = with_drawn_impressions(events, words, CUT, 2, seed).where("event_type = 'impression'")
    return shown.select("user_id", "item_id", "request_id", "event_ts", "propensity").collect()


def test_draws_have_their_logged_propensity(events, words):
    rows = [row for row in drawn(events, words) if row["request_id"].endswith("-1")]
    shown = Counter(row["item_id"] for row in rows)
    propensity = {row["item_id"]: row["propensity"] for row in rows}
    assert shown["z"] == NUM_TAKEN and propensity["z"] is None
    for rank, name in enumerate("abc", start=1):
        rate = math.log((rank + 1) / rank) / math.log(5)
        expected = 1 - (1 - rate) ** 2
        assert propensity[name] == pytest.approx(expected)
        deviation = math.sqrt(expected * (1 - expected) / NUM_TAKEN)
        assert abs(shown[name] / NUM_TAKEN - expected) < 4 * deviation


def test_nothing_is_shown_before_it_was_there(spark, words):
    """b comes on day 10, n on day 30, after the cut: neither is drawn before, nor its first event shown."""
    rows = [row for row in BEFORE if row["item_id"] != "b"]
    rows += [event("b", "click", at(10), user="b", item="b"), event("n", "click", at(30), user="n", item="n")]
    rows += [event(f"u{day}", "click", at(day), user=f"u{day}", item="z") for day in (9, 10, 11, 29, 30, 31)]
    rows += [event("n2", "click", at(31), user="n2", item="n")]
    frame = spark.createDataFrame(rows_of(SILVER_EVENTS, rows))
    shown = with_drawn_impressions(frame, words, at(20), 200, seed=1).where("event_type = 'impression'")
    found: dict[str, set[str]] = {}
    for row in shown.collect():
        found.setdefault(row["request_id"], set()).add(row["item_id"])
    assert found == {
        "u9": set("acz"), "u10": set("acz"), "u11": set("abcz"), "u29": set("abcz"), "u30": set("abcz"),
        "u31": set("abcnz"), "n2": set("abcnz"),
    }  # fmt: skip


def test_training_rows_know_nothing_of_items_that_come_later(spark, events, words):
    """Nor how many they are, which the probabilities would tell."""
    later = [event(f"new-{row}", "click", at(70, row), user=f"n{row}", item=f"n{row}") for row in range(100)]
    more = events.unionByName(spark.createDataFrame(rows_of(SILVER_EVENTS, later)))
    assert sorted(drawn(more, words)) == sorted(drawn(events, words))


def test_only_the_first_outcome_is_shown_and_never_its_own_item_twice(events, words):
    rows = drawn(events, words)
    assert {row["request_id"].rsplit("-")[1] for row in rows} == {"1", "3"}
    keys = [(row["request_id"], row["item_id"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_draws_depend_on_seed_and_event_alone(events, words):
    rows = sorted(drawn(events, words))
    assert sorted(drawn(events.repartition(7, "item_id"), words)) == rows
    assert sorted(drawn(events, words, seed=2)) != rows


def test_labels_of_drawn_examples(spark, events, words):
    """An item drawn beside z that the session takes later is a positive; nothing else is."""
    empty = [spark.createDataFrame(rows_of(table, [])) for table in (BRONZE_ITEMS, BRONZE_USERS)]
    few = events.where(F.col("user_id").isin("first", "u0", "u30", "u45"))
    shown = with_drawn_impressions(few, words, at(20), 2, seed=1)
    settings = FeaturesConfig(num_negatives=2)
    cut = Cut(at(-1), at(20), at(40))
    examples = training_examples(shown, *empty, cut, settings, num_partitions=2, max_rows=100)
    rows = conform(examples, TRAINING_EXAMPLES).collect()
    assert len(rows) > 6
    for row in rows:
        assert row["label_click"] == (row["item_id"] in "za")
        assert row["label_cart"] == (row["item_id"] == "z")
        assert row["is_cold_user"] == (row["user_id"] != "u0"), "u30 and u45 come after the cut alone"
        assert row["user_num_events"] == (2 if row["request_id"].endswith("-3") else 0)
    assert not [row for row in rows if row["is_cold_item"] and row["item_id"] in "za"]


def test_what_a_session_takes_in_a_later_split_is_no_label_yet(spark, words):
    """Each item is drawn beside z, so many are; one of them is taken after the cut."""
    empty = [spark.createDataFrame(rows_of(table, [])) for table in (BRONZE_ITEMS, BRONZE_USERS)]
    rows = [
        *BEFORE,
        event("1", "click", at(19), item="z", session_id="u/s"),
        event("2", "click", at(21), item="a", session_id="u/s"),
    ]
    frame = spark.createDataFrame(rows_of(SILVER_EVENTS, rows))
    shown = with_drawn_impressions(frame, words, at(20), 50, seed=1)
    cut = Cut(at(-1), at(20), at(40))
    examples = training_examples(shown, *empty, cut, FeaturesConfig(), num_partitions=2, max_rows=100)
    found = {(row["split"], row["item_id"]): row["label_click"] for row in examples.collect()}
    assert found == {
        ("train", "z"): True, ("train", "a"): False, ("train", "b"): False, ("train", "c"): False,
        ("validation", "a"): True, ("validation", "b"): False, ("validation", "c"): False,
        ("validation", "z"): False,
    }  # fmt: skip


def test_a_log_with_impressions_is_refused(spark, words):
    events = spark.createDataFrame(rows_of(SILVER_EVENTS, [event("i", "impression", at(1), session_id="s")]))
    with pytest.raises(ConfigError, match="has impressions of its own"):
        with_drawn_impressions(events, words, CUT, 2, seed=1)
