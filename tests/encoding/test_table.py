"""Codecs: exact round trips, atoms and bins by hand, bounds of what decodes."""

import datetime
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.columns import CategoryCodec, NumericCodec
from clicksmith.encoding.items import ItemCodec
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import ContractError
from clicksmith.tables import Column

UTC = pa.timestamp("us", tz="UTC")


def round_trip(array: pa.Array, nullable: bool = True, max_bins: int = 8) -> pa.Array:
    column = Column("x", array.type, nullable=nullable)
    table = pa.table({"x": array})
    codec = TableCodec.fit(table, [column], max_bins)
    again = TableCodec.from_json(json.loads(json.dumps(codec.to_json())))
    assert again == codec
    encoded = again.encode(table)
    assert encoded.codes.min(initial=0) >= 0
    assert (encoded.codes < codec.cardinalities).all()
    assert ((encoded.positions >= 0) & (encoded.positions < 1)).all()
    return again.decode(encoded).column("x").combine_chunks()


@given(st.lists(st.none() | st.text(max_size=3)))
@settings(max_examples=60, deadline=None)
def test_strings_come_back(values):
    array = pa.array(values, pa.string())
    assert round_trip(array).equals(array)


@given(st.lists(st.none() | st.integers(-(10**6), 10**6)), st.sampled_from([pa.int32(), pa.int64()]))
@settings(max_examples=100, deadline=None)
def test_integers_come_back(values, type_):
    array = pa.array(values, type_)
    assert round_trip(array).equals(array)


@given(st.lists(st.none() | st.decimals(-999, 99999, places=2).map(float)))
@settings(max_examples=100, deadline=None)
def test_prices_come_back(values):
    array = pa.array([None if v is None else v + 0.0 for v in values], pa.float64())
    assert [None if v is None else round(v, 2) for v in round_trip(array).to_pylist()] == array.to_pylist()


@given(st.lists(st.none() | st.floats(-1e12, 1e12), min_size=1))
@settings(max_examples=100, deadline=None)
def test_floats_come_back_within_their_bin(values):
    back = round_trip(pa.array(values, pa.float64())).to_pylist()
    present = [v for v in values if v is not None]
    assert [v is None for v in back] == [v is None for v in values]
    for value, found in zip(values, back, strict=True):
        if value is not None:
            assert found == pytest.approx(value, rel=1e-6, abs=1e-6 * (max(present) - min(present)) + 1e-300)
            assert min(present) <= found <= max(present)


def test_booleans_and_timestamps_come_back():
    flags = pa.array([True, False, None, False])
    assert round_trip(flags).equals(flags)
    start = datetime.datetime(2017, 1, 1, tzinfo=datetime.UTC)
    few = pa.array([start, None, start + datetime.timedelta(microseconds=1)], UTC)
    assert round_trip(few).equals(few)


def test_categories_are_ordered_by_frequency_then_value():
    codec = CategoryCodec.fit(pa.array(["b", "a", "c", "c", None]), nullable=True)
    assert codec.values == ("c", "a", "b")
    assert codec.encode(pa.array(["b", "never seen", None, "c"]))[0].tolist() == [3, 0, 0, 1]


def test_atoms_and_bins_by_hand():
    # 20 rows: zero has 40 % of them; the twelve others fill two bins with six values each, of which
    # the outer quarter is split off (and its quarters again, where it has that many values).
    values = [0.0] * 8 + [float(v) for v in (1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16)]
    codec = NumericCodec.fit(pa.array(values), nullable=True, max_bins=2)
    assert codec.atoms == (0.0,)
    assert codec.edges == (1.0, 2.0, 6.0, 15.0, 17.0)
    codes, positions = codec.encode(pa.array([0.0, 1.0, 5.0, 6.0, 16.0, 99.0, -5.0, None]))
    assert codes.tolist() == [1, 2, 3, 4, 5, 5, 2, 0]
    # Bin [2, 6) holds four integers, so 5 is at seven eighths; 6 is the first of nine.
    assert positions.tolist() == pytest.approx([0.5, 0.5, 7 / 8, 1 / 18, 3 / 4, 1, 0, 0.5], abs=1e-6)


