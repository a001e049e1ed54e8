"""Training sequences by the batch, as padded tensors.

Shapes: B owners, L events of the longest window, So and Se sub-columns of owners and of events.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.generators.recipe import RowOrder
from clicksmith.seeds import counter_uniform, derive_seed

AT_START, AT_END = 0.3, 0.1
"""Shares of the windows on longer sequences that hold the first, and the last, of the events: how a sequence
begins and ends is seen in these alone. The others lie anywhere."""


@dataclass(frozen=True)
class Windows:
    """Some owners, and a window on the events of each.

    Attributes:
        owners: codes, shape (B, So).
        events: codes, shape (B, L, Se); 0 beyond the window.
        sizes: events in the window, shape (B,).
        starts: events of the owner that come before it, shape (B,).
        lengths: events that the owner has in all, shape (B,).
    """

    owners: Tensor
    events: Tensor
    sizes: Tensor
    starts: Tensor
    lengths: Tensor

    @property
    def mask(self) -> Tensor:
        """Which places hold an event, shape (B, L)."""
        return torch.arange(self.events.shape[1]) < self.sizes[:, None]

    @classmethod
    def of(
        cls, data: EncodedSequences, owners: NDArray[np.int64], max_events: int, uniform: NDArray[np.float64]
    ) -> "Windows":
        """Windows of at most `max_events` events.

        Args:
            data: the sequences.
            owners: which, shape (B,).
            max_events: of a window.
            uniform: where windows on longer sequences lie, shape (B, 2).
        """
        lengths = data.lengths[owners]
        spare = np.maximum(lengths - max_events, 0)
        place = np.minimum((uniform[:, 1] * (spare + 1)).astype(np.int64), spare)
        starts = np.select([uniform[:, 0] < AT_START, uniform[:, 0] >= 1 - AT_END], [0, spare], place)
        sizes = np.minimum(lengths, max_events)
        steps = np.arange(max(int(sizes.max(initial=0)), 1))
        inside = steps < sizes[:, None]
        index = np.where(inside, data.offsets[owners][:, None] + starts[:, None] + steps, 0)
        events = np.zeros((*index.shape, data.events.shape[1]), dtype=np.int64)
        events[inside] = data.events[index[inside]]
        found = data.owners[owners].astype(np.int64), events, sizes, starts, lengths
        return cls(*(torch.from_numpy(np.ascontiguousarray(part)) for part in found))


class MemorySequences:
    """Sequences in memory: owners in a seeded permutation an epoch; no remainder is dropped.

    Args:
        data: the sequences, without empty ones or with.
        seed: of the order, and of where windows lie.
        max_events: of a window.
    """

    def __init__(self, data: EncodedSequences, seed: int, max_events: int = 100) -> None:
        self.data, self.max_events, self._seed = data, max_events, seed
        self._order = RowOrder(len(data), seed)

    def batch(self, number: int, batch_size: int, mine: slice) -> Windows:
        """A part of a global batch: a function of its number, the same for any number of ranks.

        Args:
            number: of the batch.
            batch_size: of all ranks; the same at every call.
            mine: which owners of the batch.
        """
        owners = self._order.rows(number, batch_size)[mine].numpy()
        places = np.arange(number * batch_size, (number + 1) * batch_size)[mine]
        uniform = counter_uniform(derive_seed(self._seed, "windows"), places, 2)
        return Windows.of(self.data, owners, self.max_events, uniform)
