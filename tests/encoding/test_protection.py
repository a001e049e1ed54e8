"""What fewer than k users have never leaves: rare categories, ids, list values and extremes."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.options import MIN_USERS, Options
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import ContractError
from clicksmith.tables import Column

NAMES = Column("name", pa.string())
NUMBER = Column("number", pa.float64())


def options(k: int, **rest: object) -> Options:
    return Options(min_users=k, user_column="user", **rest)


def rows_of(*groups: tuple[str, int, int]) -> pa.Table:
    """Rows with a name: (name, users, rows of each of them)."""
    pairs = [(name, f"u{user}") for name, users, each in groups for user in range(users) for _ in range(each)]
    return pa.table({"name": [name for name, _ in pairs], "user": [user for _, user in pairs]})


def draw(codec: TableCodec, code: int, size: int = 4000) -> dict[str, float]:
    """Shares of what a code of the first sub-column decodes to, at uniform positions."""
    shape = size, len(codec.cardinalities)
    codes = np.ones(shape, dtype=np.int64)
    codes[:, 0] = code
    positions = np.tile(((np.arange(size) + 0.5) / size).astype(np.float32)[:, None], shape[1])
    values = codec.decode(Encoded(codes, positions)).column(0).to_pylist()
    return {value: values.count(value) / size for value in set(values)}


@pytest.mark.parametrize("kind", ["category", "identifier"])
def test_a_name_needs_enough_users_however_often_it_occurs(kind: str):
    rows = rows_of(("often", 9, 6), ("just enough", 5, 3), ("one user's", 1, 500), ("four users'", 4, 2))
    codec = TableCodec.fit(rows, [NAMES], options=options(MIN_USERS, kinds={"name": kind}))
    assert "user" not in str(codec.to_json())
    (rare,) = codec.rare_codes.values()
    names = pa.array(["often", "just enough", "one user's", "four users'", "never seen", None])
    codes = codec.encode(pa.table({"name": names})).codes[:, 0]
    assert (codes[2:5] == rare).all() and codes[5] == 0 and rare not in codes[:2]
    # The rare code decodes to what is kept, by its frequency: 54 rows to 15.
    shares = draw(codec, rare)
    assert shares == {
        "often": pytest.approx(54 / 69, abs=0.01),
        "just enough": pytest.approx(15 / 69, abs=0.01),
    }
    assert TableCodec.from_json(codec.to_json()) == codec


def test_rare_names_spread_over_the_kept_ones_already_in_a_round_trip():
    rare = [(f"rare {k}", 1, 1) for k in range(3000)]
    rows = rows_of(("a", 10, 300), ("b", 10, 100), *rare)
    codec = TableCodec.fit(rows, [NAMES], options=options(MIN_USERS))
    back = codec.decode(codec.encode(rows)).column("name").to_pylist()[4000:]
    assert back.count("a") + back.count("b") == 3000
    assert back.count("a") / 3000 == pytest.approx(0.75, abs=0.04)


def test_without_rare_names_nothing_changes():
    rows = rows_of(("a", 6, 2), ("b", 7, 1))
    assert TableCodec.fit(rows, [NAMES], options=options(5)) == TableCodec.fit(rows, [NAMES])


def test_values_of_lists_need_enough_users_and_lengths_too():
    lists = [["a", "b"]] * 6 + [["a", "secret", "b", "b", "b"]]
    rows = pa.table({"x": lists, "user": [f"u{k}" for k in range(7)]})
    codec = TableCodec.fit(rows, [Column("x", pa.list_(pa.string()))], options=options(5))
    assert "secret" not in str(codec.to_json())
    assert codec.columns[0].max_length == 2


def test_numbers_end_at_the_kth_most_extreme_user():
    # u0 has the ten highest numbers; only the best of each user counts: 1000, 99, 98.
    values = [*(1000.0 - k for k in range(10)), *(float(k) for k in range(100))]
    users = ["u0"] * 10 + [f"u{k % 50}" for k in range(100)]
    rows = pa.table({"number": values, "user": users})
    codec = TableCodec.fit(rows, [NUMBER], options=options(3, max_bins=8))
    back = codec.decode(codec.encode(rows)).column("number").to_pylist()
    assert max(back) == 98.0 and min(back) == 2.0
    assert max(codec.decode(codec.encode(pa.table({"number": [1e6]}))).column(0).to_pylist()) == 98.0


def test_a_frequent_number_of_few_users_is_no_atom():
    rows = pa.table(
        {
            "number": [0.0] * 500 + [123.45] * 500 + list(np.random.default_rng(0).uniform(0, 1000, 1000)),
            "user": [*(f"u{k % 100}" for k in range(500)), *(["u1"] * 500), *(f"u{k}" for k in range(1000))],
        }
    )
    protected = TableCodec.fit(rows, [NUMBER], options=options(5)).columns[0]
    assert TableCodec.fit(rows, [NUMBER]).columns[0].atoms == (0.0, 123.45)
    assert protected.atoms == (0.0,)


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.integers(0, 9)), min_size=1), st.integers(2, 4))
@settings(max_examples=150, deadline=None)
def test_a_kept_name_always_has_enough_users(pairs, k):
    rows = pa.table({"name": [n for n, _ in pairs], "user": pa.array([u for _, u in pairs], pa.int64())})
    users = {name: {u for n, u in pairs if n == name} for name, _ in pairs}
    if len({u for _, u in pairs}) < k:
        with pytest.raises(ContractError, match=f"has to belong to at least {k}"):
            TableCodec.fit(rows, [NAMES], options=options(k))
        return
    codec = TableCodec.fit(rows, [NAMES], options=options(k))
    assert set(codec.columns[0].values) == {name for name in users if len(users[name]) >= k}
    decoded = codec.decode(codec.encode(rows)).column("name").to_pylist()
    assert {n for n in decoded if n is not None} <= set(codec.columns[0].values)


def test_rows_without_a_user_count_as_one_user():
    rows = pa.table({"name": ["a"] * 9 + ["b"] * 3, "user": [None] * 9 + ["u1", "u2", "u3"]})
    assert TableCodec.fit(rows, [NAMES], options=options(2)).columns[0].values == ("b",)


def test_what_users_have_to_be_told_by_is_clear():
    rows = rows_of(("a", 3, 1))
    with pytest.raises(ContractError, match="no user column is named"):
        TableCodec.fit(rows, [NAMES], options=Options(min_users=5))
    with pytest.raises(ContractError, match="Rows lack the column customer"):
        TableCodec.fit(rows, [NAMES], options=Options(min_users=5, user_column="customer"))
    with pytest.raises(ContractError, match="are of 3 users"):
        TableCodec.fit(rows, [NAMES], options=options(5))
    empty = rows.slice(0, 0)
    assert TableCodec.fit(empty, [NAMES], options=options(5)).cardinalities == [1]
