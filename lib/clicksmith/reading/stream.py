"""Training rows of a pinned table that does not fit memory, batch by batch.

The table's row groups, in an order drawn by the seed, are cut into lanes of equal length (to one row). A
batch takes as many rows of each lane, so that each rank reads some lanes only, and what is read does not
depend on the number of ranks. Each lane goes through its pieces in an order drawn anew an epoch, and gives
out the rows of a window of them in a random order. It wraps round at its end: no row is dropped, and each
comes once an epoch. Where a lane stands is a function of the batch's number, which is the cursor.

The order depends on how the pinned version is laid out in files. Shapes: C sub-columns.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import TableCodec
from clicksmith.errors import LakeError
from clicksmith.lakehouse.catalog import Snapshot
from clicksmith.reading.row_index import RowIndex, read_trained
from clicksmith.reading.snapshot import data_files
from clicksmith.seeds import derive_seed

MAX_LANES = 8
"""Each is a file being read: a page of every column is in memory. With more ranks, some share a lane."""

WINDOW_ROWS = 16_384
"""Rows of a lane that are shuffled together and held in memory."""


@dataclass(frozen=True)
class _Piece:
    """A part of a row group: rows `start` to `stop` of those that are trained on."""

    file: int
    group: int
    start: int
    stop: int


class StreamedRows:
    """`generators.rows.Rows` of a table.

    Args:
        snapshot: the pinned table.
        where: column to value, as the index was built with.
        codec: of the rows.
        index: of the rows that are trained on; at least one.
        counts: rows of each code of each sub-column.
        seed: of the order.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        where: Mapping[str, Any],
        codec: TableCodec,
        index: RowIndex,
        counts: Sequence[NDArray[np.int64]],
        seed: int,
    ) -> None:
        self.counts = counts
        self._snapshot, self._where, self._codec = snapshot, where, codec
        self._index, self._seed = index, seed
        self._files = data_files(snapshot, where)
        self._type = np.min_scalar_type(max(codec.cardinalities))
        self._lanes: list[_Lane] = []

    def batch(self, number: int, batch_size: int, mine: slice) -> Tensor:
        """See `Rows.batch`: row p of a batch is of lane p * lanes // batch_size."""
        if not self._lanes:
            self._lanes = self._make_lanes(math.gcd(batch_size, MAX_LANES))
        share = batch_size // len(self._lanes)
        parts = []
        for lane in range(mine.start // share, -(-mine.stop // share)):
            low, high = max(mine.start - lane * share, 0), min(mine.stop - lane * share, share)
            parts.append(self._lanes[lane].take(number * share + low, high - low))
        return torch.from_numpy(np.concatenate(parts).astype(np.int64))

    def _make_lanes(self, num_lanes: int) -> "list[_Lane]":
        index = self._index
        order = np.random.default_rng(derive_seed(self._seed, "groups")).permutation(len(index.counts))
        ends = np.cumsum(index.counts[order])
        # With fewer rows than lanes, some lanes share rows.
        borders = [lane * index.num_rows // num_lanes for lane in range(num_lanes + 1)]
        lanes = []
        for lane, low in enumerate(borders[:-1]):
            high = max(borders[lane + 1], low + 1)
            pieces = []
            for place in range(int(np.searchsorted(ends, low, side="right")), len(order)):
                group, first = order[place], int(ends[place] - index.counts[order[place]])
                if first >= high:
                    break
                start, stop = max(low - first, 0), min(high - first, int(index.counts[group]))
                pieces.append(_Piece(int(index.files[group]), int(index.groups[group]), start, stop))
            lanes.append(_Lane(self, pieces, derive_seed(self._seed, "lane", lane)))
        return lanes

    def read(self, piece: _Piece) -> Iterator[NDArray[np.generic]]:
        """Codes of a piece's rows, in the order in which they are stored."""
        position = 0
        batches = read_trained(
            self._snapshot,
            self._files[piece.file],
            self._codec.names,
            self._where,
            self._index,
            [piece.group],
            WINDOW_ROWS,
        )
        for rows in batches:
            low, high = max(piece.start - position, 0), min(piece.stop - position, rows.num_rows)
            position += rows.num_rows
            if low < high:
                yield self._codec.encode(rows.slice(low, high - low)).codes.astype(self._type)
            if position >= piece.stop:
                return
        raise LakeError(
            f"{self._snapshot.table.name} version {self._snapshot.version} has fewer rows than it had.",
            "Run the jobs again from the newest version.",
        )


class _Lane:
    """An endless row of rows, of which one window is in memory.

    Args:
        rows: reads the pieces.
        pieces: of the lane.
        seed: of its orders.
    """

    def __init__(self, rows: StreamedRows, pieces: list[_Piece], seed: int) -> None:
        self._rows, self._pieces, self._seed = rows, pieces, seed
        self._length = sum(piece.stop - piece.start for piece in pieces)
        self._window: NDArray[np.generic] = np.empty((0, 0))
        self._current = (-1, -1)
        """Epoch and number of the window in memory."""
        self._reader: Iterator[NDArray[np.generic]] = iter(())
        self._read_to = (-1, -1)
        """Epoch and row where the reader stands, with what is left over of its last batch."""
        self._left: list[NDArray[np.generic]] = []

    def take(self, start: int, count: int) -> NDArray[np.generic]:
        """Codes of rows from `start` on, shape (count, C)."""
        parts = []
        while count:
            epoch, offset = divmod(start, self._length)
            number, place = divmod(offset, WINDOW_ROWS)
            if self._current != (epoch, number):
                self._load(epoch, number)
            part = self._window[place : place + count]
            parts.append(part)
            start, count = start + len(part), count - len(part)
        return np.concatenate(parts)

    def _load(self, epoch: int, number: int) -> None:
        low = number * WINDOW_ROWS
        size = min(WINDOW_ROWS, self._length - low)
        if self._read_to != (epoch, low):
            self._seek(epoch, low)
        parts, missing = [], size
        while missing:
            block = self._left.pop() if self._left else next(self._reader)
            parts.append(block[:missing])
            if len(block) > missing:
                self._left.append(block[missing:])
            missing -= len(parts[-1])
        self._read_to = (epoch, low + size)
        order = np.random.default_rng(derive_seed(self._seed, "window", epoch, number)).permutation(size)
        self._window, self._current = np.concatenate(parts)[order], (epoch, number)

    def _seek(self, epoch: int, row: int) -> None:
        """Let the reader stand at a row of an epoch: whole pieces before it are not read."""
        order = np.random.default_rng(derive_seed(self._seed, "epoch", epoch)).permutation(len(self._pieces))
        pieces = []
        for piece in (self._pieces[place] for place in order):
            skipped = min(row, piece.stop - piece.start)
            row -= skipped
            if skipped < piece.stop - piece.start:
                pieces.append(_Piece(piece.file, piece.group, piece.start + skipped, piece.stop))
        self._reader = (block for piece in pieces for block in self._rows.read(piece))
        self._left = []
