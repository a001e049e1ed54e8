"""Kernels against the same rules in plain Python, on any events."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import START, at, event, rows_of
from clicksmith.config import CleaningConfig
from clicksmith.events import kernel
from clicksmith.events.spill import whole_users
from clicksmith.features import history
from clicksmith.tables import BRONZE_EVENTS, OUTCOMES

Rows = list[dict[str, Any]]

KINDS = ["impression", "impression", "click", "cart", "purchase"]
BORDERS = (at(30), at(31))
"""Where validation and test begin."""

BORDERS_US = tuple(round(border.timestamp() * 1e6) for border in BORDERS)
MOMENTS = st.builds(at, st.sampled_from([0, 1, 29, 30, 31]), st.integers(0, 60).map(lambda tens: 10 * tens))


@st.composite
def events(draw: st.DrawFn) -> Rows:
    """Up to 40 events of three users with ids of their own, on a grid of ten minutes."""
    rows = draw(
        st.lists(
            st.tuples(
                st.sampled_from(KINDS),
                MOMENTS,
                st.sampled_from("uvw"),
                st.sampled_from("abc"),
                st.sampled_from([None, None, "s"]),
            ),
            max_size=40,
        )
    )
    return [
        event(str(number), kind, moment, user=user, item=item, session_id=session, price=1.0 + number)
        for number, (kind, moment, user, item, session) in enumerate(rows)
    ]


@given(events())
@settings(max_examples=100, deadline=None)
def test_session_borders(rows: Rows):
    """Two neighbours without a session of the source's are in one session, unless 30 minutes lie between."""
    cleaned = kernel.clean_partition(rows_of(BRONZE_EVENTS, rows), CleaningConfig())
    named = {row["event_id"]: row for row in rows}
    kept = cleaned.events.to_pylist()
    for user in "uvw":
        own = [row for row in kept if row["user_id"] == user and named[row["event_id"]]["session_id"] is None]
        for one, next_one in pairwise(own):
            apart = next_one["event_ts"] - one["event_ts"] > timedelta(minutes=30)
            assert (one["session_id"] != next_one["session_id"]) == apart
    for session in cleaned.sessions.to_pylist():
        members = [row for row in kept if row["session_id"] == session["session_id"]]
        assert session["num_events"] == len(members)
        assert session["session_start_ts"] == min(row["event_ts"] for row in members)
        assert session["session_end_ts"] == max(row["event_ts"] for row in members)
        assert {row["user_id"] for row in members} == {session["user_id"]}
    assert len(kept) == sum(row["num_events"] for row in cleaned.sessions.to_pylist())


@given(events(), st.integers(1, 50), st.integers(1, 7))
@settings(max_examples=50, deadline=None)
def test_any_limit_on_memory_gives_whole_users(rows: Rows, max_rows: int, batch_size: int):
    table = rows_of(BRONZE_EVENTS, rows)
    parts = list(whole_users(iter(table.to_batches(max_chunksize=batch_size)), max_rows))
    seen = [set(part["user_id"].to_pylist()) for part in parts]
    assert sum(map(len, seen)) == len(set().union(*seen)), "a user is in one part"
    assert sorted(pa.concat_tables(parts)["event_id"].to_pylist() if parts else []) == sorted(
        row["event_id"] for row in rows
    )
    if len(rows) <= max_rows:
        assert len(parts) <= 1


CATEGORIES = {"a": "food", "b": "food", "c": None}
INPUT = pa.schema(
    [("event_id", pa.string()), ("event_type", pa.string()), ("price_micros", pa.int64())]
    + [(history.SCHEMA.field(name).name, history.SCHEMA.field(name).type) for name in history.PASSED_ON]
)


def history_input(rows: Rows) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                **{name: row.get(name) for name in INPUT.names},
                "session_id": f"{row['user_id']}/{row['session_id']}",
                "item_category": CATEGORIES[row["item_id"]],
                "item_num_purchases": 0,
                "is_cold_item": False,
                "price_micros": round(row["price"] * 1e6) if row["event_type"] == "purchase" else None,
            }
            for row in rows
        ],
        INPUT,
    )


