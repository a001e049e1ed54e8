"""Arrays of a codec as Arrow IPC bytes, beside its JSON."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa


def write_part(columns: Mapping[str, Any]) -> bytes:
    """Columns of one length as an Arrow IPC stream; the same bytes for equal columns."""
    table = pa.table(dict(columns))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def read_part(part: bytes) -> dict[str, pa.Array]:
    """The inverse of `write_part`.

    Raises:
        pa.ArrowException, OSError: the bytes are damaged.
    """
    with pa.ipc.open_stream(part) as reader:
        table = reader.read_all().combine_chunks()
    return {name: one_array(table.column(name)) for name in table.column_names}


def one_array(column: pa.ChunkedArray) -> pa.Array:
    """A column's values without chunks."""
    chunks = column.combine_chunks()
    return chunks if isinstance(chunks, pa.Array) else pa.concat_arrays(chunks.chunks)
