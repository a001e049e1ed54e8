"""Halves of a sample by users: no user in both, and each can be halved again."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.errors import ContractError
from clicksmith.evaluation.compare import Measure, Sides, real_figures
from clicksmith.evaluation.examples import rows_without_user
from clicksmith.evaluation.samples.sample import Coding, Sample, columns_of
from clicksmith.seeds import HOLDOUT_BY_ROW, Holdout
from clicksmith.tables import Column


def rows_of(sizes: list[int], seed: int = 0) -> Sample:
    """Rows of as many users as there are sizes; each knows his own."""
    users = np.repeat(np.arange(len(sizes)), sizes)
    values = np.random.default_rng(seed).normal(size=(len(users), 3)) + users[:, None]
    return Sample(("x", "y", "z"), np.zeros(3, bool), values, users)


def test_few_users_of_unequal_sizes_are_halved_twice() -> None:
    # 60 rows are nearer to a half than 35, but would leave one user on the other side.
    first, second = rows_of([5, 30, 25, 40]).halves()
    assert (first.num_rows, second.num_rows) == (35, 65)
    assert [half.num_rows for half in second.halves()] == [25, 40]


@given(st.lists(st.integers(1, 50), min_size=2, max_size=12))
def test_no_user_is_in_both_halves_and_each_has_two_where_it_can(sizes: list[int]) -> None:
    whole = rows_of(sizes)
    halves = whole.halves()
    assert all(half.num_users >= min(2, len(sizes) // 2) for half in halves)
    assert sum(half.num_users for half in halves) == len(sizes)
    assert sum(half.num_rows for half in halves) == whole.num_rows


def test_the_first_rows_of_each_of_the_first_users() -> None:
    users = np.array([7, 3, 7, 9, 3, 3, 7, 2])
    sample = Sample(("x",), np.zeros(1, bool), np.arange(8.0)[:, None], users)
    assert sample.rows_by_user().tolist() == [1, 3, 3, 1]
    # Of user 2 one of one, of 3 two of three, of 7 none but the first; user 9 is not among them.
    assert sample.first_of_users(np.array([5, 2, 1])).values[:, 0].tolist() == [0, 1, 4, 7]
    assert sample.first_of_users(np.array([], np.int64)).num_rows == 0


def test_rows_without_a_user_are_counted() -> None:
    rows = pa.table({"user_id": ["a", None, "a", None, None], "example_id": list("vwxyz")})
    assert rows_without_user(Holdout(), rows) == 3
    assert rows_without_user(HOLDOUT_BY_ROW, rows) == 5, "no column says whose row it is"


def test_the_ceilings_of_four_unequal_held_out_users_are_measured() -> None:
    columns = [Column(name, pa.float64()) for name in "xyz"]
    holdout, train = rows_of([5, 30, 25, 40], 1), rows_of([10] * 40, 2)
    edges = {name: np.array([1.0, 2.0]) for name in "xyz"}
    sides = Sides.of("gan", train, holdout, 100, 100)
    found = real_figures(Measure(Coding(tuple(columns), {}, edges), seed=0), sides).figures
    assert 0 <= found["privacy.domias_auc", "all"].value <= 1
    with pytest.raises(ContractError, match="rows of 3 held-out users: at least 4"):
        Sides.of("gan", train, rows_of([30, 30, 40]), 100, 100)


def catalogue(counts: list[int]) -> pa.Table:
    """A row for each time that an item was taken; items are named by rank."""
    items = [f"i{rank:04d}" for rank, count in enumerate(counts) for _ in range(count)]
    return pa.table({"item_id": items, "kind": ["a"] * len(items)})


def test_items_of_a_catalogue_are_taken_together_by_frequency() -> None:
    # 100 rows of the first item and 300 of one row each: the first alone is 5 twentieths of 400 rows.
    rows = catalogue([100] + [1] * 300)
    coding = Coding.fit(rows, columns_of(rows.schema))
    asked = pa.table(
        {"item_id": ["i0000", "i0001", "i0020", "i0021", "i0300", "new", None], "kind": ["a"] * 7}
    )
    grouped = coding.grouped(coding.encode(asked)).values
    # A group a twentieth: of 20 rows. The sixteenth holds the last one; what is not known is the next.
    assert grouped[:, 0].tolist() == [1, 2, 2, 3, 16, 17, 0]
    assert grouped[:, 1].tolist() == [1] * 7
    assert coding.num_codes(0) == 18 and coding.bins(coding.grouped(coding.encode(asked)))[:, 0].max() == 17


def test_few_values_are_not_taken_together() -> None:
    rows = catalogue([3] * 250)
    coding = Coding.fit(rows, columns_of(rows.schema))
    sample = coding.encode(rows)
    assert coding.grouped(sample) is sample and coding.num_codes(0) == 252


def test_some_columns_of_a_sample_by_name() -> None:
    rows = pa.table({"a": [1.0, 2.0], "b": ["x", "y"], "c": [5.0, 6.0]})
    sample = replace(
        Coding.fit(rows, columns_of(rows.schema)).encode(rows), users=np.array([7, 8], np.int64)
    ).of_columns(["c", "b"])
    assert sample.names == ("c", "b") and sample.is_categorical.tolist() == [False, True]
    assert sample.values.tolist() == [[5.0, 1.0], [6.0, 2.0]]
    assert sample.users is not None and sample.users.tolist() == [7, 8]
