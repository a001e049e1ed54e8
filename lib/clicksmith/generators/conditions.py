"""Conditional vectors of the CTGAN recipe (Xu et al. 2019): a column and one of its modes for each row.

Rows that have a mode are found by a flat index with offsets: no search and no loop while training.
"""

import torch
from torch import Tensor

from clicksmith.generators.layout import Layout


class Conditions:
    """Draws conditions and matching real rows.

    Args:
        layout: of the rows.
        flat: flat mode index of the training rows, shape (N, C).
    """

    def __init__(self, layout: Layout, flat: Tensor) -> None:
        self._layout = layout
        self._num_rows = len(flat)
        # Row numbers sorted by (column, mode, row): the rows of flat mode m are a range of it.
        self._rows = torch.argsort(flat.T, dim=1, stable=True).flatten().to(torch.int32)
        self.counts = torch.bincount(flat.flatten(), minlength=layout.num_flat)
        self._starts = torch.cumsum(self.counts, 0) - self.counts
        weights = torch.log(self.counts.double() + 1)
        self._cumulated = torch.cat([torch.zeros(1, dtype=torch.float64), weights.cumsum(0)])
        self._ends = layout.offsets + torch.bincount(layout.segments, minlength=layout.num_columns)

    def draw(self, size: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """Conditions for a batch: the column uniform, the mode with probability ~ log(frequency + 1).

        Returns:
            flat mode indices and numbers of real rows that have them, shapes (size,).
        """
        column = torch.randint(self._layout.num_columns, (size,), generator=stream)
        uniform = torch.rand(2, size, generator=stream, dtype=torch.float64)
        low, high = self._cumulated[self._layout.offsets[column]], self._cumulated[self._ends[column]]
        mode = torch.searchsorted(self._cumulated, low + uniform[0] * (high - low), right=True) - 1
        # Rounding must not lead outside the column or to a mode without rows (whose weight is 0).
        mode = torch.minimum(mode, self._ends[column] - 1)
        count = self.counts[mode]
        pick = self._starts[mode] + (uniform[1] * count).long().clamp(max=count - 1)
        return mode, self._rows[pick].long()
