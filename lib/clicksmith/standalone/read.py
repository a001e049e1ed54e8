"""What people have, a table of any library or a file, as Arrow."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from clicksmith.errors import ContractError, SourceError
from clicksmith.lakehouse import storage

ARROW, PANDAS, POLARS = "arrow", "pandas", "polars"


def read_table(table: Any, version: int | None = None) -> tuple[pa.Table, str]:
    """A table as Arrow, and the library that it is of: `ARROW`, `PANDAS` or `POLARS`.

    Args:
        table: of pandas, Polars or Arrow; anything with ``__arrow_c_stream__`` or ``to_arrow``; the path or
            URI of Parquet, CSV or a Delta table.
        version: of the Delta table; None: the newest.

    Raises:
        SourceError: there is no such file, or it cannot be read.
        ContractError: it is no table, has no column, two of one name, or a column of mixed values.
    """
    if isinstance(table, str | Path):
        rows, library = _read_file(str(table), version), ARROW
    else:
        library = _library(table)
        rows = _from_pandas(table) if library == PANDAS else _from_memory(table)
    names = rows.column_names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ContractError(f"Several columns are named {', '.join(twice)}.", "Give each its own name.")
    if not names:
        raise ContractError("The table has no columns.", "Give it some.")
    return rows, library


def _library(table: Any) -> str:
    name = type(table).__module__.partition(".")[0]
    return name if name in (PANDAS, POLARS) and hasattr(table, "columns") else ARROW


def _from_pandas(frame: Any) -> pa.Table:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise ContractError(
            f"The data frame cannot be read: {'; '.join(map(str, error.args))}.",
            "Give the columns of each value one type, e.g. by frame.convert_dtypes() or astype(str).",
        ) from None


def _from_memory(table: Any) -> pa.Table:
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "__arrow_c_stream__"):
        return pa.RecordBatchReader.from_stream(table).read_all()
    if hasattr(table, "to_arrow"):
        return _from_memory(table.to_arrow())
    raise ContractError(
        f"A table was expected, of pandas, Polars or Arrow, or a path; this is a {type(table).__name__}.",
        "A lazy frame has to be collected first, a dictionary can become a table by pyarrow.table(...).",
    )


def _read_file(uri: str, version: int | None) -> pa.Table:
    """By what lies there: a Delta table, CSV by its name, or Parquet."""
    try:
        if version is not None or storage.exists(storage.join(uri, "_delta_log")):
            from deltalake import DeltaTable

            return DeltaTable(uri, version=version).to_pyarrow_table()
        filesystem, path = storage.resolve(uri)
        if not storage.exists(uri):
            raise SourceError(f"There is no file or folder {uri}.", "Check the path.")
        if path.removesuffix(".gz").endswith(".csv"):
            from pyarrow import csv

            with filesystem.open_input_stream(path) as stream:
                options = csv.ConvertOptions(strings_can_be_null=True)
                return csv.read_csv(stream, convert_options=options)
        from pyarrow import parquet

        return parquet.read_table(path, filesystem=filesystem)
    except SourceError:
        raise
    except Exception as error:  # Arrow and deltalake raise many kinds
        raise SourceError(
            f"{uri} cannot be read: {str(error)[:300]}.",
            "Parquet, CSV (its name ends in .csv or .csv.gz) and Delta tables can be.",
        ) from None
