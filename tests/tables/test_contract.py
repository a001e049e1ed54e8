"""The contract keeps its own rules."""

import pyarrow as pa
import pytest

from clicksmith.tables import (
    ALL_TABLES,
    EVENT_TYPES,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    Column,
    Table,
)
from clicksmith.tables.gold import FEATURE_COLUMNS, LABEL_COLUMNS
from clicksmith.tables.schema import TIMESTAMP


def element_type(column: Column) -> pa.DataType:
    return column.type.value_type if pa.types.is_list(column.type) else column.type


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_table(table: Table) -> None:
    layer, _, name = table.name.partition(".")
    assert layer in ("bronze", "silver", "gold")
    assert name.replace("_", "").isalpha() and name.islower()
    assert len(set(table.column_names)) == len(table.columns)
    assert set(table.key) <= set(table.column_names)
    assert set(table.partition_by) <= set(table.column_names)
    assert all(not table[name].nullable for name in table.partition_by)
    assert table.doc
    assert table.arrow_schema.names == table.column_names


def test_names_are_unique() -> None:
    names = [table.name for table in ALL_TABLES]
    assert len(set(names)) == len(names)


def check_name_gives_type(column: Column) -> None:
    name, kind = column.name, element_type(column)
    assert name == name.lower()
    assert name.endswith("_ts") == (kind == TIMESTAMP)
    assert name.endswith("_date") == (kind == pa.date32())
    if name.startswith("num_") or "_num_" in name:
        assert kind == pa.int64()
        assert column.minimum is not None and column.minimum >= 0
    if name.endswith("_ms"):
        assert pa.types.is_integer(kind)
    if name.endswith(("_fraction", "_share")):
        assert (column.minimum, column.maximum) == (0.0, 1.0)
    if name.endswith("_id") and name != "row_id":
        assert kind == pa.string()
    if name.startswith(("label_", "is_")):
        assert kind == pa.bool_()


def check_bounds_fit_type(column: Column) -> None:
    if column.minimum is not None or column.maximum is not None:
        assert pa.types.is_integer(column.type) or pa.types.is_floating(column.type)
    if column.allowed is not None:
        assert column.type == pa.string()
        assert len(set(column.allowed)) == len(column.allowed)


@pytest.mark.parametrize("table", ALL_TABLES, ids=lambda table: table.name)
def test_columns(table: Table) -> None:
    for column in table.columns:
        check_name_gives_type(column)
        check_bounds_fit_type(column)
    assert table.layout, "why does it lie as it does?"


def test_synthetic_rows_have_the_contract_of_their_real_twin() -> None:
    assert SYNTHETIC_EXAMPLES.columns == SYNTHETIC_CANDIDATES.columns
    assert SYNTHETIC_EXAMPLES.columns[-len(TRAINING_EXAMPLES.columns) :] == TRAINING_EXAMPLES.columns


def test_features_hold_no_id_and_no_label() -> None:
    names = {column.name for column in FEATURE_COLUMNS}
    assert not any(name.endswith("_id") for name in names)
    assert not names & {column.name for column in LABEL_COLUMNS}


def test_event_types() -> None:
    assert EVENT_TYPES == ("impression", "click", "cart", "purchase", "search")


def test_unknown_key_column_is_a_bug() -> None:
    with pytest.raises(AssertionError, match=r"gold\.x: key or partition columns \['b'\]"):
        Table("gold.x", (Column("a", pa.string()),), key=("b",))
