"""Logs as shops export them: what is told from their values, and what is said where it cannot be."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from clicksmith.config import Config
from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources import sample as sample_module
from clicksmith.sources.draft import draft
from clicksmith.sources.lacks import lacks
from clicksmith.sources.proposal import Proposal, propose
from clicksmith.sources.sample import Sample, read_sample

START = datetime(2025, 10, 1, 8, tzinfo=UTC)


def moment(number: int) -> datetime:
    return START + timedelta(hours=5 * number, seconds=7 * number)


def log(folder: Path, header: str, *rows: str) -> tuple[Sample, Proposal]:
    path = folder / "log.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    sample = read_sample(str(path))
    return sample, propose(sample)


def told(sample: Sample, proposal: Proposal, beginning: str) -> str:
    found = [sentence for sentence in lacks(sample, proposal) if sentence.startswith(beginning)]
    assert len(found) == 1, lacks(sample, proposal)
    return found[0]


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("%d.%m.%Y %H:%M:%S", "d.M.yyyy H:m:s"),
        ("%d/%m/%Y %H:%M", "d/M/yyyy H:m"),
        ("%m/%d/%Y %I:%M:%S %p", "M/d/yyyy h:m:s a"),
        ("%d-%m-%Y %H:%M:%S", "d-M-yyyy H:m:s"),
        ("%Y/%m/%d %H:%M:%S", "yyyy/M/d H:m:s"),
        ("%Y-%m-%d %H:%M:%S,000", "yyyy-M-d H:m:s,SSS"),
        ("%Y%m%d", "yyyyMMdd"),
        ("%Y-%m-%d %H:%M:%S", None),
    ],
)
@pytest.mark.parametrize("num_rows", [40, 400])
def test_times_as_they_are_written(tmp_path: Path, written: str, pattern: str | None, num_rows: int) -> None:
    """Of eight days the order of day and month is told by their nearness to one another alone."""
    rows = [f"u{n % 7};i{n % 5};{moment(n):{written}}" for n in range(num_rows)]
    sample, proposal = log(tmp_path, "user;item;zeitpunkt", *rows)
    assert proposal.events["columns"]["event_ts"] == "zeitpunkt"
    assert proposal.events["timestamp_unit"] == "iso"
    assert proposal.events.get("timestamp_format") == pattern
    assert proposal.first.date() == START.date()
    assert proposal.last.date() == moment(num_rows - 1).date()
    text = draft(sample, proposal, str(tmp_path / "log.csv"), "log")
    assert Config.model_validate(yaml.safe_load(text)).source.events.timestamp_format == pattern


def test_a_date_and_a_time_of_day_are_one_time(tmp_path: Path) -> None:
    rows = [f"{moment(n):%Y-%m-%d},{moment(n):%H:%M:%S},u{n % 7},i{n % 5}" for n in range(100)]
    _, proposal = log(tmp_path, "date,time,user_id,item_id", *rows)
    assert proposal.events["columns"]["event_ts"] == "time"
    assert proposal.events["timestamp_date"] == "date"
    assert (proposal.first, proposal.last) == (moment(0), moment(99))
    rows = [f"{moment(n):%d.%m.%Y};{moment(n):%H:%M};u{n % 7};i{n % 5}" for n in range(100)]
    _, proposal = log(tmp_path, "Datum;Uhrzeit;user_id;item_id", *rows)
    assert proposal.events["columns"]["event_ts"] == "Uhrzeit"
    assert proposal.events["timestamp_format"] == "d.M.yyyy H:m"
    assert proposal.last == moment(99).replace(second=0)


def test_what_happened_has_more_times_than_who_it_was(tmp_path: Path) -> None:
    """A user's birth, a user's first visit and an item's listing are times as well."""
    rows = [
        f"u{n % 7},i{n % 5},1990-01-0{1 + n % 7} 00:00:00,2025-01-0{1 + n % 7} 10:00:00,"
        f"{moment(n):%Y-%m-%d %H:%M:%S}"
        for n in range(100)
    ]
    _, proposal = log(tmp_path, "customer_id,product_id,birth_date,signup,purchased", *rows)
    assert proposal.events["columns"]["event_ts"] == "purchased"
    assert proposal.first == moment(0)


def test_no_column_of_event_types_is_said(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},{n % 4},{moment(n):%Y-%m-%d %H:%M:%S}" for n in range(100)]
    found = log(tmp_path, "user_id,item_id,behavior_type,ts", *rows)
    assert found[1].events["constants"] == {"event_type": "click"}
    said = told(*found, "No event types")
    assert "'behavior_type' (such as '0') has no words that are known: every row counts as a click" in said
    assert "Not used are behavior_type." in said


