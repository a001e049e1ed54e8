"""Every rule, by hand; and that every row goes to exactly one side."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.config import ContractConfig
from clicksmith.events.contract import accepted, check, rejected, ruleset_version
from clicksmith.lakehouse.commit import conform
from clicksmith.tables import BRONZE_EVENTS, BRONZE_ITEMS, EVENTS_REJECTED
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS

pytestmark = [pytest.mark.spark]

CONTRACT = ContractConfig()
GOOD = {
    "event_id": "e",
    "event_type": "click",
    "event_ts": "2024-01-02T03:04:05.678901Z",
    "user_id": "u",
    "item_id": "i",
    "position": "3",
    "price": "1.5",
    "quantity": "2",
    "propensity": "0.25",
}


def frame_of(spark, rows: Sequence[dict[str, Any]]):
    names = sorted({name for row in rows for name in row} | set(GOOD))
    schema = ", ".join(f"{name} STRING" for name in names)
    return spark.createDataFrame([tuple(row.get(name) for name in names) for row in rows], schema)


def reasons_of(spark, rows: Sequence[dict[str, Any]], contract: ContractConfig = CONTRACT) -> list[list[str]]:
    numbered = [{**row, "session_id": f"{number:06d}"} for number, row in enumerate(rows)]
    checked = check(frame_of(spark, numbered), EVENT_COLUMNS, contract)
    return [list(row.reasons) for row in checked.orderBy("session_id").select("reasons").collect()]


TYPES = "event_type: not one of impression, click, cart, purchase, search"
CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"event_id": None}, ["event_id: missing"]),
    ({"user_id": "  "}, ["user_id: missing"]),
    ({"event_type": "teleport"}, [TYPES]),
    ({"event_type": None}, ["event_type: missing"]),
    ({"event_ts": None}, ["event_ts: missing"]),
    ({"event_ts": "yesterday"}, ["event_ts: not a timestamp"]),
    ({"event_ts": "12:30"}, ["event_ts: not a timestamp"]),
    ({"event_ts": "1396868280"}, ["event_ts: not a timestamp"]),
    ({"event_ts": "2024-02-30"}, ["event_ts: not a timestamp"]),
    ({"event_ts": "1970-01-01T00:00:00Z"}, ["event_ts: before 1995-01-01"]),
    ({"event_ts": "1994-12-31T23:59:59.999999Z"}, ["event_ts: before 1995-01-01"]),
    ({"event_ts": "1995-01-01"}, []),
    ({"event_ts": "2049-12-31T23:59:59.999999Z"}, []),
    ({"event_ts": "2050-01-01T00:00:00Z"}, ["event_ts: not before 2050-01-01"]),
    ({"event_ts": "2100-01-01"}, ["event_ts: not before 2050-01-01"]),
    ({"event_ts": "+46234-05-06 00:00:00"}, ["event_ts: not before 2050-01-01"]),
    ({"item_id": None}, ["item_id: missing, and event_type is not search"]),
    ({"item_id": None, "event_type": "search"}, []),
    ({"position": "-1"}, ["position: below 0"]),
    ({"position": "1.5"}, ["position: not a whole number"]),
    ({"position": "99999999999"}, ["position: not a whole number"]),
    ({"position": "3.0"}, []),
    ({"price": "free"}, ["price: not a number"]),
    ({"price": ""}, []),
    ({"price": "-0.01"}, ["price: below 0"]),
    ({"price": "NaN"}, ["price: not finite"]),
    ({"price": "Infinity"}, ["price: not finite"]),
    ({"price": "-Infinity"}, ["price: not finite", "price: below 0"]),
    ({"price": "999999999999999"}, ["price: above 1e+09"]),
    ({"price": "1e9", "quantity": "1000000"}, []),
    ({"quantity": "1000001"}, ["quantity: above 1e+06"]),
    ({"propensity": "1.01"}, ["propensity: above 1"]),
    ({"propensity": "1e-10"}, ["propensity: below 1e-09"]),
    ({"propensity": "1e-9"}, []),
    ({"propensity": "NaN"}, ["propensity: not finite"]),
    ({"propensity": "0"}, ["propensity: 0, so the row could not have been logged"]),
    (
        {"user_id": None, "event_type": "x", "price": "x"},
        [TYPES, "price: not a number", "user_id: missing"],
    ),
    ({"_problem": "line: bad", "user_id": None}, ["line: bad"]),
]


def test_each_rule(spark):
    found = reasons_of(spark, [{**GOOD, **change} for change, _ in CASES])
    for (change, expected), reasons in zip(CASES, found, strict=True):
        assert sorted(reasons) == sorted(expected), change


def test_declared_event_types_and_dates(spark):
    contract = ContractConfig(extra_event_types=("wish",), earliest_date=date(1960, 1, 1))
    rows = [{**GOOD, "event_type": "wish", "event_ts": "1970-01-01"}]
    assert reasons_of(spark, rows, contract) == [[]]


def test_an_event_does_not_come_from_after_its_ingest(spark):
    """A day off is a zone or a slow clock; more is a wrong one, to the microsecond."""
    ingested = datetime(2026, 3, 1, 12, tzinfo=UTC)
    times = ["2026-03-02T12:00:00Z", "2026-03-02T12:00:00.000001Z", "2049-01-01", "1999-01-01"]
    rows = [{**GOOD, "event_ts": time, "session_id": str(k)} for k, time in enumerate(times)]
    reason = ["event_ts: over 24 hours later than its ingest"]
    checked = check(frame_of(spark, rows), EVENT_COLUMNS, CONTRACT, ingested).orderBy("session_id")
    assert [row.reasons for row in checked.collect()] == [[], reason, reason, []]
    wider = ContractConfig(max_future_hours=1e6)
    assert not check(frame_of(spark, rows), EVENT_COLUMNS, wider, ingested).where("size(reasons) > 0").count()
    assert ruleset_version(EVENT_COLUMNS, wider) != ruleset_version(EVENT_COLUMNS, CONTRACT)


def test_accepted_rows_have_the_contract_s_types_and_provenance(spark):
    checked = check(frame_of(spark, [GOOD, {**GOOD, "user_id": None}]), EVENT_COLUMNS, CONTRACT)
    (row,) = conform(accepted(checked, BRONZE_EVENTS, "files", "run"), BRONZE_EVENTS).toArrow().to_pylist()
    expected = {
        **dict.fromkeys(BRONZE_EVENTS.column_names),
        **GOOD,
        "event_ts": datetime(2024, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
        "position": 3,
        "price": 1.5,
        "quantity": 2,
        "propensity": 0.25,
        "source": "files",
        "ingest_id": "run",
        "event_date": date(2024, 1, 2),
    }
    assert row == expected


def test_rejected_rows_are_kept_as_received(spark):
    rows = [GOOD, {**GOOD, "price": "free", "user_id": None}, {"_raw": "{nonsense", "_problem": "line: bad"}]
    checked = check(frame_of(spark, rows), EVENT_COLUMNS, CONTRACT)
    found = conform(rejected(checked, "files", "run", "v1"), EVENTS_REJECTED).toArrow().to_pylist()
    assert len(found) == 2
    by_reason = {tuple(row["reasons"]): row for row in found}
    kept = json.loads(by_reason["user_id: missing", "price: not a number"]["raw"])
    assert kept == {name: value for name, value in {**GOOD, "price": "free"}.items() if name != "user_id"}
    assert by_reason["line: bad",] == {
        "raw": "{nonsense",
        "reasons": ["line: bad"],
        "ruleset_version": "v1",
        "source": "files",
        "ingest_id": "run",
    }


def test_typed_columns_pass_unchanged(spark):
    schema = pa.schema([("item_id", pa.int64()), ("price", pa.float64())])
    table = pa.table({"item_id": [7, 8, 9], "price": [0.1, float("nan"), None]}, schema)
    checked = check(spark.createDataFrame(table), ITEM_COLUMNS, CONTRACT)
    rows = conform(accepted(checked, BRONZE_ITEMS, "s", "r"), BRONZE_ITEMS).toArrow().to_pylist()
    assert [(row["item_id"], row["price"]) for row in rows] == [("7", 0.1), ("9", None)]


def test_the_version_of_the_rules_changes_with_them(spark):
    version = ruleset_version(EVENT_COLUMNS, CONTRACT)
    assert version == ruleset_version(EVENT_COLUMNS, ContractConfig())
    assert version != ruleset_version(EVENT_COLUMNS, ContractConfig(earliest_date=date(1996, 1, 1)))
    assert version != ruleset_version(ITEM_COLUMNS, CONTRACT)
    assert version == ruleset_version(EVENT_COLUMNS, ContractConfig(max_rejected_fraction=1.0))


VALUES = st.one_of(
    st.none(),
    st.sampled_from(["click", "search", "2024-01-02", "1970-01-01", "NaN", "0", "1", "-1", "1e400", ""]),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=8),
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from([*GOOD, "_problem"]), VALUES).map(lambda row: {**GOOD, **row}),
    min_size=1,
    max_size=40,
)


@settings(max_examples=12, deadline=None)
@given(rows=ROWS)
def test_every_row_goes_to_exactly_one_side(spark, rows: list[dict[str, Any]]):
    checked = check(frame_of(spark, rows), EVENT_COLUMNS, CONTRACT)
    good = conform(accepted(checked, BRONZE_EVENTS, "s", "r"), BRONZE_EVENTS).toArrow()
    bad = conform(rejected(checked, "s", "r", "v"), EVENTS_REJECTED).toArrow()
    assert good.num_rows + bad.num_rows == len(rows)
    assert all(bad["reasons"].to_pylist())
