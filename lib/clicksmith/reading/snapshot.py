"""From a pinned Delta snapshot to Arrow rows in an order that no file layout changes.

Parquet files are read through the snapshot's add actions, the fastest way (no Spark, no JVM).
That way ignores deletion vectors and column mapping, so tables with these are refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from numpy.typing import NDArray

from clicksmith.errors import ContractError, LakeError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.seeds import Holdout, hash_buckets
from clicksmith.tables.schema import Table

BATCH_ROWS = 65_536
BUFFER_BYTES = 1 << 18
"""Read of a column at a time; whole row groups would not fit memory where many are read side by side."""
_HASH = "__hash"


def load_examples(snapshot: Snapshot, columns: Sequence[str], split: str, max_rows: int) -> pa.Table:
    """At most `max_rows` rows of a split: those with the smallest hash of their id, in that order.

    Args:
        snapshot: of a table whose key is one id, e.g. gold.training_examples.
        columns: what to return, in order.
        split: train, validation or test.
        max_rows: memory stays bounded by about twice as many rows.

    Raises:
        LakeError: the snapshot is gone or cannot be read in this way.
        ContractError: a column is unknown.
    """
    return load_table(snapshot, columns, {"split": split}, max_rows)


def load_shown(
    snapshot: Snapshot,
    columns: Sequence[str],
    max_rows: int,
    holdout: Holdout,
    held_out: bool = False,
) -> pa.Table:
    """What a generator may see of the `max_rows` training rows of smallest hash, or what is held out of them.

    Rows are counted before any is held out: whoever trains on as many real rows trains on all that the
    generator saw, however many of them the held-out users have.

    Args:
        snapshot: of gold.training_examples.
        columns: what to return, in order.
        max_rows: see `load_examples`.
        holdout: which rows are held out.
        held_out: whether to return these, not the others.

    Raises:
        LakeError: the snapshot is gone or cannot be read in this way.
        ContractError: a column is unknown.
    """
    names = list(dict.fromkeys([*columns, *holdout.key]))
    rows = load_examples(snapshot, names, "train", max_rows)
    return rows.filter(pa.array(holdout.mask(rows) == held_out)).select(list(columns)).combine_chunks()


def load_table(
    snapshot: Snapshot,
    columns: Sequence[str],
    where: Mapping[str, str | int | bool] | None = None,
    max_rows: int | None = None,
    among: pa.Array | None = None,
) -> pa.Table:
    """Rows whose columns equal the values in `where`, ordered by (hash of the first key column, key).

    Args:
        snapshot: what to read.
        columns: what to return, in order.
        where: column to value; partition columns prune files.
        max_rows: the first so many rows in that order; None returns all: the caller knows that they fit.
        among: ids; only rows whose first key column is one of them.

    Raises:
        LakeError: the snapshot is gone or cannot be read in this way.
        ContractError: a column is unknown.
    """
    table, where = snapshot.table, dict(where or {})
    unknown = [name for name in (*columns, *where) if name not in table.column_names]
    if unknown:
        raise ContractError(
            f"{table.name} has no column {', '.join(unknown)}; it has {', '.join(table.column_names)}."
        )
    names = list(dict.fromkeys([*columns, *table.key]))
    kept: list[pa.Table] = []
    num_kept, limit = 0, 1 << 32
    files = data_files(snapshot, where)
    for _, batch in (found for file in files for found in read_file(snapshot, file, names, where)):
        if among is not None:
            batch = batch.filter(pc.is_in(batch.column(table.key[0]), value_set=among))
        hashes = hash_buckets(batch.column(table.key[0]))
        mask = hashes <= limit
        if not mask.any():
            continue
        kept.append(batch.append_column(_HASH, pa.array(hashes)).filter(pa.array(mask)))
        num_kept += kept[-1].num_rows
        if max_rows is not None and num_kept > 2 * max_rows + BATCH_ROWS:
            kept = [_first(kept, table, max_rows)]
            num_kept = kept[0].num_rows
            limit = kept[0].column(_HASH)[-1].as_py()  # no later row above it can be among the first
    if not kept:
        return pa.table({name: pa.array([], table[name].type) for name in columns})
    return _first(kept, table, max_rows).select(list(columns)).combine_chunks()


def _first(parts: list[pa.Table], table: Table, max_rows: int | None) -> pa.Table:
    rows = pa.concat_tables(parts)
    order = pc.sort_indices(
        rows, sort_keys=[(_HASH, "ascending"), *((name, "ascending") for name in table.key)]
    )
    return rows.take(order if max_rows is None else order[:max_rows])


def not_after(ids: pa.ChunkedArray, last: str) -> NDArray[np.bool_]:
    """Which ids come no later than one of them in the order of `load_table`, shape (N,)."""
    hashes, border = hash_buckets(ids), int(hash_buckets(pa.array([last]))[0])
    return np.asarray((hashes < border) | ((hashes == border) & pc.less_equal(ids, last).to_numpy()))


def latest(snapshot: Snapshot, column: str) -> Any:
    """The largest value of a column; None of an empty table."""
    batches = (
        rows for file in data_files(snapshot, {}) for _, rows in read_file(snapshot, file, [column], {})
    )
    found = [pc.max(rows.column(column)).as_py() for rows in batches]
    return max((value for value in found if value is not None), default=None)


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a snapshot.

    Attributes:
        path: within the table's file system.
        constants: values of the partition columns.
    """

    path: str
    constants: Mapping[str, Any]