def test_many_event_types_are_kept(tmp_path: Path) -> None:
    kinds = ["view_item", "add_to_cart", "purchase", "scroll", *(f"own_{n}" for n in range(20))]
    rows = [f"{kinds[n % 24]},u{n % 7},i{n % 5},{moment(n):%Y-%m-%d %H:%M:%S}" for n in range(240)]
    _, proposal = log(tmp_path, "event_name,user_pseudo_id,item_id,event_timestamp", *rows)
    assert proposal.events["event_types"] == {"view_item": "click", "add_to_cart": "cart"}
    assert len(proposal.extra_event_types) == 21
    assert (proposal.counts["click"], proposal.counts["cart"], proposal.counts["purchase"]) == (10, 10, 10)


def test_an_item_s_kind_is_no_event_s(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},shirt,{moment(n):%Y-%m-%d %H:%M:%S},9.5" for n in range(100)]
    found = log(tmp_path, "user_id,item_id,type,ts,price", *rows)
    assert found[1].events["constants"] == {"event_type": "purchase"}
    assert "every row counts as a purchase" in told(*found, "No event types")


def test_decimal_commas(tmp_path: Path) -> None:
    rows = [f"u{n % 7};i{n % 5};{moment(n):%Y-%m-%d %H:%M:%S};1.234,5{n % 10}" for n in range(100)]
    _, proposal = log(tmp_path, "user;item;ts;price", *rows)
    assert proposal.events["decimal"] == "," and proposal.events["columns"]["price"] == "price"
    _, proposal = log(tmp_path, "user;item;ts;price", *(row.replace("1.234,5", "234.5") for row in rows))
    assert "decimal" not in proposal.events and proposal.events["columns"]["price"] == "price"


def test_prices_that_are_no_numbers_are_shown(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},{moment(n):%Y-%m-%d %H:%M:%S},$12.5" for n in range(100)]
    found = log(tmp_path, "user,item,ts,price", *rows)
    assert told(*found, "No prices: 'price' (such as '$12.5'; 100 of 100 values are no numbers): spend")


