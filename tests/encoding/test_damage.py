"""What goes wrong with data and files: each one clear error, or the right result."""

import copy
import json

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.encoding.options import Options
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ContractError
from clicksmith.tables import Column

UTC = pa.timestamp("us", tz="UTC")
TYPES = {
    "category": pa.string(),
    "flag": pa.bool_(),
    "number": pa.float64(),
    "identifier": pa.string(),
    "moment": UTC,
    "list": pa.list_(pa.string()),
}
KINDS = {name: name for name in ("number", "identifier", "moment", "list")}
OPTIONS = Options(kinds=KINDS)
ROW = {
    "category": "a",
    "flag": True,
    "number": 1.5,
    "identifier": "i1",
    "moment": 1_700_000_000_000_000,
    "list": ["a", "b"],
}


def table_of(rows: list[dict]) -> pa.Table:
    return pa.table({name: pa.array([row[name] for row in rows], type_) for name, type_ in TYPES.items()})


def columns(nullable: bool = True) -> list[Column]:
    return [Column(name, type_, nullable=nullable) for name, type_ in TYPES.items()]


@pytest.mark.parametrize("size", [0, 1, 10])
@pytest.mark.parametrize("nullable", [True, False])
def test_constant_columns_one_row_and_none(size: int, nullable: bool):
    table = table_of([ROW] * size)
    codec = TableCodec.fit(table, columns(nullable), options=OPTIONS)
    assert TableCodec.from_json(json.loads(json.dumps(codec.to_json()))) == codec
    assert codec.decode(codec.encode(table)).equals(table)
    if size:
        assert codec.slots[-1].stop == len(codec.cardinalities)
        unknown = codec.encode(table_of([{name: None for name in TYPES}]))
        expected = table_of([{name: None for name in TYPES}]) if nullable else None
        decoded = codec.decode(unknown)
        assert decoded.equals(expected) if nullable else all(c.null_count == 0 for c in decoded.columns)


def test_columns_without_any_value():
    table = table_of([{name: None for name in TYPES}] * 3)
    codec = TableCodec.fit(table, columns(), options=OPTIONS)
    assert codec.decode(codec.encode(table)).equals(table)
    assert codec.decode(codec.encode(table_of([ROW]))).column("number").null_count == 1


@pytest.mark.parametrize("name", TYPES)
def test_a_column_that_vanished_or_changed_its_type(name: str):
    table = table_of([ROW, ROW])
    codec = TableCodec.fit(table, columns(), options=OPTIONS)
    with pytest.raises(ContractError, match=f"Rows lack the column {name}; they have"):
        codec.encode(table.drop_columns([name]))
    index = table.column_names.index(name)
    changed = table.set_column(index, name, pa.array([{"a": 1}, {"a": 2}]))
    with pytest.raises(ContractError, match=f"Column {name} is of type struct"):
        codec.encode(changed)
    with pytest.raises(ContractError, match=f"Column {name} is of type struct"):
        TableCodec.fit(changed, columns(), options=OPTIONS)


def test_a_value_that_does_not_fit_the_type_is_named():
    table = pa.table({"x": ["12", "no number"]})
    with pytest.raises(ContractError, match="Column x is of type string, int64 was expected"):
        TableCodec.fit(table, [Column("x", pa.int64())])


CODEC = TableCodec.fit(table_of([ROW, ROW]), columns(), options=OPTIONS).to_json()


@given(st.data())
@settings(max_examples=400, deadline=None)
def test_damaged_json_is_one_clear_error(data):
    value = copy.deepcopy(CODEC)
    column = data.draw(st.sampled_from(value["columns"]))
    key = data.draw(st.sampled_from(sorted(column)))
    if data.draw(st.booleans()):
        del column[key]
    else:
        column[key] = data.draw(st.sampled_from([None, {}, "?", [[]], -1]))
    try:
        codec = TableCodec.from_json(value)
    except ContractError as error:
        assert "codec" in str(error)
        return
    # What is still a codec (a name or a flag changed) works, or says what its rows lack.
    try:
        codec.decode(codec.encode(table_of([ROW, ROW])))
    except ContractError as error:
        assert "Rows lack the column" in str(error) or "was expected" in str(error)


@pytest.mark.parametrize("value", [{}, {"columns": None}, {"columns": [1]}, {"columns": [{}]}, []])
def test_json_of_something_else(value):
    with pytest.raises(ContractError, match="damaged"):
        TableCodec.from_json(value)


def test_kinds_of_a_later_version_are_named():
    value = copy.deepcopy(CODEC)
    value["columns"][0]["kind"] = "telepathy"
    with pytest.raises(ContractError, match="unknown kind 'telepathy'"):
        TableCodec.from_json(value)
