"""Timestamps, dates and gaps: calendar parts by hand, exact round trips, ranges."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.moments import MomentCodec
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.options import Options
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ContractError
from clicksmith.tables import Column
from encoding.roundtrip import fit_one, kind_of, round_trip

UTC = pa.timestamp("us", tz="UTC")
MOMENTS = Options(kinds={"x": "moment"})
ANY_MOMENT = st.datetimes(timezones=st.just(dt.UTC))


def test_parts_by_hand():
    first = dt.datetime(2024, 1, 3, 10, 30, 5, tzinfo=dt.UTC)  # a Wednesday
    later = dt.datetime(2024, 1, 15, 0, 0, 59, tzinfo=dt.UTC)  # a Monday, two weeks on
    codec = fit_one(pa.array([first, later, None], UTC), MOMENTS)
    assert codec.cardinalities == [4, 8, 25, 61, 61], "weeks, weekdays, hours, minutes, seconds"
    codes = codec.encode(pa.table({"x": pa.array([first, later, None], UTC)})).codes
    assert codes.tolist() == [[1, 3, 11, 31, 6], [3, 1, 1, 1, 60], [0, 0, 0, 0, 0]]


def test_parts_that_are_zero_everywhere_are_left_out():
    days = pa.array([dt.datetime(2024, 1, day, tzinfo=dt.UTC) for day in range(1, 30)], UTC)
    assert len(fit_one(days, MOMENTS).cardinalities) == 2
    micros = pa.array([dt.datetime(2024, 1, 1, microsecond=17, tzinfo=dt.UTC)], UTC)
    assert len(fit_one(micros, MOMENTS).cardinalities) == 7


@given(st.lists(st.none() | ANY_MOMENT, min_size=1))
@settings(max_examples=150, deadline=None)
def test_microseconds_come_back(values):
    array = pa.array(values, UTC)
    assert round_trip(fit_one(array, MOMENTS), array).equals(array)


@given(st.lists(st.none() | st.integers(-(2**62), 2**62), min_size=1), st.sampled_from(["s", "ms", "ns"]))
@settings(max_examples=150, deadline=None)
def test_other_units_come_back(values, unit):
    limit = 10**11 if unit != "ns" else 2**62
    array = pa.array([None if v is None else v % limit - limit // 2 for v in values], pa.int64())
    array = array.cast(pa.timestamp(unit))
    assert round_trip(fit_one(array, MOMENTS), array).equals(array)


@given(st.lists(st.none() | st.dates(), min_size=1))
@settings(max_examples=100, deadline=None)
def test_dates_come_back(values):
    array = pa.array(values, pa.date32())
    assert round_trip(fit_one(array, MOMENTS), array).equals(array)
    assert round_trip(fit_one(array, Options()), array).equals(array)


def test_many_moments_are_told_by_parts_and_few_by_value():
    hours = [dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(hours=i) for i in range(500)]
    many, few = pa.array(hours, UTC), pa.array(hours[:20], UTC)
    assert kind_of(fit_one(many, Options())) is MomentCodec
    assert kind_of(fit_one(few, Options())) is NumericCodec
    assert round_trip(fit_one(many, Options()), many).equals(many)


def test_any_codes_decode_within_the_fitted_range():
    low, high = dt.datetime(2020, 2, 29, 23, tzinfo=dt.UTC), dt.datetime(2024, 2, 29, 1, tzinfo=dt.UTC)
    codec = fit_one(pa.array([low, high], UTC), MOMENTS, nullable=False)
    rng = np.random.default_rng(0)
    codes = np.stack([rng.integers(0, size, 5000) for size in codec.cardinalities], axis=1)
    codes[:2] = [[0, 0, 0], [size - 1 for size in codec.cardinalities]]
    decoded = codec.columns[0].decode(codes, np.full(codes.shape, 0.5, np.float32), UTC)
    assert decoded.null_count == 0
    assert low <= min(decoded.to_pylist()) and max(decoded.to_pylist()) == high
    assert round_trip(codec, pa.array([low - dt.timedelta(9), high + dt.timedelta(9)], UTC)).to_pylist() == [
        low,
        high,
    ]


@given(st.lists(st.tuples(st.none() | ANY_MOMENT, st.none() | ANY_MOMENT), min_size=1))
@settings(max_examples=100, deadline=None)
def test_gaps_come_back(pairs):
    table = pa.table(
        {"end": pa.array([e for _, e in pairs], UTC), "start": pa.array([s for s, _ in pairs], UTC)}
    )
    columns = [Column("end", UTC, nullable=True), Column("start", UTC, nullable=True)]
    options = Options(kinds={"end": "gap:start", "start": "moment"})
    codec = TableCodec.fit(table, columns, options=options)
    back = codec.decode(codec.encode(table))
    assert back.column("start").equals(table.column("start"))
    expected = [e if s is not None else None for s, e in pairs]
    assert back.column("end").to_pylist() == expected, "without a start there is no gap"


def test_gaps_have_parts_of_their_own_length():
    start = [dt.datetime(2020 + i % 5, 1, 1, 13, tzinfo=dt.UTC) for i in range(100)]
    end = [moment + dt.timedelta(seconds=i) for i, moment in enumerate(start)]
    table = pa.table({"start": pa.array(start, UTC), "end": pa.array(end, UTC)})
    columns = [Column("start", UTC), Column("end", UTC)]
    codec = TableCodec.fit(table, columns, options=Options(kinds={"end": "gap:start"}))
    assert codec.cardinalities[codec.slots[1]] == [2, 8, 25, 61, 61], "one week is enough"
    assert TableCodec.from_json(codec.to_json()) == codec


def test_gaps_need_a_base_with_moments_of_its_own():
    table = pa.table({"a": pa.array([0], UTC), "b": pa.array([1], UTC), "s": ["x"]})
    a, b = Column("a", UTC), Column("b", UTC)
    with pytest.raises(ContractError, match="a is counted from b, which is not"):
        TableCodec.fit(table, [a], options=Options(kinds={"a": "gap:b"}))
    with pytest.raises(ContractError, match="moments of its own"):
        TableCodec.fit(table, [a, b], options=Options(kinds={"a": "gap:b", "b": "gap:a"}))
    with pytest.raises(ContractError, match="not from a column of type string"):
        TableCodec.fit(table, [a], options=Options(kinds={"a": "gap:s"}))