def test_values_that_stand_for_none_are_none(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [
        {"user": f"u{n % 7}", "item": n % 5, "ts": moment(n).isoformat(), "price": float("nan") if n else 2.5}
        for n in range(100)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    proposal = propose(read_sample(str(path)))
    assert proposal.events["missing_values"] == ["NaN"]
    assert proposal.events["columns"]["price"] == "price"


def test_what_the_contract_refuses_is_said_before(tmp_path: Path) -> None:
    rows = [
        f"{'' if n % 10 < 3 else f'u{n % 7}'},{'' if n % 4 == 0 else n % 5},{moment(n):%Y-%m-%d %H:%M:%S},"
        f"{'-' if n % 5 == 0 else ''}2,view"
        for n in range(100)
    ]
    sample, proposal = log(tmp_path, "user,item,ts,quantity,event", *rows)
    assert {refusal.why: len(refusal.rows) for refusal in proposal.refused} == {
        "have no item (item)": 25,
        "do not say who it was (user)": 30,
        "have a quantity below 0, such as returns": 20,
    }
    assert told(sample, proposal, "Refused: 25 of 100 rows read (25.0%) have no item (item).")
    in_all = told(
        sample, proposal, "Refused in all: 55 of 100 rows read (55.0%). ingest_events keeps them apart"
    )
    assert "more than contract.max_rejected_fraction" in in_all


def test_objects_inside_of_events_are_no_ids(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [{"user": n % 7, "product": {"id": n % 5}, "ts": moment(n).isoformat()} for n in range(100)]
    path.write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(SourceError, match=r"no column tells which item it was.*Nested fields are not read"):
        propose(read_sample(str(path)))
    table = pa.table({"user": ["u"], "item": [["i", "j"]], "ts": [START]})
    pq.write_table(table, tmp_path / "log.parquet")
    assert read_sample(str(tmp_path / "log.parquet")).nested == {"item"}


def test_lines_without_a_record_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    rows = [json.dumps({"user": n % 7, "item": n % 5, "ts": moment(n).isoformat()}) for n in range(100)]
    path.write_text(",\n".join(rows))
    with pytest.raises(SourceError, match=r"99 of 100 lines of .* hold no record.*jq -c"):
        read_sample(str(path))
    path.write_text("\n".join([*rows, "broken"]))
    sample = read_sample(str(path))
    assert (sample.num_rows, sample.num_unread) == (100, 1)
    assert told(sample, propose(sample), "Unreadable: 1 of 101 rows read (1.0%) hold no record.")
    assert told(sample, propose(sample), "Refused in all: 1 of 101 rows read (1.0%). ingest_events keeps")


def test_a_header_that_names_a_column_twice(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="names 'price' twice"):
        log(tmp_path, "user,item,ts,price,price", "u,i,2025-10-01 08:00:00,1,2")


def test_a_given_column_has_to_fit(tmp_path: Path) -> None:
    rows = [f"u{n % 7},i{n % 5},{moment(n):%Y-%m-%d %H:%M:%S},view" for n in range(100)]
    sample, _ = log(tmp_path, "user,item,ts,eventType", *rows)
    with pytest.raises(ConfigError, match=r"price cannot be 'eventType' \(such as 'view'; 100 of 100 values"):
        propose(sample, {"price": "eventType"})
    with pytest.raises(SourceError, match="'user' cannot be read as times"):
        propose(sample, {"event_ts": "user"})


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_end_of_a_long_log_is_looked_at(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorted by time, its first rows say nothing of how long it is."""
    monkeypatch.setattr(sample_module, "_ROWS", 100)
    monkeypatch.setattr(sample_module, "_TAIL_BYTES", 500)
    rows = [{"user": f"u{n % 7}", "item": f"i{n % 5}", "ts": moment(n).isoformat()} for n in range(500)]
    path = tmp_path / f"log.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=50)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    else:
        path.write_text("\n".join(["user,item,ts", *(",".join(row.values()) for row in rows)]) + "\n")
    sample = read_sample(str(path))
    proposal = propose(sample)
    assert sample.num_rows == 100 and sample.share is not None and sample.share < 0.3
    assert (proposal.first, proposal.last) == (moment(0), moment(499))
    assert proposal.late == moment(0) + 0.8 * (moment(499) - moment(0))


def test_records_over_several_lines_and_a_ragged_one(tmp_path: Path) -> None:
    rows = [f'u{n % 7},i{n % 5},{moment(n):%Y-%m-%d %H:%M:%S},"two\nlines, {n}"' for n in range(100)]
    sample, proposal = log(tmp_path, "user,item,ts,note", *rows, "broken")
    assert (sample.delimiter, sample.num_rows, sample.num_unread) == (",", 100, 1)
    assert proposal.last == moment(99)


def test_line_breaks_in_a_type_stay_inside_the_comment(tmp_path: Path) -> None:
    rows = [{"user": f"u{n % 7}", "item": f"i{n % 5}", "ts": moment(n), "event": "a\nb"} for n in range(100)]
    path = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    sample = read_sample(str(path))
    config = yaml.safe_load(draft(sample, propose(sample), str(path), "log"))
    assert config["contract"]["extra_event_types"] == ["a\nb"]


def test_other_encodings_are_said(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    rows = [f"u{n % 7},Schlüssel,{moment(n):%Y-%m-%d %H:%M:%S}" for n in range(100)]
    path.write_bytes("\n".join(["user,item,ts", *rows]).encode("cp1252"))
    sample = read_sample(str(path))
    assert "iconv -f WINDOWS-1252" in told(sample, propose(sample), "Not UTF-8")


def test_all_that_is_missing_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r'nor who did it.*COLUMNS="item_id=NAME user_id=NAME"'):
        log(tmp_path, "a,b,ts", "1,2,2025-10-01 08:00:00")


def test_types_in_words_of_its_own_are_named(tmp_path: Path) -> None:
    kinds = ("gesehen", "Klick", "Kauf")
    rows = [f"u{n % 7},i{n % 5},{moment(n):%Y-%m-%d %H:%M:%S},{kinds[n % 3]}" for n in range(900)]
    sample, proposal = log(tmp_path, "user,item,ts,event", *rows)
    assert proposal.extra_event_types == ("Kauf", "Klick", "gesehen")
    assert 'TYPES="NAME=click"' in told(
        sample, proposal, "Event types without a meaning here: Kauf, Klick, gesehen"
    )
    given = {"gesehen": "impression", "Klick": "click", "Kauf": "purchase"}
    proposal = propose(sample, None, given)
    assert proposal.events["event_types"] == given and proposal.extra_event_types == ()
    assert proposal.counts == {"impression": 300, "click": 300, "purchase": 300}
    with pytest.raises(
        ConfigError, match=r"TYPES: Kauf=sale .*The log has Kauf, Klick, gesehen; the contract"
    ):
        propose(sample, None, {"Kauf": "sale"})
    with pytest.raises(ConfigError, match="TYPES: kauf=purchase"):
        propose(sample, None, {"kauf": "purchase"})
