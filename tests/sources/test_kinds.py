"""Kinds of files that people have: each case builds its input, and its events have the values that are meant.

The first tests read files as a task does, in this process; the last ones go through Spark to the contract.
"""

import gzip
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PythonException
from pyspark.sql import DataFrame, Row, SparkSession

from clicksmith.config import ContractConfig, FilesConfig, load_config
from clicksmith.errors import ConfigError, SourceError
from clicksmith.events.catalogue import warn_of_strangers
from clicksmith.events.contract import check
from clicksmith.lakehouse import listing
from clicksmith.sources import files
from clicksmith.tables.bronze import EVENT_COLUMNS
from local_scan import read_here, table_of

MOMENT = datetime(2024, 3, 1, 1, 39, 46, tzinfo=UTC)
EVENT = {"id": "e0", "uid": "u5", "sku": "i6", "action": "click", "ts": MOMENT, "amount": 14.0}
COLUMNS = {
    "event_id": "id",
    "user_id": "uid",
    "item_id": "sku",
    "event_type": "action",
    "event_ts": "ts",
    "price": "amount",
}
LINE = {**EVENT, "ts": "2024-03-01T01:39:46+00:00"}
HEADER = ",".join(EVENT)
RECORD = "e0,u5,i6,click,2024-03-01T01:39:46+00:00,14.0"


def parquet(path: Path, **columns: Any) -> None:
    """One event, with some columns otherwise: an array, a value, or ``...`` for none."""
    values = {**EVENT, **columns}
    arrays = {
        name: value if isinstance(value, pa.Array) else pa.array([value])
        for name, value in values.items()
        if value is not ...
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(arrays), path)


def parquet_rows(path: Path, columns: dict[str, str] = COLUMNS, **more: Any) -> list[dict[str, Any]]:
    return read_here(table_of(path, "parquet", columns, **more))


def csv_rows(path: Path, **more: Any) -> list[dict[str, Any]]:
    return read_here(table_of(path, "csv", COLUMNS, **more))


def test_each_file_is_read_by_its_own_schema(tmp_path: Path):
    prices = [
        *(pa.array([14], type_) for type_ in (pa.int64(), pa.float32(), pa.float64(), pa.uint8())),
        *(pa.array([Decimal(14)], type_) for type_ in (pa.decimal128(9, 2), pa.decimal256(60, 2))),
        *(pa.array(["14"], type_) for type_ in (pa.string(), pa.large_string())),
        pa.array(["14"]).dictionary_encode(),
    ]
    ids = [pa.array([6]), pa.array([6.0]), pa.array(["6"]), pa.array([Decimal("6.00")]), pa.array([b"6"])]
    for number, price in enumerate(prices):
        parquet(tmp_path / f"{number}.parquet", amount=price, sku=ids[number % len(ids)])
    found = parquet_rows(tmp_path)
    assert [(row["sku"], row["amount"], row["_problem"]) for row in found] == [("6", "14", None)] * len(
        prices
    )


def test_equal_times_in_any_unit(tmp_path: Path):
    for unit in ("s", "ms", "us", "ns"):
        for zone in (None, "UTC", "America/New_York"):
            moment = MOMENT if zone else MOMENT.replace(tzinfo=None)
            parquet(
                tmp_path / f"{unit}-{(zone or '').strip('/')[:3]}.parquet",
                ts=pa.array([moment], pa.timestamp(unit, zone)),
            )
    table = pa.table({**{k: [v] for k, v in EVENT.items()}})
    pq.write_table(table, tmp_path / "int96.parquet", use_deprecated_int96_timestamps=True)
    old = {**EVENT, "ts": datetime(1066, 10, 14)}
    pq.write_table(
        pa.Table.from_pylist([old]), tmp_path / "int96-old.parquet", use_deprecated_int96_timestamps=True
    )
    for type_ in (pa.date32(), pa.date64()):
        parquet(tmp_path / f"{type_}.parquet", ts=pa.array([date(2024, 3, 1)], type_))
    found = [row["ts"] for row in parquet_rows(tmp_path)]
    assert (
        sorted(found) == ["1066-10-14 00:00:00"] + ["2024-03-01 00:00:00"] * 2 + ["2024-03-01 01:39:46"] * 13
    )