def data_files(snapshot: Snapshot, where: Mapping[str, Any]) -> list[DataFile]:
    """The snapshot's files that can hold rows with the values in `where`, by path.

    Raises:
        LakeError: the snapshot is gone or cannot be read in this way.
    """
    delta = _open(snapshot)
    partitions = delta.metadata().partition_columns
    _, root = storage.resolve(snapshot.uri)
    files = []
    for action in pa.table(delta.get_add_actions(flatten=True)).to_pylist():
        constants = {name: action[f"partition.{name}"] for name in partitions}
        if all(str(constants[name]) == str(value) for name, value in where.items() if name in constants):
            files.append(DataFile(f"{root}/{unquote(action['path'])}", constants))
    return sorted(files, key=lambda file: file.path)


def read_file(
    snapshot: Snapshot,
    file: DataFile,
    names: Sequence[str],
    where: Mapping[str, Any],
    row_groups: Sequence[int] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[tuple[int, pa.Table]]:
    """A file's rows that fulfil `where`, with the declared types, in the order in which they are stored.

    Args:
        snapshot: whose file it is.
        file: one of `data_files`.
        names: columns, in order.
        where: column to value.
        row_groups: which; None reads all.
        batch_rows: rows that are read at a time.

    Yields:
        Number of a row group, and at most `batch_rows` of its rows.

    Raises:
        LakeError: the file is gone or damaged.
    """
    filesystem, _ = storage.resolve(snapshot.uri)
    filters = {name: value for name, value in where.items() if name not in file.constants}
    stored = [name for name in dict.fromkeys([*names, *filters]) if name not in file.constants]
    try:
        with filesystem.open_input_file(file.path) as source:
            parquet = pq.ParquetFile(source, buffer_size=BUFFER_BYTES)
            for group in range(parquet.num_row_groups) if row_groups is None else row_groups:
                for batch in parquet.iter_batches(batch_rows, row_groups=[group], columns=stored):
                    rows = pa.Table.from_batches([batch])
                    yield group, _typed(rows, names, filters, file.constants, snapshot.table)
    except (OSError, pa.ArrowException) as error:
        raise LakeError(
            f"{snapshot.table.name} version {snapshot.version}: cannot read {file.path}: {error}.",
            "A vacuumed version cannot be trained from: run the jobs again from the newest version.",
        ) from None


def _typed(
    rows: pa.Table,
    names: Sequence[str],
    filters: Mapping[str, Any],
    constants: Mapping[str, Any],
    table: Table,
) -> pa.Table:
    for name, value in filters.items():
        rows = rows.filter(pc.equal(rows.column(name), pa.scalar(value, table[name].type)))
    arrays = []
    for name in names:
        if name in constants:
            value = pa.scalar(constants[name]).cast(table[name].type)
            arrays.append(pa.chunked_array([pa.repeat(value, rows.num_rows)], type=table[name].type))
        else:
            arrays.append(rows.column(name).cast(table[name].type))
    return pa.table(arrays, names=list(names))


def _open(snapshot: Snapshot) -> DeltaTable:
    """The table at its pinned version, if reading its Parquet files alone gives the right rows."""
    where = f"{snapshot.table.name} version {snapshot.version}"
    try:
        delta = DeltaTable(snapshot.uri, version=snapshot.version)
    except Exception as error:
        raise LakeError(f"Cannot open {where} at {snapshot.uri}: {error}.") from None
    protocol = delta.protocol()
    features = set(protocol.reader_features or []) - {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}
    mapping = delta.metadata().configuration.get("delta.columnMapping.mode", "none")
    if mapping != "none" or protocol.min_reader_version == 2:
        features.add("columnMapping")
    if features:
        raise LakeError(
            f"{where} needs the reader features {sorted(features)}, which training does not read.",
            "Write it without deletion vectors and column mapping, or rewrite it with the job that makes it.",
        )
    return delta
