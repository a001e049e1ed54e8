"""Equal values are equal text, whatever type a file gives them."""

import uuid
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pytest

from clicksmith.sources.texts import NOT_EXACT, NOT_UTF8, is_time, to_json, to_text

MOMENT = datetime(2024, 3, 1, 1, 39, 46, tzinfo=UTC)
MOMENT_TEXT = "2024-03-01 01:39:46"


def text(values: list, type_: pa.DataType, is_key: bool = False) -> list[str | None]:
    return to_text(pa.array(values, type_), is_key)[0].to_pylist()


WHOLE = [
    *(pa.int8(), pa.uint16(), pa.int32(), pa.int64(), pa.uint64(), pa.float16(), pa.float32(), pa.float64()),
    *(pa.decimal32(5, 2), pa.decimal128(20, 0), pa.decimal128(20, 6), pa.decimal256(60, 3)),
]


@pytest.mark.parametrize("type_", WHOLE, ids=str)
def test_whole_numbers_of_any_type_are_integers(type_: pa.DataType):
    values = [Decimal(6) if pa.types.is_decimal(type_) else 6, None]
    assert text(values, type_) == text(values, type_, is_key=True) == ["6", None]


def test_other_numbers():
    assert text([0.5, 14.25, -2.0, None], pa.float64()) == ["0.5", "14.25", "-2", None]
    assert text([0.1], pa.float32()) == ["0.1"]
    assert text([Decimal("14.50"), Decimal("0.05")], pa.decimal128(9, 2)) == ["14.5", "0.05"]
    assert text([float("nan"), float("inf")], pa.float64()) == ["nan", "inf"], "rejected by the contract"
    assert text([True, False], pa.bool_()) == ["true", "false"]


def test_floats_as_keys():
    found, wrong = to_text(pa.array([20000001.0, float("nan"), 2.0**53, 1.5, None]), is_key=True)
    assert found.to_pylist() == ["20000001", None, str(2**53), "1.5", None]
    assert wrong == {2: NOT_EXACT}
    _, wrong = to_text(pa.array([2.0**24 - 1, 2.0**24], pa.float32()), is_key=True)
    assert wrong == {1: NOT_EXACT}


TIMES = [pa.timestamp(unit, zone) for unit in ("s", "ms", "us", "ns") for zone in (None, "UTC", "Asia/Tokyo")]


@pytest.mark.parametrize("type_", TIMES, ids=str)
def test_equal_times_whatever_the_unit_and_zone(type_: pa.TimestampType):
    value = MOMENT if type_.tz else MOMENT.replace(tzinfo=None)
    assert text([value, None], type_) == [MOMENT_TEXT, None]
    assert is_time(type_) and is_time(pa.dictionary(pa.int8(), type_))


def test_times_at_the_edges():
    assert text([date(2024, 3, 1)], pa.date32()) == text([date(2024, 3, 1)], pa.date64())
    assert text([date(2024, 3, 1)], pa.date32()) == text([datetime(2024, 3, 1)], pa.timestamp("ns"))
    assert text([-1, 1_500_000_000], pa.timestamp("ns")) == [
        "1969-12-31 23:59:59.999999",
        "1970-01-01 00:00:01.500000",
    ]
    for type_ in (pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us")):
        (late,) = text([2**62], type_)
        assert late == f"beyond year 9999: {2**62}", "rejected as no timestamp, instead of an overflow"
    assert text([2**31 - 1], pa.date32()) == [f"beyond year 9999: {2**31 - 1}"]
    assert text([time(9, 30)], pa.time64("us")) == ["09:30:00.000000"]


@pytest.mark.parametrize(
    "type_", [pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.binary_view()]
)
def test_text_and_bytes(type_: pa.DataType):
    assert text(["é", "", None], type_) == ["é", "", None]


@pytest.mark.parametrize("type_", [pa.string(), pa.int64(), pa.timestamp("ns")], ids=str)
def test_dictionaries_and_runs_are_their_values(type_: pa.DataType):
    plain = pa.array([7, 7, None], pa.int64()).cast(type_)
    assert to_text(plain.dictionary_encode(), True) == to_text(plain, True)
    runs = pa.RunEndEncodedArray.from_arrays([2, 3], plain.take(pa.array([0, 2])))
    assert to_text(runs, True) == to_text(plain, True)


def test_bytes_that_are_no_text_are_hexadecimal():
    assert text([b"\x80\x01", b"\x00a", b"ab"], pa.binary()) == ["8001", "0061", "ab"]
    assert text([b"\xff" * 4], pa.binary(4)) == ["ffffffff"]
    one = uuid.UUID("12345678-1234-5678-1234-567812345678")
    assert to_text(pa.array([one.bytes], pa.uuid()), True)[0].to_pylist() == [str(one)]


def test_text_that_is_not_utf8_is_told_by_its_row():
    wrong_text = pa.array([b"a", b"\x80b", None], pa.binary()).view(pa.string())
    found, wrong = to_text(wrong_text, True)
    assert (found.to_pylist(), wrong) == (["a", None, None], {1: NOT_UTF8})
    assert to_json({"sku": "\udc80b"}) == "base64:eyJza3UiOiKAYiJ9"


def test_nested_values_are_json():
    kind = pa.struct(
        [
            ("a", pa.int64()),
            ("b", pa.list_(pa.timestamp("us"))),
            ("c", pa.map_(pa.string(), pa.decimal128(5, 2))),
        ]
    )
    value = {"a": None, "b": [datetime(2024, 1, 2)], "c": [("k", Decimal("1.50"))]}
    assert text([value, None], kind) == ['{"b":["2024-01-02T00:00:00"],"c":{"k":"1.50"}}', None]


def test_a_type_without_text():
    with pytest.raises(TypeError, match="month_day_nano_interval"):
        text([], pa.month_day_nano_interval())