def test_only_mapped_columns_are_read_by_their_exact_names(tmp_path: Path):
    strange = {
        "SKU": "other",
        "shop_time": pa.array([time(9, 30)], pa.time64("us")),
        "half": pa.array([1.0], pa.float16()),
        "wide": pa.array([Decimal(1)], pa.decimal256(70, 2)),
        "span": pa.array([5], pa.duration("s")),
        "sku.x": "other",
    }
    parquet(tmp_path / "a.parquet", **strange)
    (row,) = parquet_rows(tmp_path)
    assert row["sku"] == "i6"
    (row,) = parquet_rows(
        tmp_path, {**COLUMNS, "query": "SKU", "placement": "shop_time", "request_id": "sku.x"}
    )
    assert (row["sku"], row["SKU"], row["shop_time"], row["sku.x"]) == (
        "i6",
        "other",
        "09:30:00.000000",
        "other",
    )


def test_a_mapped_column_of_no_readable_type_is_named_with_its_file(tmp_path: Path):
    parquet(tmp_path / "a.parquet", span=pa.array([5], pa.duration("s")))
    with pytest.raises(SourceError, match=r"'span' of .*a\.parquet has the type duration\[s\], which"):
        parquet_rows(tmp_path, {**COLUMNS, "query": "span"})


