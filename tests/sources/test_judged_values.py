"""Values that Python reads and Spark does not, that may be read in two ways, or are a column's few odd."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from clicksmith.errors import SourceError
from clicksmith.sources.proposal import Proposal, propose
from clicksmith.sources.sample import read_sample
from clicksmith.sources.texts import NOT_EXACT, NOT_UTF8
from clicksmith.sources.time_formats import FORMATS, read_iso, read_one
from clicksmith.sources.times import is_like_iso
from clicksmith.sources.values import decimal_of, decimal_of_all, no_numbers, to_number_of

START = datetime(2025, 10, 1, 8, tzinfo=UTC)
Times = Callable[[int], str]


def moment(number: int) -> datetime:
    return START + timedelta(hours=number)


def count(number: int) -> str:
    return str(int(moment(number).timestamp()))


def iso(number: int) -> str:
    return f"{moment(number):%Y-%m-%d %H:%M:%S}"


def timed(folder: Path, at: Times, name: str = "ts", **given: str) -> Proposal:
    """A hundred rows, each with a date of its user beside its time."""
    rows = [f"u{n % 7};i{n % 5};{at(n)};{moment(24 * (n % 3)):%Y-%m-%d}" for n in range(100)]
    (folder / "log.csv").write_text("\n".join([f"user;item;{name};member_since", *rows]) + "\n")
    return propose(read_sample(str(folder / "log.csv")), given)


def refused(proposal: Proposal) -> dict[str, int]:
    return {refusal.why: len(refusal.rows) for refusal in proposal.refused}


@pytest.mark.parametrize(
    ("known", "sign"),
    [
        (["107", "1,200", "8,950"], "."),
        (["107", "1,200", "1,234,567"], "."),
        (["107", "12,5"], ","),
        (["107", "1.234,50"], ","),
        (["1.234,567", "0,125"], ","),
        (["1.250.000", "107"], ","),
        (["12,5", "12.50"], "."),
        (["12,5", "1,234.50"], "."),
        (["12,5", "0.125"], "."),
        (["12,5", "1.250"], ","),
        ([*["12,5"] * 99, "12.50"], ","),
        (["107", "2.5"], "."),
        (["107", "call us, please"], "."),
        ([], "."),
    ],
)
def test_a_decimal_comma_needs_a_value_that_is_written_so(known: list[str], sign: str) -> None:
    assert decimal_of(known) == sign


def test_thousands_behind_a_comma_are_no_numbers() -> None:
    assert no_numbers("price", ["107", "1,200", "8,950"]) == ["1,200", "8,950"]
    assert no_numbers("price", ["107", "12,5"]) == []
    assert to_number_of("price", "12,5", ".") is None


@pytest.mark.parametrize(
    ("columns", "sign"),
    [
        ([["1.250"] * 9, ["2", "2", "1,000"]], "."),
        ([["1.250"] * 9, ["2", "2", "1,5"]], "."),
        ([["1.250", "12.50"], ["1,5"] * 9], "."),
        ([["1.250", "12,50"], ["2", "2.0"]], ","),
        ([["12,50"] * 9, ["2.0"] * 99], ","),
        ([["12,50"] * 9, ["1.000", "2"]], ","),
        ([["2.5"], []], "."),
        ([], "."),
    ],
)
def test_one_column_s_comma_does_not_change_another_s_numbers(
    columns: Sequence[Sequence[str]], sign: str
) -> None:
    assert decimal_of_all(columns) == sign


@pytest.mark.parametrize("written", ["%Y-%m-%dt%H:%M:%S", "%Y-%m-%d_%H:%M:%S", "%d/%m/%Y  %H:%M:%S"])
def test_times_that_spark_does_not_read_are_none(tmp_path: Path, written: str) -> None:
    with pytest.raises(SourceError) as caught:
        timed(tmp_path, lambda n: f"{moment(n):{written}}", event_ts="ts")
    assert f"'ts' cannot be read as times, such as '{moment(0):{written}}'" in str(caught.value)


@pytest.mark.parametrize(
    ("written", "pattern"),
    [
        ("%d/%m/%Y %H:%M:%S,%f", "d/M/yyyy H:m:s,SSSSSS"),
        ("%d/%m/%Y %H:%M:%S,000", "d/M/yyyy H:m:s,SSS"),
        ("%d/%m/%Y %H:%M:%S.%f", "d/M/yyyy H:m:s.SSSSSS"),
        ("%Y-%m-%d %H:%M:%S +0000", None),
    ],
)
def test_fractions_have_a_pattern_that_takes_them(tmp_path: Path, written: str, pattern: str | None) -> None:
    proposal = timed(tmp_path, lambda n: f"{moment(n):{written}}")
    assert proposal.events.get("timestamp_format") == pattern
    assert (proposal.first, proposal.last) == (moment(0), moment(99)) and proposal.refused == ()


@pytest.mark.parametrize(
    ("odd", "at", "why"),
    [
        ("-1", count, "have a time before 1995 (ts)"),
        ("0", count, "have a time before 1995 (ts)"),
        ("N/A", count, "have a time that cannot be read (ts, such as 'N/A')"),
        ("N/A", iso, "have a time that cannot be read (ts, such as 'N/A')"),
        ("0000-00-00 00:00:00", iso, "have a time that cannot be read (ts, such as '0000-00-00 00:00:00')"),
    ],
)
@pytest.mark.parametrize("every", [10, 100])
def test_a_few_odd_times_do_not_cost_the_others(
    tmp_path: Path, odd: str, at: Times, why: str, every: int
) -> None:
    proposal = timed(tmp_path, lambda n: odd if n % every == 0 else at(n))
    assert proposal.events["columns"]["event_ts"] == "ts"
    assert (proposal.first, proposal.last) == (moment(1), moment(99))
    assert refused(proposal) == {why: 100 // every}


def test_half_of_a_named_column_has_to_be_times(tmp_path: Path) -> None:
    def some(most: int) -> Times:
        return lambda n: iso(n) if n < most else "soon"

    assert timed(tmp_path, some(50)).events["columns"]["event_ts"] == "ts"
    assert timed(tmp_path, some(50), "seen", event_ts="seen").events["columns"]["event_ts"] == "seen"
    assert timed(tmp_path, some(49)).events["columns"]["event_ts"] == "member_since"
    assert timed(tmp_path, some(94), "seen").events["columns"]["event_ts"] == "member_since"
    assert timed(tmp_path, some(95), "seen").events["columns"]["event_ts"] == "seen"
    with pytest.raises(SourceError, match="most of 'ts' cannot be read as times, such as 'soon'"):
        timed(tmp_path, some(49), event_ts="ts")


def test_day_and_month_keep_their_order_where_half_is_enough(tmp_path: Path) -> None:
    """By M/d the times of one day alone could be read, which all would lie near one another."""
    days = [datetime(2025, 10, 12 + n % 2, n % 24, n % 60) for n in range(100)]
    proposal = timed(tmp_path, lambda n: f"{days[n]:%d/%m/%Y %H:%M:%S}")
    assert proposal.events["timestamp_format"] == "d/M/yyyy H:m:s"


def test_an_odd_time_of_day_does_not_cost_the_others(tmp_path: Path) -> None:
    rows = [
        f"{moment(n):%d.%m.%Y};{'soon' if n == 9 else f'{moment(n):%H:%M:%S.%f}'};u{n % 7};i{n % 5}"
        for n in range(100)
    ]
    (tmp_path / "log.csv").write_text("\n".join(["date;time;user;item", *rows]) + "\n")
    proposal = propose(read_sample(str(tmp_path / "log.csv")))
    assert proposal.events["timestamp_date"] == "date"
    assert proposal.events["timestamp_format"] == "d.M.yyyy H:m:s.SSSSSS"
    assert refused(proposal) == {"have a time that cannot be read (time, such as 'soon')": 1}


def test_what_is_wrong_with_a_parquet_file_s_values_is_kept_by_row(tmp_path: Path) -> None:
    for number, ids in enumerate(([1.0, 2.0**53], [2.0**53 + 2, None, 2.0**53 - 1])):
        names = pa.array([b"caf\xe9", *[b"u"] * (len(ids) - 1)]).view(pa.string())
        table = pa.table({"user": names, "item": ids, "ts": [START] * len(ids)})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    sample = read_sample(str(tmp_path))
    assert sample.wrong == {"item": {1: NOT_EXACT, 2: NOT_EXACT}, "user": {0: NOT_UTF8, 2: NOT_UTF8}}
    assert sample.columns["item"] == ["1", str(2**53), str(2**53 + 2), None, str(2**53 - 1)]


ISO = (
    "2025-01-01T00:37:00|2025-01-01t00:37:00|2025-01-01_00:37:00|2025-01-01  00:37:00|"
    " 2025-01-01 00:37:00 |2025-01-01 00:37:00,123|2025-01-01T|2025-01-01 |20250101|20250101T003700|"
    "2025-W01-1|2025-01-01 003700|2025-01-01 00|2025-01-01 00:37:00 +01:00|2025-01-01 00:37:00+0100|"
    "2025-01-01 00:37:00+01|2025-01-01 00:37:00+01:00:30|2025-01-01 00:37:00 Z|2025-01-01 00:37:00z|"
    "2025-01-01 00:37:00 UTC|2025-01-01 00:37:00 utc|2025-01-01 00:37:00.|2025-01-01 00:37:00.1234567|"
    "2025-01-01 00:37|2025-01-01 00:37 +00:00|2025-01-01 00:37Z|2025-01-01Z|2025-01-01T24:00:00|"
    "2025-1-1T0:7:0|2025-01-01 08:00:00 Europe/Berlin|0000-00-00 00:00:00|2025-01-01 00:37:60|"
    "2025-01-01 00:37:00-25:00|2025-01-01\u00a000:37:00|2025-01-01\t00:37:00"
).split("|")
OWN = {
    "d/M/yyyy H:m:s": "01/01/2025 00:37:00|1/1/2025 0:7:0|01/01/2025  00:37:00| 01/01/2025 00:37:00|"
    "01/01/2025 00:37:00 |01/01/25 00:37:00|31/02/2025 00:37:00|01/01/2025 00:37:60|01/01/2025 24:00:00",
    "d/M/yyyy H:m:s,SSS": "1/1/2025 0:7:0,1|1/1/2025 0:7:0,123|1/1/2025 0:7:0,1234|1/1/2025 0:7:0,123456",
    "d/M/yyyy H:m:s,SSSSSS": "1/1/2025 0:7:0,1|1/1/2025 0:7:0,123456|1/1/2025 0:7:0,1234567|1/1/2025 0:7:0",
    "d.M.yyyy H:m:s.SSSSSS": "1.1.2025 0:7:0.1|1.1.2025 0:7:0.123456|1.1.2025 0:7:0.1234567|1x1x2025 0:7:0.1",
    "M/d/yyyy h:m:s a": "1/1/2025 10:37:00 PM|1/1/2025 10:37:00 pm|1/1/2025 10:37:00PM|1/1/2025 0:37:00 AM|"
    "1/1/2025 12:37:00 AM|1/1/2025 13:37:00 PM|1/1/2025 1:37:00  PM",
    "yyyyMMdd": "20250101|2025101|20250230| 20250101",
    "yyyyMMdd H:m:s.SSSSSS": "20250101 1:2:3.5|20250101 01:02:03.000005|2025011 01:02:03.5",
    "yyyy-M-d": "2025-01-01|2025-1-1|2025-01-01 ",
}


@pytest.mark.spark
def test_times_are_read_as_spark_reads_them(spark, tmp_path: Path) -> None:
    from pyspark.sql import functions as F

    rows = [("", text) for text in ISO] + [(p, text) for p, texts in OWN.items() for text in texts.split("|")]
    own = F.try_to_timestamp("text", F.lit(None).cast("string"))
    for pattern in OWN:
        own = F.when(F.col("pattern") == pattern, F.try_to_timestamp("text", F.lit(pattern))).otherwise(own)
    theirs = F.when(F.col("pattern") == "", F.col("text").try_cast("timestamp")).otherwise(own)
    frame = spark.createDataFrame(rows, "pattern string, text string").select(
        "pattern", "text", F.unix_micros(theirs).alias("micros")
    )
    found = frame.collect()
    assert len(found) == len(rows) > 60 and FORMATS.keys() >= OWN.keys()
    for pattern, text, micros in found:
        read = read_one(pattern, text) if pattern else read_iso(text)
        may_be = read is not None or (not pattern and is_like_iso(text))
        assert may_be == (micros is not None), (pattern, text)
        assert (
            read is None or (read - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) == micros
        )
