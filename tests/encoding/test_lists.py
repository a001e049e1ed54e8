"""Multi-valued columns: by hand, round trips as multisets, limits."""

from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.lists import ListCodec
from clicksmith.encoding.options import Options
from encoding.roundtrip import fit_one, kind_of, round_trip

TAGS = pa.list_(pa.string())
WIDE = Options(max_elements=50)


def test_lists_by_hand():
    array = pa.array([["red", "new"], ["new"], [], None, ["new", "new", "old"]], TAGS)
    codec = fit_one(array, Options(max_elements=2))
    assert kind_of(codec) is ListCodec
    assert codec.columns[0].values.values == ("new", "old", "red")
    assert codec.cardinalities == [4, 4, 4]
    codes = codec.encode(pa.table({"x": array})).codes
    assert codes.tolist() == [[3, 1, 3], [2, 1, 0], [1, 0, 0], [0, 0, 0], [3, 1, 1]]
    assert round_trip(codec, array).to_pylist() == [["new", "red"], ["new"], [], None, ["new", "new"]]


@given(st.lists(st.none() | st.lists(st.text(max_size=2), max_size=6)))
@settings(max_examples=150, deadline=None)
def test_lists_come_back_as_multisets(values):
    array = pa.array(values, TAGS)
    back = round_trip(fit_one(array, WIDE), array).to_pylist()
    assert [None if v is None else Counter(v) for v in back] == [
        None if v is None else Counter(v) for v in values
    ]


def test_unknown_and_missing_values_are_left_out():
    codec = fit_one(pa.array([["a", "b"], ["a"]], TAGS), WIDE, nullable=False)
    given = pa.array([["b", "never seen", "a"], [None, "a"], ["never seen"], None], TAGS)
    assert round_trip(codec, given).to_pylist() == [["a", "b"], ["a"], [], []]


def test_slices_and_codes_that_disagree():
    array = pa.array([["a"], ["b", "a"], None, ["a", "a"]], TAGS)
    codec = fit_one(array, WIDE)
    assert round_trip(codec, array[1:3]).to_pylist() == [["a", "b"], None]
    codes = np.array([[3, 0, 1], [1, 2, 2], [2, 2, 2]])
    decoded = codec.columns[0].decode(codes, np.full(codes.shape, 0.5, np.float32), TAGS)
    assert decoded.to_pylist() == [["a"], [], ["b"]]


def test_a_column_without_any_value():
    for array in (pa.array([], TAGS), pa.array([None, None], TAGS), pa.array([[], None], TAGS)):
        assert round_trip(fit_one(array, WIDE), array).equals(array)
