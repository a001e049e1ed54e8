"""Owners and their events, from rows and from lists."""

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.encoding.sequences import Sequences, gather
from clicksmith.errors import ContractError

ROWS = pa.table(
    {
        "user": ["b", "a", "b", "a", "b"],
        "segment": ["y", "x", "y", "x", "y"],
        "item": ["1", "2", "3", "4", "5"],
        "time": [3, 1, 1, 2, 2],
    }
)


def test_rows_are_grouped_and_ordered_by_hand() -> None:
    found = Sequences.of_rows(ROWS, "user", "time", ["segment"])
    assert found.owners.to_pydict() == {"user": ["b", "a"], "segment": ["y", "x"]}
    assert found.events["item"].to_pylist() == ["3", "5", "1", "2", "4"]
    assert found.offsets.tolist() == [0, 3, 5]
    assert found.steps.tolist() == [0, 1, 2, 0, 1]
    assert found.owner_of.tolist() == [0, 0, 0, 1, 1]


def test_rows_keep_their_order_where_none_is_named_and_where_times_are_equal() -> None:
    assert Sequences.of_rows(ROWS, "user").events["item"].to_pylist() == ["1", "3", "5", "2", "4"]
    equal = ROWS.set_column(3, "time", pa.array([7] * 5))
    assert Sequences.of_rows(equal, "user", "time").events["item"].to_pylist() == ["1", "3", "5", "2", "4"]


def test_lists_there_and_back_with_an_owner_of_no_event() -> None:
    rows = pa.table({"user": ["a", "b", "c"], "item": [["1", "2"], [], ["3"]], "time": [[1, 2], [], [None]]})
    found = Sequences.of_lists(rows, ["item", "time"])
    assert found.lengths.tolist() == [2, 0, 1]
    assert found.to_lists().equals(rows)
    assert found.to_rows().to_pydict() == {
        "user": ["a", "a", "c"],
        "item": ["1", "2", "3"],
        "time": [1, 2, None],
    }


def test_owners_are_taken_in_any_order_and_several_times() -> None:
    found = Sequences.of_rows(ROWS, "user", "time").take(np.array([1, 0, 1]))
    assert found.owners["user"].to_pylist() == ["a", "b", "a"]
    assert found.events["item"].to_pylist() == ["2", "4", "3", "5", "1", "2", "4"]
    assert found.head(1).events["item"].to_pylist() == ["2", "4"]
    assert gather(np.array([0, 2, 2, 3]), np.array([1]))[1].tolist() == [0, 0]


def test_what_cannot_be_grouped_is_told() -> None:
    with pytest.raises(ContractError, match="no column shop"):
        Sequences.of_rows(ROWS, "shop")
    with pytest.raises(ContractError, match="'user', by which rows are grouped, is null in 1 of 5"):
        nulled = ROWS.set_column(0, "user", pa.array(["b", None, "b", "a", "b"]))
        Sequences.of_rows(nulled, "user")
    with pytest.raises(ContractError, match="'item' has several values in the rows of user 'b'"):
        Sequences.of_rows(ROWS, "user", owner_columns=["item"])
    with pytest.raises(ContractError, match="Row 1 has 1 values in 'item' and 2 in 'time'"):
        Sequences.of_lists(pa.table({"item": [["1"], ["2"]], "time": [[1], [1, 2]]}), ["item", "time"])
    with pytest.raises(ContractError, match="'item' has no list in 1 of 2 rows"):
        Sequences.of_lists(pa.table({"item": [["1"], None]}), ["item"])
