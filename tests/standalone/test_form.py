"""Any table becomes what codecs know, and comes back as it was."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from clicksmith.errors import ContractError, SourceError
from clicksmith.standalone.form import Form, coded_type
from clicksmith.standalone.read import read_table
from standalone.tables import mixed_frame, mixed_table


def there_and_back(table: object) -> object:
    form = Form.of(*read_table(table))
    form = Form.from_json(form.to_json())
    return form.to_caller(form.decode(form.encode(read_table(table)[0])))


def test_pandas_types_come_back() -> None:
    frame = mixed_frame(40)
    assert_frame_equal(there_and_back(frame), frame)


def test_polars_types_come_back() -> None:
    frame = pl.from_pandas(mixed_frame(40)).with_columns(pl.col("name").cast(pl.Categorical))
    back = there_and_back(frame)
    assert isinstance(back, pl.DataFrame) and back.schema == frame.schema
    assert back.rows() == frame.rows()


def test_arrow_types_come_back() -> None:
    table = mixed_table(30)
    back = there_and_back(table)
    assert back.schema.equals(table.schema) and back.equals(table)


def test_a_batch_and_what_exports_a_stream_are_tables() -> None:
    table = pa.table({"a": [1, 2]})

    class Streams:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return table.__arrow_c_stream__(requested_schema)

    for one in (table.to_batches()[0], Streams()):
        assert read_table(one)[0].equals(table)


@settings(max_examples=50, deadline=None)
@given(
    kind=st.sampled_from([pa.int8(), pa.uint16(), pa.int64(), pa.date32(), pa.date64(), pa.duration("ms")]),
    numbers=st.lists(st.none() | st.integers(0, 127), max_size=12),
)
def test_small_whole_numbers_of_any_type_come_back(kind: pa.DataType, numbers: list[int | None]) -> None:
    if pa.types.is_date64(kind):
        numbers = [None if n is None else n * 86_400_000 for n in numbers]
    width = pa.int32() if kind == pa.date32() else pa.int64()
    table = pa.table({"a": pa.array(numbers, width).cast(kind)})
    assert there_and_back(table).equals(table)


def test_types_of_codecs() -> None:
    assert coded_type(pa.dictionary(pa.int8(), pa.large_string())) == pa.string()
    assert coded_type(pa.decimal128(5, 2)) == pa.float64()
    assert coded_type(pa.list_(pa.int64())) is None and coded_type(pa.binary()) is None


def test_whole_numbers_beyond_floats_are_names() -> None:
    form = Form.of(pa.table({"id": [2**53 + 1], "small": [1]}), "arrow")
    assert form.coded == {"id": pa.string(), "small": pa.int64()}


@pytest.mark.parametrize(
    ("keys", "kind", "new"),
    [
        (pa.array([-5, 7], pa.int32()), pa.int32(), [8, 9]),
        (pa.array([3, 250], pa.uint8()), pa.int64(), [251, 252]),
        (pa.array([2**31 - 1], pa.int32()), pa.int64(), [2**31, 2**31 + 1]),
        (pa.array([2**60]), pa.int64(), [2**60 + 1, 2**60 + 2]),
        (pa.array([2**63 + 5], pa.uint64()), pa.uint64(), [2**63 + 6, 2**63 + 7]),
        (pa.array(["a"]), pa.string(), ["synthetic-0", "synthetic-1"]),
        (pa.array(["synthetic-0", "synthetic-7"]), pa.string(), ["synthetic-8", "synthetic-9"]),
        (pa.array(["a"]).dictionary_encode(), pa.string(), ["synthetic-0", "synthetic-1"]),
        (pa.array([4]).dictionary_encode(), pa.string(), ["synthetic-0", "synthetic-1"]),
    ],
)
def test_new_keys_are_none_of_the_real_ones(keys: pa.Array, kind: pa.DataType, new: list[object]) -> None:
    table = pa.table({"key": keys})
    form = Form.of(table, "arrow").with_key("key", table["key"])
    form = Form.from_json(form.to_json())
    assert form.encode(table).num_rows == len(keys)
    made = form.decode(pa.table({"key": form.new_keys("key", np.arange(2))}))
    assert made.schema.field("key").type == kind and made["key"].to_pylist() == new


@pytest.mark.parametrize(
    "keys", [pa.array([1.0]), pa.array([True]), pa.array([0], pa.timestamp("s")), pa.array([2**63 - 1])]
)
def test_keys_of_which_there_are_no_new_ones(keys: pa.Array) -> None:
    table = pa.table({"key": keys})
    with pytest.raises(ContractError, match=r"Column 'key' says whose a row is, and is of type .*Cast it"):
        Form.of(table, "arrow").with_key("key", table["key"])


def test_more_values_than_a_dictionary_has_indices_for() -> None:
    table = pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0], pa.int8()), pa.array([0]))})
    back = Form.of(table, "arrow").decode(pa.table({"a": list(range(200))}))
    assert back["a"].to_pylist() == list(range(200))


def test_what_cannot_be_learnt_is_named() -> None:
    table = pa.table({"a": [1], "b": [b"x"], "c": [{"d": 1}]})
    with pytest.raises(ContractError, match=r"b \(binary\), c \(struct<d: int64>\) .*Leave them out"):
        Form.of(table, "arrow")


def test_what_is_no_table() -> None:
    import pandas as pd

    with pytest.raises(ContractError, match="this is a dict"):
        read_table({"a": [1]})
    with pytest.raises(ContractError, match="Several columns are named a"):
        read_table(pa.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(ContractError, match="no columns"):
        read_table(pa.table({}))
    with pytest.raises(ContractError, match=r"data frame cannot be read.*column a"):
        read_table(pd.DataFrame({"a": [1, "x"]}))


def test_files(tmp_path: object) -> None:
    import pyarrow.parquet as pq
    from deltalake import write_deltalake

    table = pa.table({"a": [1, 2], "b": ["x", None]})
    pq.write_table(table, f"{tmp_path}/t.parquet")
    with open(f"{tmp_path}/t.csv", "w") as file:
        file.write("a,b\n1,x\n2,\n")
    for version in range(2):
        write_deltalake(f"{tmp_path}/delta", table.slice(version), mode="overwrite")
    for name, rows in (("t.parquet", 2), ("t.csv", 2), ("delta", 1)):
        found, library = read_table(f"{tmp_path}/{name}")
        assert library == "arrow" and found.to_pylist() == table.slice(2 - rows).to_pylist()
    assert read_table(f"{tmp_path}/delta", version=0)[0].num_rows == 2
    with pytest.raises(SourceError, match="There is no file or folder"):
        read_table(f"{tmp_path}/nowhere.parquet")
    with pytest.raises(SourceError, match=r"t\.csv cannot be read"):
        read_table(f"{tmp_path}/t.csv", version=3)
