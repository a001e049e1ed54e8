"""Statistics: parts merge to the whole, in any order; exact counts, quantiles within the stated error."""

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.hashing import hash_values
from clicksmith.encoding.lists import ListStatistics
from clicksmith.encoding.number_statistics import NumberStatistics
from clicksmith.encoding.options import Options
from clicksmith.encoding.statistics import Collector, TableStatistics
from clicksmith.encoding.statistics_rows import RowCollector, empty_statistics, mark_protected, to_rows
from clicksmith.encoding.table import TableCodec
from clicksmith.encoding.value_statistics import ValueStatistics
from clicksmith.errors import ContractError
from clicksmith.tables import Column

UTC = pa.timestamp("us", tz="UTC")
COLUMNS = (
    Column("name", pa.string(), nullable=True),
    Column("flag", pa.bool_(), nullable=True),
    Column("size", pa.float64(), nullable=True),
    Column("count", pa.int64(), nullable=True),
    Column("at", UTC, nullable=True),
    Column("tags", pa.list_(pa.string()), nullable=True),
    Column("id", pa.int64(), nullable=True),
)
KINDS = {"id": "identifier"}

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.none() | st.text(max_size=1),
            "flag": st.none() | st.booleans(),
            "size": st.none() | st.floats(allow_nan=True, allow_infinity=True),
            "count": st.none() | st.integers(-99, 99),
            "at": st.none() | st.integers(-(10**15), 10**15),
            "tags": st.none() | st.lists(st.text(max_size=1), max_size=3),
            "id": st.none() | st.integers(-(2**63), 2**63 - 1),
            "user": st.none() | st.integers(0, 6),
        }
    ),
    max_size=40,
)


def table_of(rows: list[dict]) -> pa.Table:
    types = {column.name: column.type for column in COLUMNS} | {"user": pa.int64(), "at": pa.int64()}
    table = pa.table({name: pa.array([row[name] for row in rows], type_) for name, type_ in types.items()})
    return table.set_column(table.column_names.index("at"), "at", table.column("at").cast(UTC))


def same(one: TableStatistics, other: TableStatistics) -> bool:
    return (
        one.num_rows == other.num_rows
        and np.array_equal(one.users, other.users)
        and one.columns.keys() == other.columns.keys()
        and all(one.columns[name].equals(other.columns[name]) for name in one.columns)
    )


@given(
    ROWS, st.lists(st.integers(0, 40), max_size=4), st.sampled_from([1, 2, 3]), st.sampled_from([3, 65536])
)
@settings(max_examples=150, deadline=None)
def test_parts_merge_to_the_whole(rows, cuts, k, limit):
    table = table_of(rows)
    options = Options(min_users=k, user_column="user", kinds=KINDS)
    borders = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [
        TableStatistics.of(table.slice(start, end - start), COLUMNS, options, limit)
        for start, end in pairwise(borders)
    ]
    whole = TableStatistics.of(table, COLUMNS, options, limit)
    assert same(TableStatistics.merge(parts, options, limit), whole)
    assert same(TableStatistics.merge(parts[::-1], options, limit), whole)
    nested = TableStatistics.merge([parts[0], TableStatistics.merge(parts, options, limit)], options, limit)
    again = TableStatistics.merge(
        [TableStatistics.merge(parts[:1] * 2, options, limit), *parts[1:]], options, limit
    )
    assert same(nested, again), "any bracketing"


@given(ROWS, st.integers(1, 7), st.sampled_from([1, 2, 3]))
@settings(max_examples=100, deadline=None)
def test_rows_of_statistics_can_be_shuffled_and_merged(rows, size, k):
    table = table_of(rows)
    options = Options(min_users=k, user_column="user", kinds=KINDS)
    batches = [table.slice(start, size) for start in range(0, max(len(rows), 1), size)]
    whole = TableStatistics.of_batches(batches, COLUMNS, options)
    assert same(whole, TableStatistics.of(table, COLUMNS, options))
    empty = empty_statistics(table.schema, COLUMNS, options)
    shuffled = pa.concat_tables(
        to_rows(TableStatistics.of(batch, COLUMNS, options), number) for number, batch in enumerate(batches)
    )
    shuffled = shuffled.take(np.random.default_rng(0).permutation(shuffled.num_rows))
    collector = RowCollector(empty, options)
    for start in range(0, shuffled.num_rows, 11):
        collector.add(shuffled.slice(start, 11))
    assert same(collector.result(), whole)
    # As a cluster does: each task has all rows of some values, and leaves out the rare ones.
    final = RowCollector(empty, options)
    for task in range(3):
        part = RowCollector(empty, options)
        mine = np.asarray(
            [
                hash((leaf, bucket)) % 3 == task
                for leaf, bucket in zip(
                    shuffled.column("leaf").to_pylist(), shuffled.column("bucket").to_pylist(), strict=True
                )
            ],
            dtype=bool,
        )
        part.add(shuffled.filter(pa.array(mine)))
        final.add(to_rows(part.result(protect=k > 1), 0))
    result = mark_protected(final.result()) if k > 1 else final.result()
    if len({row["user"] for row in rows}) >= k:
        fitted = TableCodec.from_statistics(result, COLUMNS, options)
        assert fitted == TableCodec.from_statistics(whole, COLUMNS, options)
        assert fitted == TableCodec.fit(table, COLUMNS, options=options)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5))), st.integers(2, 4))
