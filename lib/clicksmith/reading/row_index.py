"""Which rows of a pinned table are trained on, counted by row group: what streaming starts from."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from clicksmith.errors import LakeError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.snapshot import BATCH_ROWS, DataFile, data_files, read_file
from clicksmith.seeds import Holdout, hash_buckets

HASH_END = 1 << 32
_BUCKET_BITS = 12


@dataclass(frozen=True)
class RowIndex:
    """The rows of a split without the generators' holdout, by the row groups that hold them.

    Attributes:
        holdout: which rows are not trained on.
        limit: of the others, those whose id has a smaller hash are.
        files: number of each row group's file, among `data_files`; shape (G,).
        groups: number of the row group in its file, shape (G,).
        counts: its rows that are trained on, shape (G,).
    """

    holdout: Holdout
    limit: int
    files: NDArray[np.int64]
    groups: NDArray[np.int64]
    counts: NDArray[np.int64]

    @classmethod
    def build(
        cls, snapshot: Snapshot, where: Mapping[str, Any], max_rows: int, holdout: Holdout
    ) -> "RowIndex":
        """Count; reads the ids alone, twice.

        Args:
            snapshot: of a table whose key is one id.
            where: column to value.
            max_rows: at most so many rows, those with the smallest hashes; a thousandth may be left out.
                They are counted before any is held out, as by `load_shown`.
            holdout: which rows are not trained on.

        Raises:
            LakeError: the snapshot is gone or cannot be read in this way.
        """
        histogram = np.zeros(HASH_END >> (32 - _BUCKET_BITS), dtype=np.int64)
        key = snapshot.table.key[0]
        for _, _, rows in _groups(snapshot, where, [key]):
            hashes = hash_buckets(rows.column(key))
            histogram += np.bincount(hashes >> (32 - _BUCKET_BITS), minlength=len(histogram))
        buckets = int(np.searchsorted(np.cumsum(histogram), max_rows, side="right"))
        limit = max(1, buckets) << (32 - _BUCKET_BITS)
        counted: dict[tuple[int, int], int] = {}
        for file, group, rows in _groups(snapshot, where, dict.fromkeys([key, *holdout.key])):
            number = int(_is_trained_on(rows, key, holdout, limit).sum())
            counted[file, group] = counted.get((file, group), 0) + number
        kept_groups = [(*place, number) for place, number in counted.items() if number]
        table = np.array(kept_groups, dtype=np.int64).reshape(-1, 3)
        return cls(holdout, limit, *(np.ascontiguousarray(column) for column in table.T))

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
    def from_bytes(cls, content: bytes, holdout: Holdout) -> "tuple[RowIndex, list[NDArray[np.int64]]]":
        """The inverse of `to_bytes`, given what the index was built with.

        Raises:
            LakeError: the content is damaged.
        """
        try:
            saved = load(content)
            codes = [saved[name] for name in sorted(saved) if name.startswith("codes-")]
            arrays = (saved[name] for name in ("files", "groups", "counts"))
            index = cls(holdout, int(saved["limit"][0]), *arrays)
        except (SafetensorError, KeyError) as error:
            raise LakeError(
                f"The index of the training rows is damaged: {error}.", "Delete the run's folder."
            ) from None
        return index, codes


def read_trained(
    snapshot: Snapshot,
    file: DataFile,
    names: Sequence[str],
    where: Mapping[str, Any],
    index: RowIndex,
    row_groups: Sequence[int] | None = None,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.Table]:
    """A file's rows that are trained on, in the order in which they are stored; see `read_file`."""
    key = snapshot.table.key[0]
    columns = list(dict.fromkeys([*names, key, *index.holdout.key]))
    for _, rows in read_file(snapshot, file, columns, where, row_groups, batch_rows):
        trained = _is_trained_on(rows, key, index.holdout, index.limit)
        yield rows.select(list(names)).filter(pa.array(trained))


def scan_trained(
    snapshot: Snapshot, names: Sequence[str], where: Mapping[str, Any], index: RowIndex
) -> Iterator[pa.Table]:
    """All rows that are trained on, batch by batch."""
    for file in data_files(snapshot, where):
        yield from read_trained(snapshot, file, names, where, index)


def _is_trained_on(rows: pa.Table, key: str, holdout: Holdout, limit: int) -> NDArray[np.bool_]:
    """Which rows are trained on, shape (N,)."""
    return np.asarray((hash_buckets(rows.column(key)) < limit) & ~holdout.mask(rows))


def _groups(
    snapshot: Snapshot, where: Mapping[str, Any], names: Iterable[str]
) -> Iterator[tuple[int, int, pa.Table]]:
    """Number of a file, of a row group, and some of its rows."""
    for number, file in enumerate(data_files(snapshot, where)):
        for group, rows in read_file(snapshot, file, list(names), where):
            yield number, group, rows