def test_a_column_that_is_there_twice(tmp_path: Path):
    arrays = [pa.array([value]) for value in (*EVENT.values(), "other")]
    pq.write_table(pa.Table.from_arrays(arrays, names=[*EVENT, "sku"]), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a\.parquet has 2 columns named 'sku'"):
        parquet_rows(tmp_path)
    (tmp_path / "a.csv").write_text(f"{HEADER},sku\n{RECORD},other\n")
    with pytest.raises(SourceError, match=r"header of a\.csv names 'sku' 2 times"):
        csv_rows(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text(f"{HEADER},x,x\n{RECORD},other,other\n")
    assert csv_rows(tmp_path / "a.csv")[0]["sku"] == "i6", "what is not mapped does not matter"


def test_ids_in_parquet(tmp_path: Path):
    wrong = pa.array([b"i6", b"\x80\x81"], pa.binary()).view(pa.string())
    twice = {name: pa.array([value] * 2) for name, value in EVENT.items()}
    parquet(tmp_path / "a.parquet", **{**twice, "sku": wrong})
    parquet(tmp_path / "b.parquet", sku=pa.array([b"\x80\x81"], pa.binary()))
    parquet(tmp_path / "c.parquet", sku=2.0**60)
    good, bad, binary, large = parquet_rows(tmp_path)
    assert (good["sku"], good["_problem"], good["_raw"]) == ("i6", None, None)
    assert (bad["sku"], bad["_problem"]) == (None, "sku: not UTF-8")
    assert bad["_raw"].startswith("base64:"), "and it is kept as it was"
    assert (binary["sku"], binary["_problem"]) == ("8081", None)
    assert large["_problem"].startswith("sku: a whole number beyond")


@pytest.mark.parametrize("format", ["parquet", "csv"])
def test_folders_are_columns(tmp_path: Path, format: str):
    columns = {**COLUMNS, "query": "q"}
    folders = {
        "action=click/q=50%25%2F50 %C3%A9": ("click", "50%/50 é"),
        "action=click/q=__HIVE_DEFAULT_PARTITION__": ("click", None),
    }
    header, record = HEADER.replace(",action", ""), RECORD.replace(",click", "")
    for folder in folders:
        parquet(tmp_path / folder / "a.parquet", action=...)
        (tmp_path / folder / "a.csv").write_text(f"{header}\n{record}\n")
    found = read_here(table_of(tmp_path / f"action=*/*/*.{format}", format, columns))
    assert [row["sku"] for row in found] == ["i6", "i6"]
    assert {(row["action"], row["q"]) for row in found} == set(folders.values())


def test_an_own_column_wins_over_the_folders_name(tmp_path: Path):
    parquet(tmp_path / "action=purchase" / "a.parquet")
    assert parquet_rows(tmp_path)[0]["action"] == "click"


def test_large_parquet_files_are_read_by_their_row_groups(tmp_path: Path, monkeypatch):
    from clicksmith.sources import scan

    monkeypatch.setattr(scan, "_SMALLEST_RANGE", 3_000)
    rows = [{**EVENT, "id": f"e{number}"} for number in range(1_000)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=70)
    settings = table_of(tmp_path, "parquet", COLUMNS)
    assert [row["id"] for row in read_here(settings, share=1)] == [row["id"] for row in rows]


def test_csv_records_over_several_lines(tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(
        f'{HEADER}\r\n"e4\r\nx",u1,i1,click,2024-03-02T00:00:00,5\r\n{RECORD}\r\n'.encode()
        + b'"e5\nx",u1,i1,click,2024-03-02T00:00:00\n"e6\nx"y,u1,i1,click,2024-03-02T00:00:00,5\n'
    )
    found = csv_rows(tmp_path)
    assert [(row["id"], row["_problem"]) for row in found] == [
        ("e4\r\nx", None),
        ("e0", None),
        (None, "line: not as many fields as the header"),
        (None, "line: a quote is opened and not closed"),
        (None, "line: a quote is opened and not closed"),
    ]
    assert found[2]["_raw"] == '"e5\nx",u1,i1,click,2024-03-02T00:00:00', "rejected as a whole"


@pytest.mark.parametrize(
    "content",
    [
        f"{HEADER}\r{RECORD}\r",
        f"{HEADER}\r\n{RECORD}\r\n",
        f"\ufeff{HEADER}\n{RECORD}",
        f"\n{HEADER}\n\n{RECORD}\n",
        f'"{HEADER.replace(",", chr(34) + "," + chr(34))}"\n{RECORD}\n',
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_csv_line_ends_marks_and_quotes(tmp_path: Path, content: str, encoding: str):
    plain = content.lstrip("\ufeff") if encoding == "utf-16" else content
    (tmp_path / "a.csv").write_bytes(plain.encode(encoding))
    (row,) = csv_rows(tmp_path)
    assert (row["id"], row["amount"], row["_problem"]) == ("e0", "14.0", None)


def test_a_file_whose_header_differs_is_found_by_the_task_too(tmp_path: Path):
    (tmp_path / "a.csv").write_text(f"{HEADER}\n{RECORD}\n")
    (tmp_path / "b.csv").write_text("sku,id\n1,2\n")
    with pytest.raises(SourceError, match=r"header of b\.csv has no column 'uid'"):
        csv_rows(tmp_path)


@pytest.mark.parametrize("encoding", ["utf-16-le", "latin-1"])
def test_a_header_in_another_encoding_without_a_mark(tmp_path: Path, encoding: str):
    (tmp_path / "a.csv").write_bytes(f"ä,{HEADER}\nx,{RECORD}\n".encode(encoding))
    with pytest.raises(SourceError, match=r"a\.csv is no CSV: its first line is not UTF-8"):
        csv_rows(tmp_path)


@pytest.mark.parametrize("delimiter", ["||", "", '"', "\n", "\\t"])
def test_a_delimiter_is_one_character(delimiter: str):
    events = {"path": "x", "format": "csv", "columns": COLUMNS, "delimiter": delimiter}
    with pytest.raises(ConfigError, match=r"source\.events\.delimiter: .*a delimiter is one character"):
        load_config(None, [f"source={json.dumps({'name': 'files', 'events': events})}"])


# --- Through Spark, to the contract.


def events(spark: SparkSession, path: Path | str, format: str, **more: Any) -> DataFrame:
    table = {"path": str(path), "format": format, "columns": COLUMNS, **more}
    raw = files.read(spark, FilesConfig.model_validate({"events": table})).events
    return check(raw, EVENT_COLUMNS, ContractConfig())


def only(frame: DataFrame) -> list[Row]:
    return sorted(frame.collect(), key=lambda row: (row.event_id or "", row.reasons))


@pytest.mark.spark
def test_parquet_of_all_kinds_to_events(spark, tmp_path: Path):
    parquet(tmp_path / "a.parquet", id="e0", sku=20000001.0, ts=pa.array([MOMENT], pa.timestamp("ns", "UTC")))
    parquet(tmp_path / "b.parquet", id="e1", sku=20000001, amount=14, SKU="x")
    parquet(tmp_path / "c.parquet", id="e2", sku="20000001", amount="14")
    parquet(tmp_path / "d.parquet", id="e3", sku=pa.array([b"\x80"], pa.binary()).view(pa.string()))
    parquet(tmp_path / "action=click" / "e.parquet", id="e4", sku="20000001.0", action=...)
    *rows, bad = sorted(only(events(spark, tmp_path, "parquet")), key=lambda row: len(row.reasons))
    assert [(row.event_id, row.item_id, row.price, row.event_ts.replace(tzinfo=UTC)) for row in rows] == [
        (f"e{number}", "20000001", 14.0, MOMENT) for number in (0, 1, 2, 4)
    ]
    assert [row.event_type for row in rows] == ["click"] * 4
    assert bad.reasons == ["sku: not UTF-8"]
    assert json.loads(rows[0]._raw)["amount"] == "14"


@pytest.mark.spark
def test_json_lines_of_all_kinds_to_events(spark, tmp_path: Path):
    def line(**change: Any) -> str:
        return json.dumps({**LINE, **change})

    folder = tmp_path / "day 1%[x]#é?"
    folder.mkdir()
    lines = [
        line(id="e0", sku=20000001.0, SKU="other"),
        line(id="e1", sku=123456789012345678901234567890),
        '{"sku": "first", ' + line(id="e2", sku="last")[1:],
        line(id="e3", sku={"b": [1, 2]}),
        line(id="e4", sku="1E5"),
        line(id="e5", sku="007.0"),
        line(id="e6", amount=999999999999999),
        line(id="e7", sku="2.0000001e+07"),
    ]
    (folder / "events_2024-03-01T00:00:00 *.jsonl").write_text("\n".join(lines))
    (folder / "none.jsonl.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "action=cart").mkdir()
    part = {key: value for key, value in LINE.items() if key != "action"}
    (tmp_path / "action=cart" / "z.jsonl").write_bytes(json.dumps({**part, "id": "e8"}).encode("utf-16"))
    found = only(events(spark, tmp_path, "jsonl"))
    assert {row.event_id: row.item_id for row in found} == {
        "e0": "20000001",
        "e1": "123456789012345678901234567890",
        "e2": "last",
        "e3": '{"b":[1,2]}',
        "e4": "1E5",
        "e5": "007.0",
        "e6": "i6",
        "e7": "20000001",
        "e8": "i6",
    }
    assert [row.event_id for row in found if row.event_type == "cart"] == ["e8"]
    assert [(row.event_id, row.reasons) for row in found if row.reasons] == [("e6", ["price: above 1e+09"])]
    assert len(events(spark, folder, "jsonl").collect()) == 8, "a folder whose name has characters of globs"


@pytest.mark.spark
def test_a_file_that_only_a_task_looks_at_is_named(spark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "_FILES_LOOKED_AT", 1)
    parquet(tmp_path / "a.parquet")
    parquet(tmp_path / "b.parquet", sku=..., sky="i6")
    message = (
        r"SourceError: source\.events\.columns: .*b\.parquet has no column 'sku'\. The nearest there is 'sky'"
    )
    with pytest.raises(PythonException, match=message):
        events(spark, tmp_path, "parquet").collect()


@pytest.mark.spark
def test_files_of_nothing_are_a_batch_without_rows(spark, tmp_path: Path):
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "b.csv").write_text("\n")
    assert events(spark, tmp_path, "csv").collect() == []


def test_the_files_of_a_batch_are_looked_up_not_searched_for(tmp_path: Path):
    class Names(tuple[str, ...]):
        def __contains__(self, name: object) -> bool:
            raise AssertionError("a hundred thousand times a hundred thousand comparisons")

    for name in "abc":
        (tmp_path / name).write_text("x")
    found = listing.list_files(str(tmp_path), "source.events.path")
    assert [file.name for file in files._named(found, Names(("a", "c")), "source.events")] == ["a", "c"]


@pytest.mark.spark
def test_events_that_do_not_meet_the_catalogue_are_told(spark, caplog: pytest.LogCaptureFixture):
    events = spark.createDataFrame([("a",), ("a",), ("b",), (None,), ("c",)], "item_id string")
    items = spark.createDataFrame([("a",), ("z",)], "item_id string")
    assert warn_of_strangers(events, items) == 0.5
    assert not caplog.records
    assert warn_of_strangers(events, items.where("item_id = 'z'")) == 0.0
    assert "only 0.0 % of 4 events" in caplog.text and "the catalogue 'z'" in caplog.text
    assert warn_of_strangers(events.where("item_id IS NULL"), items) is None
