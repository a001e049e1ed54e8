"""Any files: nothing is lost, and what is wrong has a reason or one clear error."""

import base64
import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, Row

from clicksmith.config import FilesConfig
from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources import files
from clicksmith.sources.lines import NOT_JSON, NOT_UTF8, OPEN_QUOTE, WRONG_FIELDS

pytestmark = [pytest.mark.spark]

COLUMNS = {"event_type": "type", "event_ts": "time", "user_id": "user", "item_id": "item"}
LINE = {"type": "click", "time": "2024-01-02T03:04:05Z", "user": "u", "item": "i"}


def config(path: Path | str, format: str = "jsonl", **more) -> FilesConfig:
    table = {"path": str(path), "format": format, "columns": COLUMNS, **more}
    return FilesConfig.model_validate({"events": table})


def read(spark, path: Path | str, format: str = "jsonl", **more) -> list[Row]:
    return files.read(spark, config(path, format, **more)).events.collect()


def write(path: Path, *lines: bytes | str | dict, end: bytes = b"\n") -> Path:
    def encode(line: bytes | str | dict) -> bytes:
        text = json.dumps(line) if isinstance(line, dict) else line
        return text.encode() if isinstance(text, str) else text

    path.write_bytes(b"".join(encode(line) + end for line in lines))
    return path


def original(raw: str) -> bytes:
    """The line's bytes, from what is kept of it."""
    return base64.b64decode(raw.removeprefix("base64:")) if raw.startswith("base64:") else raw.encode()


def test_a_mapped_json_line(spark, tmp_path: Path):
    line = {**LINE, "type": "view", "extra": 1}
    path = write(tmp_path / "a.jsonl", line)
    (row,) = read(spark, path, event_types={"view": "impression"}, constants={"placement": "home"})
    assert row.asDict() == {
        "placement": "home",
        "event_type": "impression",
        "event_ts": "2024-01-02T03:04:05Z",
        "user_id": "u",
        "item_id": "i",
        "event_id": row.event_id,
        "_raw": json.dumps(line),
        "_problem": None,
    }
    assert len(row.event_id) == 32


@pytest.mark.parametrize(
    "line",
    [
        '{"type": "click"',
        "[" + json.dumps(LINE) + "]",
        json.dumps(LINE) + json.dumps(LINE),
        json.dumps(LINE) + "," + json.dumps(LINE),
        json.dumps(LINE) + "],[" + json.dumps(LINE),
        json.dumps(LINE) + "}",
        json.dumps(LINE) + ' "x"',
        "null",
        "3",
        "plain text",
    ],
)
def test_a_line_that_is_not_one_object_is_kept_with_its_problem(spark, tmp_path: Path, line: str):
    rows = read(spark, write(tmp_path / "a.jsonl", LINE, line))
    assert [(row._raw, row._problem) for row in rows] == [(json.dumps(LINE), None), (line, NOT_JSON)]


def test_bytes_that_are_not_utf8_survive(spark, tmp_path: Path):
    rows = read(spark, write(tmp_path / "a.jsonl", LINE, b'\xff\xfe{"type":1}\x00\r'))
    assert rows[1]._problem == NOT_UTF8
    assert original(rows[1]._raw) == b'\xff\xfe{"type":1}\x00\r'


