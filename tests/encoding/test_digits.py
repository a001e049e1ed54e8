"""Digits: by hand, exact round trips, what is chosen when, what decodes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.digits import DigitsCodec
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.options import Options
from clicksmith.errors import ContractError
from encoding.roundtrip import fit_one, kind_of, round_trip

DIGITS = Options(kinds={"x": "digits"})
AUTO = Options(max_bins=16, digits=True)


def test_digits_by_hand():
    codec = fit_one(pa.array([12.5, -3.0, 0.5, None]), DIGITS)
    (column,) = codec.columns
    assert column.places == (2, 1, 0) and column.decimals == 1
    assert codec.cardinalities == [21, 11, 11]
    encoded = codec.encode(pa.table({"x": [12.5, -3.0, 0.5, None]}))
    # The first sub-column has the sign: 1 + digit, or 11 + digit below zero. 0 is missing.
    assert encoded.codes.tolist() == [[2, 3, 6], [11, 4, 1], [1, 1, 6], [0, 0, 0]]


def test_places_that_are_zero_everywhere_have_no_sub_column():
    codec = fit_one(pa.array([1000, 52000, 7000]), DIGITS)
    assert codec.columns[0].places == (4, 3)
    assert round_trip(codec, pa.array([52000, 1000])).to_pylist() == [52000, 1000]


@given(st.lists(st.none() | st.integers(-(10**15), 10**15), min_size=1))
@settings(max_examples=150, deadline=None)
def test_integers_come_back(values):
    array = pa.array(values, pa.int64())
    if array.null_count < len(array):
        assert round_trip(fit_one(array, DIGITS), array).equals(array)


@given(st.lists(st.none() | st.decimals(-99999, 10**8, places=4).map(float), min_size=1))
@settings(max_examples=150, deadline=None)
def test_decimals_come_back(values):
    array = pa.array([None if v is None else v + 0.0 for v in values], pa.float64())
    if array.null_count < len(array):
        assert round_trip(fit_one(array, DIGITS), array).equals(array)


def test_the_data_choose_between_values_digits_and_bins():
    rng = np.random.default_rng(0)
    few = pa.array(rng.integers(0, 10, 1000))
    cents = pa.array(np.round(rng.uniform(0, 9.99, 1000), 2))
    prices = pa.array(np.round(rng.lognormal(3, 2, 1000), 2))
    lengths = pa.array(rng.normal(size=1000))
    assert kind_of(fit_one(few, AUTO)) is NumericCodec and not fit_one(few, AUTO).columns[0].edges
    assert kind_of(fit_one(cents, AUTO)) is DigitsCodec
    assert kind_of(fit_one(prices, AUTO)) is NumericCodec, "six places are too many"
    assert kind_of(fit_one(lengths, AUTO)) is NumericCodec
    assert kind_of(fit_one(cents, Options(max_bins=16))) is NumericCodec, "digits have to be wanted"
    assert round_trip(fit_one(cents, AUTO), cents).equals(cents)


def test_any_codes_decode_within_the_fitted_range():
    rng = np.random.default_rng(1)
    codec = fit_one(pa.array([-35, 7, 812]), DIGITS, nullable=False)
    codes = np.stack([rng.integers(0, size, 2000) for size in codec.cardinalities], axis=1)
    decoded = codec.columns[0].decode(codes, np.full(codes.shape, 0.5, np.float32), pa.int64())
    assert decoded.null_count == 0
    assert min(decoded.to_pylist()) == -35 and max(decoded.to_pylist()) == 812
    assert round_trip(codec, pa.array([5000, -5000, None])).to_pylist() == [812, -35, -35]


def test_numbers_without_exact_digits_cannot_be_forced():
    with pytest.raises(ContractError, match="digits cannot tell exactly"):
        fit_one(pa.array([np.pi, 1.0]), DIGITS)
    with pytest.raises(ContractError, match="digits cannot tell exactly"):
        fit_one(pa.array([2**60, 1]), DIGITS)
    with pytest.raises(ContractError, match="cannot have a codec of the kind 'digits'"):
        fit_one(pa.array(["a"]), DIGITS)