def test_a_number_never_decodes_outside_the_training_range():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=5000)
    codec = NumericCodec.fit(pa.array(values), nullable=False, max_bins=64)
    codes = rng.integers(0, codec.cardinality, 5000)
    positions = rng.random(5000).astype(np.float32)
    decoded = codec.decode(codes, positions, pa.float64()).to_numpy()
    assert decoded.min() >= values.min()
    assert decoded.max() <= values.max()


def test_uniform_positions_in_frequent_bins_give_back_the_distribution():
    values = np.random.default_rng(0).exponential(size=20_000)
    table = pa.table({"x": values})
    codec = TableCodec.fit(table, [Column("x", pa.float64())])
    encoded = codec.encode(table)
    positions = np.random.default_rng(1).random(encoded.codes.shape).astype(np.float32)
    decoded = np.sort(codec.decode(Encoded(encoded.codes, positions)).column("x").to_numpy())
    original = np.sort(values)
    grid = np.linspace(0, 8, 400)
    difference = np.searchsorted(decoded, grid) - np.searchsorted(original, grid)
    assert np.abs(difference).max() / 20_000 < 0.005


def test_row_order_does_not_matter():
    rng = np.random.default_rng(0)
    table = pa.table({"s": rng.choice(list("abc"), 500), "x": np.round(rng.lognormal(size=500), 2)})
    columns = [Column("s", pa.string()), Column("x", pa.float64())]
    shuffled = table.take(rng.permutation(500))
    assert TableCodec.fit(table, columns) == TableCodec.fit(shuffled, columns)


@pytest.mark.parametrize("values", [[], [None, None], [3.0], [3.0] * 10])
def test_degenerate_columns(values):
    array = pa.array(values, pa.float64())
    assert round_trip(array).equals(array)


def test_missing_columns_and_types_without_codec_are_clear_errors():
    with pytest.raises(ContractError, match="Rows lack the column y; they have x"):
        TableCodec.fit(pa.table({"x": [1]}), [Column("y", pa.int64())])
    with pytest.raises(ContractError, match="has no codec"):
        TableCodec.fit(pa.table({"x": [[1]]}), [Column("x", pa.list_(pa.int64()))])
    with pytest.raises(ContractError, match="Column x is of type string"):
        TableCodec.fit(pa.table({"x": ["a"]}), [Column("x", pa.int64())])


def test_items_are_drawn_by_frequency_in_their_cell_and_back_off():
    codes = np.array([[1, 1], [1, 1], [1, 1], [1, 2], [2, 1]])
    codec = ItemCodec.fit(pa.array(["a", "a", "b", "c", "d"]), codes, [0, 1], [4, 3])
    codec = ItemCodec.from_json(json.loads(json.dumps(codec.to_json())))
    many = np.tile([[1, 1]], (3000, 1))
    uniform = (np.arange(3000) + 0.5) / 3000
    drawn = codec.draw(many, uniform).to_pylist()
    assert {item: drawn.count(item) for item in set(drawn)} == {"a": 2000, "b": 1000}
    assert codec.draw(np.array([[1, 2]]), np.array([0.99])).to_pylist() == ["c"]
    # (2, 0) was never seen: the cell (2, *) holds d alone; (3, *) neither: any item by its frequency.
    assert codec.draw(np.array([[2, 0]]), np.array([0.01])).to_pylist() == ["d"]
    everywhere = codec.draw(np.tile([[3, 0]], (5, 1)), np.array([0.1, 0.3, 0.5, 0.7, 0.9])).to_pylist()
    assert sorted(everywhere) == ["a", "a", "b", "c", "d"]


def test_items_need_rows_and_cells_that_fit():
    with pytest.raises(ContractError, match="No training row"):
        ItemCodec.fit(pa.array([], pa.string()), np.empty((0, 1), np.int64), [0], [2])
    with pytest.raises(ContractError, match="do not fit 64 bits"):
        ItemCodec.fit(pa.array(["a"]), np.zeros((1, 2), np.int64), [0, 1], [2**40, 2**40])
