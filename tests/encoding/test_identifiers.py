"""Ids by the million: codes by hand, every decoded id exists, bounded time and memory."""

import time
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.category import CategoryCodec
from clicksmith.encoding.hashing import hash_values
from clicksmith.encoding.identifiers import IdentifierCodec
from clicksmith.encoding.options import Options
from clicksmith.encoding.search import HashIndex
from clicksmith.encoding.table import TableCodec
from clicksmith.encoding.value_statistics import ValueStatistics
from clicksmith.errors import ContractError
from clicksmith.tables import Column
from encoding.roundtrip import fit_one, kind_of, round_trip

IDS = Options(kinds={"x": "identifier"})


def counted(ids: pa.Array, counts: np.ndarray) -> ValueStatistics:
    return ValueStatistics(ids, counts, np.empty(0, np.int64), np.empty(0, np.uint64))


def random_codes(codec: IdentifierCodec, num_rows: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, num_rows) for size in codec.cardinalities], axis=1)


def test_codes_by_hand():
    # By frequency: c, b, then a, d, e; in groups of three.
    array = pa.array(["c"] * 3 + ["b"] * 2 + ["a", "d", "e", None])
    codec = fit_one(array, IDS)
    assert codec.columns[0].ids.to_pylist() == ["c", "b", "a", "d", "e"]
    assert codec.cardinalities == [3, 4]
    codes = codec.encode(pa.table({"x": pa.array(["c", "a", "d", "e", "never seen", None])})).codes
    assert codes.tolist() == [[1, 1], [1, 3], [2, 1], [2, 2], [0, 0], [0, 0]]
    positions = np.full((2, 2), 0.5, np.float32)
    decoded = codec.columns[0].decode(np.array([[2, 3], [0, 1]]), positions, pa.string())
    assert decoded.to_pylist() == ["d", None], "the last group has no third member: wrapped"
    certain = fit_one(array, IDS, nullable=False)
    assert round_trip(certain, pa.array(["never seen", "e"])).to_pylist() == ["c", "e"]


@given(st.lists(st.none() | st.text(max_size=4)))
@settings(max_examples=150, deadline=None)
def test_strings_come_back(values):
    array = pa.array(values, pa.string())
    assert round_trip(fit_one(array, IDS), array).equals(array)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
@settings(max_examples=150, deadline=None)
def test_integers_come_back(values):
    array = pa.array(values, pa.int64())
    if array.null_count < len(array):
        assert round_trip(fit_one(array, IDS), array).equals(array)


def test_many_strings_become_identifiers_and_few_stay_categories():
    many, few = (pa.array([f"i{k}" for k in range(size)]) for size in (5000, 4096))
    assert kind_of(fit_one(many, Options())) is IdentifierCodec
    assert kind_of(fit_one(few, Options())) is CategoryCodec
    assert round_trip(fit_one(many, Options()), many).equals(many)


def test_content_orders_the_ids_so_that_groups_are_alike():
    ids = pa.array([f"i{k}" for k in range(100)])
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 10, 100)
    content = pa.table({"id": ids, "kind": pa.array(kind), "price": rng.random(100)}).slice(0, 95)
    codec = TableCodec.fit(
        pa.table({"x": ids}), [Column("x", pa.string())], options=IDS, content={"x": content}
    )
    order = codec.columns[0].ids.to_pylist()
    assert sorted(order) == sorted(ids.to_pylist())
    assert order[95:] == ["i95", "i96", "i97", "i98", "i99"], "ids without content come last"
    kinds = [kind[int(name[1:])] for name in order[:95]]
    assert kinds == sorted(kinds)
    assert round_trip(codec, ids).equals(ids)


@given(st.integers(1, 3000), st.integers(2, 3))
@settings(max_examples=50, deadline=None)
def test_every_decoded_id_exists_and_every_id_can_be_decoded(size, num_levels):
    side = int(np.ceil(size ** (1 / num_levels)))
    levels = (-(-size // side ** (num_levels - 1)), *[side] * (num_levels - 1))
    codec = IdentifierCodec(pa.array(range(size)), levels, False, 0)
    axes = [np.arange(1, size + 1) for size in levels]
    codes = np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, num_levels)
    decoded = codec.decode(codes, np.full(codes.shape, 0.5, np.float32), pa.int64())
    assert decoded.null_count == 0
    assert set(decoded.to_pylist()) == set(range(size))


def test_a_million_ids_in_bounded_time_and_memory():
    size = 1_000_000
    ids = pa.array(np.arange(size).astype("S7")).cast(pa.string())
    started = time.process_time()
    tracemalloc.start()
    codec = IdentifierCodec.from_statistics(counted(ids, np.arange(size, 0, -1)), nullable=False)
    assert codec.cardinalities == (1001, 1001)
    rows = ids.take(pa.array(np.random.default_rng(0).integers(0, size, 200_000)))
    codes, positions = codec.encode(rows)
    assert codec.decode(codes, positions, pa.string()).equals(rows)
    drawn = codec.decode(random_codes(codec, 200_000), positions, pa.string())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.process_time() - started < 20, "a few seconds on one core"
    assert peak < 400e6, "a few numbers an id, and nothing of size ids x codes"
    assert (HashIndex.build(ids).find(hash_values(drawn)) >= 0).all()
    assert len(drawn.unique()) > 150_000


def test_five_million_ids_have_three_levels_of_a_few_hundred_codes():
    size = 5_000_000
    codec = IdentifierCodec.from_statistics(counted(pa.array(np.arange(size)), np.ones(size, int)), False)
    assert codec.cardinalities == (172, 172, 172)
    codes = random_codes(codec, 100_000)
    decoded = codec.decode(codes, np.full(codes.shape, 0.5, np.float32), pa.int64()).to_numpy()
    assert decoded.min() >= 0 and decoded.max() < size


def test_hashes_depend_on_the_values_alone():
    array = pa.array(["", "a", None, "é", "a" * 300, "b"])
    hashes = hash_values(array)
    assert hashes[2] == 0 and len(set(hashes.tolist())) == 6
    assert hash_values(array[3:5]).tolist() == hashes[3:5].tolist()
    assert hash_values(array.cast(pa.large_string())).tolist() == hashes.tolist()
    assert hash_values(pa.array([7], pa.int32())) == hash_values(pa.array([7], pa.int64()))
    assert hash_values(array, salt=1).tolist() != hashes.tolist()
    # Known values: codecs on disk and statistics of other machines rely on them.
    assert hash_values(pa.array(["item-1"]))[0] == np.uint64(11153113962853909168)


def test_parts_carry_the_ids_and_damage_is_a_clear_error():
    array = pa.array([f"i{k}" for k in range(5000)])
    codec = fit_one(array, Options())
    value, parts = codec.to_json(inline=False), codec.to_parts()
    assert list(parts) == ["ids-0.arrow"] and "ids" not in value["columns"][0]
    with pytest.raises(ContractError, match="stored beside the codec"):
        TableCodec.from_json(value)
    with pytest.raises(ContractError, match="damaged, at column x"):
        TableCodec.from_parts(value, {"ids-0.arrow": parts["ids-0.arrow"][:1000]})
    other = fit_one(array[:4999], IDS).to_parts()
    with pytest.raises(ContractError, match="4999 ids of type string for 5000"):
        TableCodec.from_parts(value, other)
    twice = codec.to_json()
    twice["columns"][0]["ids"][1] = "i0"
    with pytest.raises(ContractError, match="ids of a column repeat"):
        TableCodec.from_json(twice).encode(pa.table({"x": array}))
