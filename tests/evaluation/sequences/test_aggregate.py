"""Owners as rows, by hand."""

import math

import pyarrow as pa
import pytest

from clicksmith.encoding.sequences import Sequences
from clicksmith.evaluation.samples.sample import Coding, columns_of
from clicksmith.evaluation.sequences.aggregate import aggregate

ROWS = pa.table(
    {
        "user": ["u", "v", "w", "x"],
        "age": [30, 40, 50, None],
        "item": [["a", "b", "a", None], ["c"], [], [None, None]],
        "price": [[1.0, None, 4.0, 2.0], [5.0], [], [None, None]],
    }
)


def aggregated():
    side = Sequences.of_lists(ROWS, ["item", "price"])
    columns, owners = columns_of(side.events.schema), columns_of(side.owners.schema)[1:]
    events = Coding.fit(side.events, columns).encode(side.events)
    return aggregate(side, events, columns, owners)


def test_every_aggregate_by_hand() -> None:
    nan = math.nan
    found = {
        name: [nan if v is None else v for v in values] for name, values in aggregated().to_pydict().items()
    }
    wanted = {
        "age": [30, 40, 50, nan],
        "events": [4, 1, 0, 2],
        "item: distinct": [3, 1, 0, 1],
        "item: most frequent": [1 / 2, 1, nan, 1],
        "item: change": [1, nan, nan, 0],
        "price: distinct": [4, 1, 0, 1],
        "price: most frequent": [1 / 4, 1, nan, 1],
        "price: change": [2, nan, nan, nan],
        "price: mean": [7 / 3, 5, nan, nan],
        "price: minimum": [1, 5, nan, nan],
        "price: maximum": [4, 5, nan, nan],
        "price: first": [1, 5, nan, nan],
        "price: last": [2, 5, nan, nan],
    }
    assert found.pop("item: first") == ["a", "c", nan, nan] and found.pop("item: last") == [
        nan,
        "c",
        nan,
        nan,
    ]
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        assert found[name] == pytest.approx(values, nan_ok=True), name


def test_missing_values_are_missing_and_not_nan() -> None:
    table = aggregated()
    assert table["price: mean"].null_count == 2 and table["price: most frequent"].null_count == 1
    assert table["item: first"].null_count == 2
