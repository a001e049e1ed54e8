"""Which rows of a pinned table are trained on, counted by row group: what streaming starts from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from clicksmith.errors import LakeError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.seeds import HOLDOUT_MODULUS
from clicksmith.training.snapshot import BATCH_ROWS, DataFile, data_files, hash_buckets, read_file

HASH_END = 1 << 32
_BUCKET_BITS = 12


@dataclass(frozen=True)
class RowIndex:
    """The rows of a split without the generators' holdout, by the row groups that hold them.

    Attributes:
        limit: rows whose id has a smaller hash are trained on.
        files: number of each row group's file, among `data_files`; shape (G,).
        groups: number of the row group in its file, shape (G,).
        counts: its rows that are trained on, shape (G,).
    """

    limit: int
    files: NDArray[np.int64]
    groups: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def build(cls, snapshot: Snapshot, where: Mapping[str, Any], max_rows: int) -> "RowIndex":
        """Count; reads the ids alone, once or, if there are more rows than `max_rows`, twice.

        Args:
            snapshot: of a table whose key is one id.
            where: column to value.
            max_rows: at most so many rows, those with the smallest hashes; a thousandth may be left out.

        Raises:
            LakeError: the snapshot is gone or cannot be read in this way.
        """
        histogram = np.zeros(HASH_END >> (32 - _BUCKET_BITS), dtype=np.int64)
        for _, _, hashes in _hashes(snapshot, where):
            kept = hashes[hashes % HOLDOUT_MODULUS != 0]
            histogram += np.bincount(kept >> (32 - _BUCKET_BITS), minlength=len(histogram))
        buckets = int(np.searchsorted(np.cumsum(histogram), max_rows, side="right"))
        limit = max(1, buckets) << (32 - _BUCKET_BITS)
        counted: dict[tuple[int, int], int] = {}
        for file, group, hashes in _hashes(snapshot, where):
            number = int(is_trained_on(hashes, limit).sum())
            counted[file, group] = counted.get((file, group), 0) + number
        kept_groups = [(*place, number) for place, number in counted.items() if number]
        table = np.array(kept_groups, dtype=np.int64).reshape(-1, 3)
        return cls(limit, *(np.ascontiguousarray(column) for column in table.T))

    @property
    def num_rows(self) -> int:
        """Rows that are trained on."""
        return int(self.counts.sum())

    def to_bytes(self, code_counts: Sequence[NDArray[np.int64]]) -> bytes:
        """For the workers: the index, and the rows of each code of each sub-column."""
        arrays = {f"codes-{k:06d}": count for k, count in enumerate(code_counts)}
        arrays |= {"files": self.files, "groups": self.groups, "counts": self.counts}
        return bytes(save({**arrays, "limit": np.array([self.limit])}))

    @classmethod
    def from_bytes(cls, content: bytes) -> "tuple[RowIndex, list[NDArray[np.int64]]]":
        """The inverse of `to_bytes`.

        Raises:
            LakeError: the content is damaged.
        """
        try:
            saved = load(content)
            codes = [saved[name] for name in sorted(saved) if name.startswith("codes-")]
            index = cls(int(saved["limit"][0]), saved["files"], saved["groups"], saved["counts"])
        except (SafetensorError, KeyError) as error:
            raise LakeError(
                f"The index of the training rows is damaged: {error}.", "Delete the run's folder."
            ) from None
        return index, codes


def is_trained_on(hashes: NDArray[np.int64], limit: int) -> NDArray[np.bool_]:
    """Which rows are trained on, by the hash of their id, shape (N,)."""
    trained: NDArray[np.bool_] = (hashes < limit) & (hashes % HOLDOUT_MODULUS != 0)
    return trained


def read_trained(
    snapshot: Snapshot,
    file: DataFile,
    names: Sequence[str],
    where: Mapping[str, Any],
    limit: int,
    row_groups: Sequence[int] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.Table]:
    """A file's rows that are trained on, in the order in which they are stored; see `read_file`."""
    key = snapshot.table.key[0]
    columns = list(dict.fromkeys([*names, key]))
    for _, rows in read_file(snapshot, file, columns, where, row_groups, batch_rows):
        trained = is_trained_on(hash_buckets(rows.column(key).combine_chunks()), limit)
        yield rows.select(list(names)).filter(pa.array(trained))


def scan_trained(
    snapshot: Snapshot, names: Sequence[str], where: Mapping[str, Any], limit: int
) -> Iterator[pa.Table]:
    """All rows that are trained on, batch by batch."""
    for file in data_files(snapshot, where):
        yield from read_trained(snapshot, file, names, where, limit)


def _hashes(snapshot: Snapshot, where: Mapping[str, Any]) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Number of a file, of a row group, and the hashes of some ids in it."""
    key = snapshot.table.key[0]
    for number, file in enumerate(data_files(snapshot, where)):
        for group, rows in read_file(snapshot, file, [key], where):
            yield number, group, hash_buckets(rows.column(key).combine_chunks())
