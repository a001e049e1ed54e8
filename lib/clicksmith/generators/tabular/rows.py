"""Training rows by the batch, wherever they lie."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import Encoded
from clicksmith.generators.recipe import RowOrder

SAMPLE_ROWS = 65_536


class Rows(Protocol):
    """What a preset that reads rows once in a batch needs of them. C sub-columns.

    Attributes:
        counts: training rows of each code of each sub-column.
    """

    counts: Sequence[NDArray[np.int64]]

    def batch(self, number: int, batch_size: int, mine: slice) -> Tensor:
        """Codes of a part of a global batch: a function of its number, the same for any number of ranks.

        Args:
            number: of the batch. Reading on is fast, going elsewhere may not be.
            batch_size: of all ranks; the same at every call.
            mine: which rows of the batch.

        Returns:
            Shape (rows of the part, C).
        """


def first_rows(rows: Rows, batch_size: int, mine: slice) -> Iterator[Tensor]:
    """A part of each global batch of about an epoch, or of `SAMPLE_ROWS` where there are more."""
    num_rows = min(int(rows.counts[0].sum()), SAMPLE_ROWS)
    return (rows.batch(number, batch_size, mine) for number in range(-(-num_rows // batch_size)))


class MemoryRows:
    """Encoded rows in memory, in a seeded permutation an epoch; no remainder is dropped.

    Args:
        data: the rows.
        cardinalities: codes of each sub-column.
        seed: of the order.
    """

    def __init__(self, data: Encoded, cardinalities: Sequence[int], seed: int) -> None:
        self.counts: Sequence[NDArray[np.int64]] = [
            np.bincount(data.codes[:, k], minlength=c).astype(np.int64) for k, c in enumerate(cardinalities)
        ]
        self._codes = torch.from_numpy(data.codes)
        self._order = RowOrder(len(data), seed)

    def batch(self, number: int, batch_size: int, mine: slice) -> Tensor:
        """See `Rows.batch`."""
        return self._codes[self._order.rows(number, batch_size)[mine]]


def batches_of(rows: Encoded | Rows, cardinalities: Sequence[int], seed: int) -> Rows:
    """Rows by the batch, whether they are all in memory or read as they are needed."""
    return MemoryRows(rows, cardinalities, seed) if isinstance(rows, Encoded) else rows