def test_counts_are_exact_and_users_too_up_to_k(pairs, k):
    names, users = pa.array([n for n, _ in pairs], pa.string()), pa.array([u for _, u in pairs], pa.int64())
    found = ValueStatistics.of(names, hash_values(users), k)
    assert dict(zip(found.values.to_pylist(), found.counts.tolist(), strict=True)) == {
        name: sum(n == name for n, _ in pairs) for name in {n for n, _ in pairs}
    }
    for index, name in enumerate(found.values.to_pylist()):
        distinct = len({u for n, u in pairs if n == name})
        assert np.count_nonzero(found.owners == index) == min(distinct, k)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_quantiles_of_many_numbers_are_within_the_stated_error(offset: float):
    rng = np.random.default_rng(0)
    values = offset + np.concatenate(
        [rng.normal(size=300_000), rng.lognormal(3, 2, 300_000), np.zeros(50_000)]
    )
    nobody = np.zeros(len(values), np.uint64)
    found = NumberStatistics.of(pa.array(values), nobody, 1)
    assert 0 < found.shift and 10_000 < len(found.cells) <= 65_536
    assert found.counts.sum() == len(values)
    assert found.lowest[0] == values.min() and found.highest[0] == values.max()
    levels = np.linspace(0, 1, 1001)
    exact = np.quantile(values, levels, method="inverted_cdf")
    rows = np.clip(np.ceil(len(values) * levels - 1), 0, None)
    estimated = found.lows[np.searchsorted(np.cumsum(found.counts), rows, side="right")]
    assert (np.abs(estimated - exact) <= 2.0 ** (found.shift - 52) * np.abs(exact)).all()
    # Zero inflation is seen exactly, however many other numbers there are.
    assert found.counts[found.lows == offset] >= 50_000


def test_codecs_of_sketched_numbers_are_close_to_those_of_exact_ones():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.lognormal(3, 2, 200_000), np.zeros(50_000)])
    table, columns = pa.table({"x": values}), [Column("x", pa.float64())]
    exact = TableCodec.fit(table, columns).columns[0]
    sketched = TableCodec.from_statistics(
        TableStatistics.of(table, columns, Options()), columns, Options()
    ).columns[0]
    assert sketched.atoms == exact.atoms == (0.0,)
    np.testing.assert_allclose(sketched.edges, exact.edges, rtol=1e-3)
    assert sketched.edges[0] == exact.edges[0] and sketched.edges[-1] == exact.edges[-1]


def test_memory_stays_bounded_however_many_numbers_come():
    collector = Collector([Column("x", pa.float64())], Options())
    most = 0
    for seed in range(40):
        collector.add(pa.table({"x": np.random.default_rng(seed).normal(size=50_000)}))
        most = max(most, collector.num_entries)
    assert most < 8 * 65_536
    assert collector.result().num_rows == 2_000_000


def test_lists_have_statistics_of_lengths_and_elements():
    array = pa.array([["a", "b"], None, [], ["a"]], pa.list_(pa.string()))
    found = ListStatistics.of(array, np.arange(4, dtype=np.uint64), 5)
    assert found.lengths.lows.tolist() == [0, 1, 2] and found.lengths.num_null == 1
    assert found.elements.values.to_pylist() == ["a", "b"] and found.elements.counts.tolist() == [2, 1]
    assert np.bincount(found.elements.owners).tolist() == [2, 1], "users of a list are those of its values"


def test_kinds_that_do_not_fit_are_clear_errors():
    table = pa.table({"x": ["a"]})
    for kind in ("number", "no such kind", "gap:y", "list"):
        with pytest.raises(ContractError, match=f"cannot have a codec of the kind '{kind}'"):
            TableStatistics.of(table, [Column("x", pa.string())], Options(kinds={"x": kind}))