def test_windows_line_ends_and_a_missing_last_one(spark, tmp_path: Path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(json.dumps(LINE).encode() + b"\r\n\r\n" + json.dumps(LINE).encode())
    assert [row.user_id for row in read(spark, path)] == ["u", "u"]


def test_equal_content_has_equal_ids_and_other_content_others(spark, tmp_path: Path):
    rows = read(spark, write(tmp_path / "a.jsonl", LINE, LINE, {**LINE, "item": "j"}, {**LINE, "item": None}))
    ids = [row.event_id for row in rows]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


LINES = st.lists(
    st.one_of(
        st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")),
        st.just(json.dumps(LINE).encode()),
        st.text(alphabet='{}[]":,ab1\\ \t"', max_size=30).map(str.encode),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=LINES)
@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_no_line_is_lost(spark, tmp_path: Path, format: str, lines: list[bytes]):
    header = [b"type,time,user,item"] if format == "csv" else []
    path = write(tmp_path / f"a.{format}", *header, json.dumps(LINE), *lines)
    # A CSV record may go over several lines, blank ones among them.
    kept = [line for row in read(spark, path, format) for line in original(row._raw).split(b"\n")]
    expected = [json.dumps(LINE).encode(), *lines]
    assert [line for line in kept if line.strip(b"\r ")] == [line for line in expected if line.strip(b"\r ")]


def test_csv_rows_by_their_fields(spark, tmp_path: Path):
    lines = {
        'click,2024-01-02,"u, ""1""",i': None,
        "click,2024-01-02,u": WRONG_FIELDS,
        "click,2024-01-02,u,i,more": WRONG_FIELDS,
        'click,2024-01-02,u,"i': OPEN_QUOTE,
        'click,2024-01-02,u,5" pipe': None,
        "," * 30_000: WRONG_FIELDS,
        ",,,": None,
    }
    path = write(tmp_path / "a.csv", "type,time,user,item", *lines, end=b"\r\n")
    rows = read(spark, path, "csv")
    assert {row._raw.rstrip("\r"): row._problem for row in rows} == lines
    assert (rows[0].user_id, rows[0].item_id) == ('u, "1"', "i")
    assert rows[4].item_id == '5" pipe'
    assert rows[6].user_id is None


def test_csv_with_another_delimiter_order_and_compression(spark, tmp_path: Path):
    (tmp_path / "a.csv.gz").write_bytes(
        gzip.compress(b"\xef\xbb\xbfuser|other|time|item|type\nu|x|5|i|click\n")
    )
    (row,) = read(spark, tmp_path / "a.csv.gz", "csv", delimiter="|", timestamp_unit="s")
    assert (row.user_id, row.item_id, row.event_type) == ("u", "i", "click")


def test_csv_files_need_the_same_header(spark, tmp_path: Path):
    write(tmp_path / "a.csv", "type,time,user,item", "click,1,u,i")
    write(tmp_path / "b.csv", "type,time,item,user", "click,1,i,u")
    with pytest.raises(SourceError, match=r"b\.csv has the header"):
        read(spark, tmp_path, "csv")


def test_a_column_that_some_files_lack_is_null_there_if_it_is_declared(spark, tmp_path: Path):
    columns = {**COLUMNS, "price": "cost"}
    old, new = "type,time,user,item", "cost,type,time,user,item"
    write(tmp_path / "a.csv", old, "click,2024-01-02T03:04:05Z,u,i")
    write(tmp_path / "b.csv", new, "1.5,cart,2024-01-02T03:04:05Z,u,i")
    rows = read(spark, tmp_path, "csv", columns=columns, optional=["price"])
    assert sorted((row.event_type, row.price) for row in rows) == [("cart", "1.5"), ("click", None)]
    with pytest.raises(SourceError, match=r"source\.events\.optional"):
        read(spark, tmp_path, "csv", columns=columns)


def test_the_same_with_parquet_and_an_id_that_does_not_change_with_it(spark, tmp_path: Path):
    columns = {**COLUMNS, "price": "cost"}
    row = {"type": "click", "time": "2024-01-02T03:04:05Z", "user": "u", "item": "i"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    (alone,) = read(spark, tmp_path, "parquet", columns=columns, optional=["price"])
    pq.write_table(pa.Table.from_pylist([{**row, "cost": 1.5}]), tmp_path / "b.parquet")
    rows = read(spark, tmp_path, "parquet", columns=columns, optional=["price"])
    assert {row.price: row.event_id == alone.event_id for row in rows} == {None: True, "1.5": False}


@pytest.mark.parametrize(("name", "why"), [("user_id", "every row needs it"), ("query", "does not map it")])
def test_only_mapped_columns_that_a_row_may_lack_are_optional(spark, tmp_path: Path, name: str, why: str):
    write(tmp_path / "a.jsonl", LINE)
    with pytest.raises(ConfigError, match=why):
        read(spark, tmp_path, optional=[name])


def test_parquet_of_any_types(spark, tmp_path: Path):
    table = pa.table(
        {
            "type": ["click", "click"],
            "time": pa.array([datetime(2024, 1, 2), None], pa.timestamp("ns")),
            "user": pa.array([1, 2]),
            "item": pa.array([b"x", None]),
            "more.of it": pa.array([{"a": 1}, None]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    rows = read(spark, tmp_path, "parquet", columns={**COLUMNS, "properties": "more.of it"})
    assert (rows[0].user_id, rows[0].item_id, rows[0].properties) == ("1", "x", '{"a":1}')
    assert rows[0].event_ts == "2024-01-02 00:00:00"
    assert rows[1].event_ts is None and rows[1].item_id is None


@pytest.mark.parametrize(
    ("unit", "text", "expected"),
    [
        ("s", "1396868280.277", "2014-04-07 10:58:00.277"),
        ("s", "1.39686828e9", "2014-04-07 10:58:00"),
        ("ms", "1396868280277", "2014-04-07 10:58:00.277"),
        ("us", "1396868280277001", "2014-04-07 10:58:00.277001"),
        ("s", "-1", "1969-12-31 23:59:59"),
        ("s", "soon", "soon"),
        ("s", "1e30", "1e30"),
        ("s", "NaN", "NaN"),
    ],
)
def test_numeric_times(spark, tmp_path: Path, unit: str, text: str, expected: str):
    (row,) = read(spark, write(tmp_path / "a.jsonl", {**LINE, "time": text}), timestamp_unit=unit)
    assert row.event_ts == expected


@pytest.mark.parametrize(("format", "write_file"), [
    ("jsonl", lambda path: write(path, LINE)),
    ("csv", lambda path: write(path, "type,time,user,item", "click,1,u,i")),
    ("parquet", lambda path: pq.write_table(pa.Table.from_pylist([LINE]), path)),
])  # fmt: skip
def test_a_missing_column_names_the_nearest(
    spark, tmp_path: Path, format: str, write_file: Callable[[Path], None]
):
    write_file(tmp_path / "a")
    with pytest.raises(SourceError, match=r"no column 'usr'.*nearest there is 'user'"):
        read(spark, tmp_path / "a", format, columns={**COLUMNS, "user_id": "usr"})


def test_a_mapping_to_no_column_of_the_contract(spark, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no column 'userid'; nearest: 'user_id'"):
        read(spark, write(tmp_path / "a", LINE), columns={**COLUMNS, "userid": "user"})


def test_a_mapping_that_lacks_what_every_row_needs(spark, tmp_path: Path):
    with pytest.raises(ConfigError, match="maps nothing to user_id"):
        read(spark, write(tmp_path / "a", LINE), columns={"event_type": "type", "event_ts": "time"})


def test_a_unit_for_real_timestamps_is_refused(spark, tmp_path: Path):
    table = pa.Table.from_pylist([{**LINE, "time": datetime(2024, 1, 2)}])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match="holds timestamps"):
        read(spark, tmp_path, "parquet", timestamp_unit="ms")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all", b"PAR1" + b"\x01" * 500 + b"PAR1"])
def test_a_parquet_that_is_none(spark, tmp_path: Path, content: bytes):
    pq.write_table(pa.Table.from_pylist([LINE]), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(content)
    with pytest.raises(SourceError, match=r"b\.parquet is no readable Parquet file"):
        read(spark, tmp_path, "parquet")


def test_nothing_matches_or_nothing_is_there(spark, tmp_path: Path):
    (tmp_path / "_hidden.jsonl").write_text("{}")
    for path in (tmp_path, tmp_path / "none", tmp_path / "*.csv"):
        with pytest.raises(SourceError, match="matches no file"):
            read(spark, path)
    (tmp_path / "a.jsonl").write_bytes(b"")
    with pytest.raises(SourceError, match="is empty"):
        read(spark, tmp_path)


def test_globs_folders_and_names_with_glob_characters(spark, tmp_path: Path):
    (tmp_path / "day=[1]").mkdir()
    write(tmp_path / "day=[1]" / "a {x}.jsonl", LINE)
    write(tmp_path / "b.jsonl", LINE, LINE)
    write(tmp_path / "c.txt", LINE)
    assert len(read(spark, tmp_path)) == 4
    assert len(read(spark, tmp_path / "*.jsonl")) == 3
    assert len(read(spark, tmp_path / "b.*")) == 2


def test_the_fingerprint_is_of_names_and_content_not_of_the_place(tmp_path: Path):
    for place in ("one", "two"):
        (tmp_path / place / "deep").mkdir(parents=True)
        write(tmp_path / place / "deep" / "a.jsonl", LINE)
    one, two = (files.fingerprint(config(tmp_path / place)) for place in ("one", "two"))
    assert one == two
    write(tmp_path / "two" / "deep" / "a.jsonl", {**LINE, "user": "v"})
    assert files.fingerprint(config(tmp_path / "two")) != one
    (tmp_path / "one" / "deep" / "a.jsonl").rename(tmp_path / "one" / "deep" / "b.jsonl")
    assert files.fingerprint(config(tmp_path / "one")) != one


def test_missing_values_fallbacks_and_times_since_a_date(spark, tmp_path: Path):
    write(tmp_path / "a.csv", "who,visit,what,offset,day", "NA,7,i,1500.5,2016-05-09", "u,8,NA,2015,no day")
    found = read(
        spark,
        tmp_path / "a.csv",
        "csv",
        columns={"user_id": "who", "session_id": "visit", "item_id": "what", "event_ts": "offset"},
        constants={"event_type": "click"},
        missing_values=["NA"],
        fallbacks={"user_id": "session_id"},
        timestamp_unit="ms",
        timestamp_date="day",
    )
    known, unknown = sorted(found, key=lambda row: row.session_id)
    assert (known.user_id, known.item_id) == ("session_id:7", "i")
    assert known.event_ts == "2016-05-09 00:00:01.5005"
    assert (unknown.user_id, unknown.item_id) == ("u", None)
    assert unknown.event_ts == "no date: 2015", "what cannot be mapped is rejected, and is no year"


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ({"timestamp_format": "d.M.yyyy", "timestamp_unit": "s"}, "timestamp_unit is s"),
        ({"fallbacks": {"user_id": "session_id"}}, "falls back to 'session_id'"),
    ],
)
def test_options_that_do_not_fit_the_mapping(spark, tmp_path: Path, more: dict, found: str):
    write(tmp_path / "a.jsonl", LINE)
    with pytest.raises(ConfigError, match=found):
        read(spark, tmp_path, **more)


def test_rejected_csv_lines_are_read_again_under_a_header_that_lacks_an_optional_column(
    spark, tmp_path: Path
):
    write(tmp_path / "a.csv", "type,time,user,item", "teleport,2024-01-02T03:04:05Z,u,i")
    columns = {**COLUMNS, "price": "cost"}
    settings = config(tmp_path / "a.csv", "csv", columns=columns, optional=["price"]).events
    rejected = rejections(spark, ("teleport,2024-01-02T03:04:05Z,u,i", "event_type: not one of click"))
    (row,) = files.reread(settings, rejected).collect()
    assert (row.event_type, row.user_id, row.price) == ("teleport", "u", None)
    write(tmp_path / "b.csv", "type,time,cost,user,item", "teleport,2024-01-02T03:04:05Z,1,u,i")
    settings = config(tmp_path, "csv", columns=columns, optional=["price"]).events
    with pytest.raises(SourceError, match=r"b\.csv and a\.csv have other columns"):
        files.reread(settings, rejected)


def test_the_rest_of_a_broken_record_is_not_read_again_as_an_event(spark, tmp_path: Path):
    rest = 'x",click,2024-01-02,u,i'
    write(tmp_path / "a.csv", "id,type,time,user,item", rest)
    settings = config(tmp_path / "a.csv", "csv", columns={"event_id": "id", **COLUMNS}).events
    (row,) = files.reread(settings, rejections(spark, (rest, OPEN_QUOTE))).collect()
    assert (row.event_id, row["_raw"], row["_problem"]) == (None, rest, OPEN_QUOTE)


def test_rejected_rows_of_parquet_are_read_again_when_their_files_are_gone(spark, tmp_path: Path):
    settings = config(tmp_path / "gone", "parquet").events
    (row,) = files.reread(settings, rejections(spark, (json.dumps(LINE), "user_id: missing"))).collect()
    assert (row.event_type, row.user_id) == ("click", "u")


def rejections(spark, *rows: tuple[str, str]) -> DataFrame:
    """As bronze.events_rejected holds lines, each with its reason."""
    return spark.createDataFrame([(raw, [why]) for raw, why in rows], "raw string, reasons array<string>")
