"""Cleaning rules, by hand and as properties."""

import random

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from builders import at, event, rows_of
from clicksmith.config import CleaningConfig
from clicksmith.events import kernel
from clicksmith.tables import BRONZE_EVENTS


def partition(rows, **bounds):
    return kernel.clean_partition(rows_of(BRONZE_EVENTS, rows), CleaningConfig(**bounds))


def clean(rows, **bounds):
    """Kept rows with their session's figures, and rejected rows."""
    cleaned = partition(rows, **bounds)
    sessions = {row["session_id"]: row for row in cleaned.sessions.to_pylist()}
    kept = {
        (row["event_id"], "kept"): sessions[row["session_id"]] | row for row in cleaned.events.to_pylist()
    }
    return kept | {(row["event_id"], "rejected"): row for row in cleaned.rejected.to_pylist()}


def test_a_repeated_id_and_a_repeated_content_are_duplicates():
    rows = [
        event("1", "click", at(0)),
        event("1", "click", at(0)),
        event("2", "click", at(0)),
        event("3", "click", at(0), item="b"),
    ]
    assert set(clean(rows)) == {("1", "kept"), ("3", "kept")}
    assert partition(rows).num_duplicates == 2


def test_a_repeated_id_with_other_content_keeps_the_earliest():
    found = clean([event("1", "click", at(0, 5)), event("1", "click", at(0, 3))])
    assert found["1", "kept"]["event_ts"] == at(0, 3)


def test_sessions_end_after_the_gap_and_not_before():
    found = clean(
        [event("1", "click", at(0)), event("2", "click", at(0, 30)), event("3", "click", at(0, 60.1))]
    )
    first, second, third = (found[i, "kept"] for i in "123")
    assert first["session_id"] == second["session_id"] != third["session_id"]
    assert (first["num_events"], first["session_start_ts"], first["session_end_ts"]) == (2, at(0), at(0, 30))
    assert (third["num_events"], third["num_clicks"], third["num_purchases"]) == (1, 1, 0)


def test_the_sources_own_session_wins_over_silence():
    found = clean(
        [
            event("1", "impression", at(0), session_id="s"),
            event("2", "purchase", at(1), session_id="s"),
            event("3", "click", at(0, 1)),
        ]
    )
    assert found["1", "kept"]["session_id"] == found["2", "kept"]["session_id"] == "u/s"
    assert found["1", "kept"]["outcome"] == "purchase"
    assert found["3", "kept"]["outcome"] == "click"


def test_bots_are_rejected_with_the_count():
    rows = [event(str(i), "click", at(0, i / 100), user="bot", item=str(i)) for i in range(6)]
    found = clean([*rows, event("h", "click", at(0), user="human")], max_events_per_minute=5)
    assert found["0", "rejected"]["reasons"] == ["bot: 6 events in one minute, at most 5 allowed"]
    assert ("h", "kept") in found


def test_a_hand_is_not_that_fast():
    rows = [event(str(i), "click", at(0, i / 1000), user="bot", item=str(i)) for i in range(4)]
    found = clean([*rows, event("h", "click", at(0), user="human")], max_outcomes_per_second=3)
    assert found["0", "rejected"]["reasons"] == ["bot: 4 outcomes in one second, at most 3 allowed"]
    assert ("h", "kept") in found
    assert ("0", "kept") in clean(rows)


def test_who_takes_all_that_is_shown_is_a_bot():
    def user(name: str, num_clicks: int) -> list:
        shown = [event(f"{name}i{i}", "impression", at(i), user=name, item=str(i)) for i in range(4)]
        return shown + [
            event(f"{name}c{i}", "click", at(i), user=name, item=str(i)) for i in range(num_clicks)
        ]

    rules = {"max_outcomes_per_impression": 0.5, "min_impressions": 4}
    found = clean([*user("bot", 3), *user("human", 2)], **rules)
    assert found["boti0", "rejected"]["reasons"] == ["bot: 0.75 outcomes an impression, at most 0.5 allowed"]
    assert {("humani0", "kept"), ("humanc1", "kept")} <= found.keys()
    assert ("boti0", "kept") in clean(user("bot", 3), **rules | {"min_impressions": 5})


def test_a_double_click_is_one():
    rows = [event(str(second), "click", at(0, second / 60)) for second in (0, 1, 2, 5)]
    rows += [event("other", "click", at(0, 1 / 60), item="b"), event("cart", "cart", at(0, 1 / 60))]
    found = clean(rows, near_duplicate_seconds=1.0)
    assert {name for name, _ in found} == {"0", "5", "other", "cart"}
    assert partition(rows, near_duplicate_seconds=1.0).num_duplicates == 2
    assert partition(rows).num_duplicates == 0


def test_an_outcome_before_its_impression_is_moved_or_rejected():
    found = clean(
        [
            event("shown", "impression", at(0, 100), request_id="r"),
            event("near", "click", at(0, 95), request_id="r"),
            event("far", "cart", at(0, 10), request_id="r"),
        ]
    )
    assert found["near", "kept"]["event_ts"] == at(0, 100)
    assert found["far", "rejected"]["reasons"] == ["clock: 5400 s before its own impression"]


def test_an_empty_partition_has_the_same_columns():
    for kind, table in tables_of(partition([])).items():
        assert (table.num_rows, table.schema) == (0, kernel.SCHEMAS[kind])


events = st.lists(
    st.builds(
        event,
        event_id=st.integers(0, 12).map(str),
        event_type=st.sampled_from(["impression", "click", "purchase"]),
        event_ts=st.integers(0, 200).map(lambda m: at(0, m)),
        user=st.sampled_from(["u", "v"]),
        item=st.sampled_from(["a", "b"]),
        request_id=st.sampled_from([None, "r"]),
        session_id=st.sampled_from([None, "s"]),
    ),
    max_size=25,
)


@given(events, st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_no_row_is_lost_and_row_order_does_not_matter(rows, seed):
    cleaned = partition(rows)
    again = partition(random.Random(seed).sample(rows, len(rows)))
    assert cleaned == again, "down to the order of the rows"
    assert cleaned.events.num_rows + cleaned.rejected.num_rows + cleaned.num_duplicates == len(rows)


@given(events)
@settings(max_examples=40, deadline=None)
def test_users_may_share_a_partition_or_not(rows):
    whole = tables_of(partition(rows))
    parts = [tables_of(partition([row for row in rows if row["user_id"] == user])) for user in "uv"]
    for kind, table in whole.items():
        assert _sorted(table) == _sorted(pa.concat_tables([part[kind] for part in parts]))


def tables_of(cleaned: kernel.Cleaned) -> dict[str, pa.Table]:
    return {kind: getattr(cleaned, kind) for kind in kernel.SCHEMAS}


def _sorted(table: pa.Table) -> list[str]:
    return sorted(str(row) for row in table.to_pylist())
