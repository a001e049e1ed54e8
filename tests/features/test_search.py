"""Search pairs by hand."""

import pytest

from builders import at, event, rows_of
from clicksmith.features.search import search_pairs
from clicksmith.features.split import Cut
from clicksmith.lakehouse.commit import conform
from clicksmith.tables import SEARCH_PAIRS, SILVER_EVENTS

pytestmark = pytest.mark.spark

EVENTS = [
    event("s1", "search", at(0), item=None, session_id="u/1", request_id="r1", query="  Red   Shoes "),
    event("i1", "impression", at(0, 1), item="a", session_id="u/1", request_id="r1", position=0),
    event("i2", "impression", at(0, 1), item="b", session_id="u/1", request_id="r1", position=1),
    event("c1", "click", at(0, 2), item="b", session_id="u/1", request_id="r1"),
    event("p1", "purchase", at(0, 9), item="b", session_id="u/1", request_id="r1"),
    event("s2", "search", at(1), user="v", item=None, session_id="v/1", request_id="r1", query="red shoes"),
    event("i3", "impression", at(1, 1), user="v", item="b", session_id="v/1", request_id="r1", position=4),
    event("c2", "cart", at(1, 2), user="v", item="never shown", session_id="v/1", request_id="r1"),
    event("i4", "impression", at(45), item="a", session_id="u/2", request_id="r3", query="red shoes"),
    event("c3", "click", at(45, 1), item="a", session_id="u/2", request_id="r3"),
    event("i5", "impression", at(2), item="a", session_id="u/3", request_id="r4"),
    event("s3", "search", at(3), item=None, session_id="u/4", request_id="r5", query="   "),
    event("i6", "impression", at(3), item="a", session_id="u/4", request_id="r5"),
    event("s4", "search", at(3), item=None, session_id="u/5", query="no request"),
]

CUT = Cut(at(0), at(40), at(50))


def grades(spark, searched):
    rows = search_pairs(spark.createDataFrame(rows_of(SILVER_EVENTS, searched)), CUT).collect()
    return {(row.query, row.item_id, row.split): row.grade for row in rows}


def test_shown_clicked_and_bought(spark):
    events = spark.createDataFrame(rows_of(SILVER_EVENTS, EVENTS))
    rows = conform(search_pairs(events, CUT), SEARCH_PAIRS).collect()
    found = {(row.item_id, row.split): row.asDict() for row in rows}
    assert {row.query for row in rows} == {"red shoes"}
    assert found.keys() == {("a", "train"), ("b", "train"), ("a", "validation")}
    names = ("grade", "num_impressions", "num_clicks", "num_carts", "num_purchases", "mean_position")
    assert [found["b", "train"][name] for name in names] == [3, 2, 1, 0, 1, 2.5]
    assert [found["a", "train"][name] for name in names] == [0, 1, 0, 0, 0, 0.0]
    assert [found["a", "validation"][name] for name in names] == [1, 1, 1, 0, 0, None]


def test_what_came_after_the_cut_is_no_outcome_before_it(spark):
    """A request that lasts: a client that never draws a new id would carry its whole life into training."""
    searched = [
        event("s1", "search", at(39), item=None, session_id="u/1", request_id="r", query="red shoes"),
        event("i1", "impression", at(39, 1), item="a", session_id="u/1", request_id="r", position=0),
        event("c1", "click", at(39, 2), item="a", session_id="u/1", request_id="r"),
        event("p1", "purchase", at(41), item="a", session_id="u/2", request_id="r"),
        event("i2", "impression", at(42), item="b", session_id="u/2", request_id="r", position=0),
        event("c2", "cart", at(51), item="b", session_id="u/3", request_id="r"),
        event("i3", "impression", at(52), item="b", session_id="u/3", request_id="r", position=0),
        event("p2", "purchase", at(52, 1), item="b", session_id="u/3", request_id="r"),
    ]
    assert grades(spark, searched) == {
        ("red shoes", "a", "train"): 1,
        ("red shoes", "b", "validation"): 0,
        ("red shoes", "b", "test"): 3,
    }


def test_what_was_shown_is_not_of_a_later_query(spark):
    """Of a request that lasts, too: the later queries come first by letters."""
    searched = [
        event("i0", "impression", at(38), item="d", session_id="u/1", request_id="q", position=0),
        event("s1", "search", at(39), item=None, session_id="u/1", request_id="r", query="red shoes"),
        event("i1", "impression", at(39, 1), item="a", session_id="u/1", request_id="r", position=0),
        event("s2", "search", at(41), item=None, session_id="u/2", request_id="r", query="blue hat"),
        event("i2", "impression", at(41, 1), item="b", session_id="u/2", request_id="r", position=0),
        event("s3", "search", at(42), item=None, session_id="u/2", request_id="q", query="any coat"),
        event("i3", "impression", at(42, 1), item="d", session_id="u/2", request_id="q", position=0),
        event("i4", "impression", at(51), item="c", session_id="u/3", request_id="r", position=0),
        event("c4", "click", at(51, 1), item="c", session_id="u/3", request_id="r"),
    ]
    assert grades(spark, searched) == {
        ("red shoes", "a", "train"): 0,
        ("blue hat", "b", "validation"): 0,
        ("any coat", "d", "validation"): 0,
        ("blue hat", "c", "test"): 1,
    }