def split_of(row: dict[str, Any]) -> int:
    """0 in training, 1 in validation, 2 in test."""
    return sum(row["event_ts"] >= border for border in BORDERS)


def expected(row: dict[str, Any], rows: Rows) -> dict[str, Any]:
    """What an impression's features and labels are, by their definitions."""
    own = [
        other for other in rows if other["user_id"] == row["user_id"] and other["event_type"] != "impression"
    ]
    past = [other for other in own if other["event_ts"] < row["event_ts"]]
    bought = [other for other in past if other["event_type"] == "purchase"]
    recent = [other for other in bought if other["event_ts"] >= row["event_ts"] - timedelta(days=30)]
    with_item = [other for other in past if other["item_id"] == row["item_id"]]
    category = CATEGORIES[row["item_id"]]
    in_category = [other for other in past if CATEGORIES[other["item_id"]] == category]

    def days_since(others: Rows) -> float | None:
        times = [(row["event_ts"] - other["event_ts"]) / timedelta(days=1) for other in others]
        return min(times, default=None)

    def follows(kind: str) -> bool:
        return any(
            (other["event_type"], other["item_id"], other["session_id"])
            == (kind, row["item_id"], row["session_id"])
            and other["event_ts"] >= row["event_ts"]
            and split_of(other) == split_of(row)
            for other in own
        )

    return {
        "user_num_events": len(past),
        "user_num_purchases_30d": len(recent),
        "user_mean_price": sum(other["price"] for other in bought) / len(bought) if bought else None,
        "user_days_since_last": days_since(past),
        "user_category_share": len(in_category) / len(past) if past and category else 0.0,
        "user_item_num_purchases": sum(other["event_type"] == "purchase" for other in with_item),
        "user_item_days_since_last": days_since(with_item),
        **{f"label_{kind}": follows(kind) for kind in OUTCOMES},
        "is_cold_user": all(
            other["event_ts"] >= at(30) for other in rows if other["user_id"] == row["user_id"]
        ),
    }


@given(events())
@settings(max_examples=100, deadline=None)
def test_features_are_of_what_lies_strictly_before(rows: Rows):
    found = {
        row["example_id"]: row for row in history.with_history(history_input(rows), *BORDERS_US).to_pylist()
    }
    shown = [row for row in rows if row["event_type"] == "impression"]
    assert found.keys() == {row["event_id"] for row in shown}
    for row in shown:
        for name, value in expected(row, rows).items():
            assert found[row["event_id"]][name] == pytest.approx(value), name


@given(events(), MOMENTS)
@settings(max_examples=50, deadline=None)
def test_the_future_changes_no_feature(rows: Rows, moment):
    """Whatever happens from a moment on, the features of what was shown until then stay."""
    features = [name for name in history.ADDED if not name.startswith("label_")]
    whole = history.with_history(history_input(rows), *BORDERS_US).to_pylist()
    before = history.with_history(
        history_input([row for row in rows if row["event_ts"] <= moment]), *BORDERS_US
    ).to_pylist()
    kept = [row for row in whole if row["event_ts"] <= moment]
    assert [[row[name] for name in features] for row in kept] == [
        [row[name] for name in features] for row in before
    ]
    assert all(row["event_ts"] >= START for row in kept)


@given(events(), st.sampled_from(BORDERS))
@settings(max_examples=50, deadline=None)
def test_a_later_split_changes_nothing_before_it(rows: Rows, border):
    """Labels neither: a session that lasts from training into validation tells training nothing of that."""
    whole = history.with_history(history_input(rows), *BORDERS_US).to_pylist()
    before = [row for row in rows if row["event_ts"] < border]
    alone = history.with_history(history_input(before), *BORDERS_US).to_pylist()
    assert [row for row in whole if row["event_ts"] < border] == alone
