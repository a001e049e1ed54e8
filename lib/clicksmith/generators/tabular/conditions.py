"""Which real rows the critic sees: conditional vectors of the CTGAN recipe, and balanced labels.

A conditional vector (Xu et al. 2019) is a column and one of its modes for each row. Rows that have a
mode are found by a flat index with offsets: no search and no loop while training.
"""

import torch
from torch import Tensor

from clicksmith.encoding.table import TableCodec
from clicksmith.errors import TrainingError
from clicksmith.generators.tabular.layout import Layout


class Conditions:
    """Draws conditions and matching real rows.

    Args:
        layout: of the rows.
        flat: flat mode index of the training rows, shape (N, C).
        balanced: a column that half of the conditions are on, each of its values equally often.
    """

    def __init__(self, layout: Layout, flat: Tensor, balanced: int | None = None) -> None:
        self._layout, self._balanced = layout, balanced
        self._num_rows = len(flat)
        # Row numbers sorted by (column, mode, row): the rows of flat mode m are a range of it.
        self._rows = torch.argsort(flat.T, dim=1, stable=True).flatten().to(torch.int32)
        self.counts = torch.bincount(flat.flatten(), minlength=layout.num_flat)
        self._starts = torch.cumsum(self.counts, 0) - self.counts
        weights = torch.log(self.counts.double() + 1)
        if balanced is not None:
            mine = layout.segments == balanced
            weights[mine] = (self.counts[mine] > 0).double()
        self._cumulated = torch.cat([torch.zeros(1, dtype=torch.float64), weights.cumsum(0)])
        self._ends = layout.offsets + torch.bincount(layout.segments, minlength=layout.num_columns)

    def draw(self, size: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """Conditions for a batch: the column uniform, the mode with probability ~ log(frequency + 1).

        Returns:
            flat mode indices and numbers of real rows that have them, shapes (size,).
        """
        column = torch.randint(self._layout.num_columns, (size,), generator=stream)
        if self._balanced is not None:
            column[torch.rand(size, generator=stream) < 0.5] = self._balanced
        uniform = torch.rand(2, size, generator=stream, dtype=torch.float64)
        low, high = self._cumulated[self._layout.offsets[column]], self._cumulated[self._ends[column]]
        mode = torch.searchsorted(self._cumulated, low + uniform[0] * (high - low), right=True) - 1
        # Rounding must not lead outside the column or to a mode without rows (whose weight is 0).
        mode = torch.minimum(mode, self._ends[column] - 1)
        count = self.counts[mode]
        pick = self._starts[mode] + (uniform[1] * count).long().clamp(max=count - 1)
        return mode, self._rows[pick].long()


class BalancedRows:
    """Draws rows so that each value of a label comes equally often.

    Args:
        labels: a mode of each row, shape (N,).
    """

    def __init__(self, labels: Tensor) -> None:
        self._rows = torch.argsort(labels, stable=True)
        _, self._counts = torch.unique(labels, return_counts=True)
        self._starts = torch.cumsum(self._counts, 0) - self._counts

    def draw(self, size: int, stream: torch.Generator) -> Tensor:
        """Row numbers, shape (size,), with replacement."""
        uniform = torch.rand(2, size, generator=stream, dtype=torch.float64)
        value = (uniform[0] * len(self._counts)).long()
        count = self._counts[value]
        return self._rows[self._starts[value] + (uniform[1] * count).long().clamp(max=count - 1)]


def subcolumn(codec: TableCodec, name: str | None) -> int | None:
    """The (first) sub-column of a column to balance by.

    Raises:
        TrainingError: there is no such column.
    """
    if name is not None and name not in codec.names:
        raise TrainingError(
            f"balance_by is {name!r}, which is no column of the training rows: {', '.join(codec.names)}.",
            "Name one of them.",
        )
    return None if name is None else codec.slots[codec.names.index(name)].start
