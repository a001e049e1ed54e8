"""Rows as a GAN sees them: a soft-max over the modes of each column, and a scalar for a numeric one.

A mode is missing, an atom or category, or "continuous"; the scalar of a continuous value is its
position among the training quantiles, in [-1, 1]. All columns lie side by side in one flat vector,
and every operation works on all of them at once, by index and offset. A sub-column of a codec (a digit,
a calendar part, a level of an id) is a column of its own here.

Shapes: B rows, C (sub-)columns, K numeric columns, S sum of the modes; a dense row has S + K numbers.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.columns import cardinalities_of
from clicksmith.encoding.numeric import NumericCodec
from clicksmith.encoding.table import Encoded, TableCodec


class Layout(nn.Module):
    """Which flat positions belong to which column."""

    def __init__(self, codec: TableCodec) -> None:
        super().__init__()
        bins, atoms = [], []
        for column in codec.columns:
            num_bins = max(len(column.edges) - 1, 0) if isinstance(column, NumericCodec) else 0
            for cardinality in cardinalities_of(column):
                bins.append(num_bins)
                atoms.append(cardinality - 1 - num_bins)
        self.num_bins = np.asarray(bins, dtype=np.int64)
        self.num_atoms = np.asarray(atoms, dtype=np.int64)
        self.cardinalities = codec.cardinalities
        self.num_modes = 1 + self.num_atoms + (self.num_bins > 0)
        self.numeric = np.flatnonzero(self.num_bins > 0)
        self.num_columns, self.num_scalars = len(bins), len(self.numeric)
        self.num_flat = int(self.num_modes.sum())
        self.width = self.num_flat + self.num_scalars
        starts = np.concatenate([[0], np.cumsum(self.num_modes)[:-1]])
        self.offsets: Tensor
        self.segments: Tensor
        self.register_buffer("offsets", torch.from_numpy(starts), persistent=False)
        segments = np.repeat(np.arange(self.num_columns), self.num_modes)
        self.register_buffer("segments", torch.from_numpy(segments), persistent=False)

    def modes_of(self, column: int, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Modes, within their column, of a column's codes: all bins are the one continuous mode."""
        modes: NDArray[np.int64] = np.minimum(codes, self.num_modes[column] - 1)
        return modes

    @property
    def last(self) -> Tensor:
        """The last flat mode of each column, (C,): "continuous" in a numeric one."""
        return self.offsets + torch.from_numpy(self.num_modes) - 1

    def split(self, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Flat mode index (N, C) and scalars (N, K) of encoded rows."""
        continuous = (encoded.codes > self.num_atoms) & (self.num_bins > 0)
        modes = np.where(continuous, self.num_atoms + 1, encoded.codes)
        bins = np.maximum(self.num_bins, 1)
        quantile = (encoded.codes - 1 - self.num_atoms + encoded.positions) / bins
        scalars = np.where(continuous, 2 * quantile - 1, 0.0)[:, self.numeric]
        return torch.from_numpy(modes) + self.offsets, torch.from_numpy(scalars.astype(np.float32))

    def join(self, modes: NDArray[np.int64], scalars: NDArray[np.float32]) -> Encoded:
        """The inverse of `split`, from modes within their column (N, C) and scalars (N, K)."""
        codes = modes.copy()
        positions = np.full(modes.shape, 0.5, dtype=np.float32)
        bins, atoms = self.num_bins[self.numeric], self.num_atoms[self.numeric]
        place = np.clip((scalars.astype(np.float64) + 1) / 2 * bins, 0, np.nextafter(bins, 0))
        continuous = modes[:, self.numeric] == atoms + 1
        numeric_codes = np.where(
            continuous, 1 + atoms + np.floor(place).astype(np.int64), codes[:, self.numeric]
        )
        codes[:, self.numeric] = numeric_codes
        below_one = np.nextafter(np.float32(1), np.float32(0))
        inside = np.minimum((place - np.floor(place)).astype(np.float32), below_one)
        positions[:, self.numeric] = np.where(continuous, inside, np.float32(0.5))
        return Encoded(codes, positions)

    def dense(self, flat: Tensor, scalars: Tensor) -> Tensor:
        """Dense rows of one batch, (B, S + K), from flat mode indices and scalars."""
        hot = torch.zeros(len(flat), self.num_flat, device=flat.device).scatter_(1, flat, 1.0)
        return torch.cat([hot, scalars], dim=1)

    def log_normalizers(self, logits: Tensor) -> Tensor:
        """Log-sum-exp within each column, (B, C)."""
        top = logits.new_full((len(logits), self.num_columns), -torch.inf)
        index = self.segments.expand_as(logits)
        top.scatter_reduce_(1, index, logits.detach(), "amax")
        shifted = (logits - top.index_select(1, self.segments)).exp()
        total = torch.zeros_like(top).index_add(1, self.segments, shifted)
        return total.log() + top

    def softmax(self, logits: Tensor) -> Tensor:
        """Soft-max within each column, (B, S)."""
        return (logits - self.log_normalizers(logits).index_select(1, self.segments)).exp()

    def choose(self, probabilities: Tensor, uniform: Tensor) -> Tensor:
        """A mode of each column by inverse cumulated probability: (B, S), (B, C) to (B, C) within columns."""
        cumulated = probabilities.double().cumsum(1)
        ends = self.last
        high = cumulated[:, ends]
        low = torch.cat([torch.zeros_like(high[:, :1]), high[:, :-1]], dim=1)
        flat = torch.searchsorted(cumulated, low + uniform * (high - low), right=True)
        return torch.minimum(flat, ends).clamp_(min=self.offsets) - self.offsets
