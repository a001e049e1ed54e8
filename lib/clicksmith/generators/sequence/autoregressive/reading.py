"""How a network reads training sequences: forwards or backwards, from the end or from anywhere.

Read backwards, it learns what came before; read from a place in the middle, an event of which no other is
known yet. `sampling` needs both where the end of a sequence, or an event somewhere in it, is given.

Shapes: B owners, L events of the longest reading, So and Se sub-columns of owners and of events.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from clicksmith.encoding.sequence_codec import MAX_EVENTS
from clicksmith.generators.sequence.rows import Windows

EXACT = 20
"""Counts below it are told apart one by one, larger ones by their logarithm."""
GROWTH = 1.25
NUM_BUCKETS = EXACT + 1 + int(math.log(MAX_EVENTS / EXACT) / math.log(GROWTH))


@dataclass(frozen=True)
class Reading:
    """Events in the order in which they are read.

    Attributes:
        owners: codes, shape (B, So).
        events: codes, shape (B, L, Se); 0 beyond the reading.
        sizes: events that are read, shape (B,).
        done: events of the owner that come before the first one read, in the reading's direction; (B,).
        lengths: events that the owner has in all, shape (B,).
        backward: which are read from the last event to the first, shape (B,).
    """

    owners: Tensor
    events: Tensor
    sizes: Tensor
    done: Tensor
    lengths: Tensor
    backward: Tensor

    @classmethod
    def of(cls, windows: Windows, backward: Tensor, skipped: Tensor) -> "Reading":
        """Read windows.

        Args:
            windows: to read.
            backward: which are read backwards, shape (B,).
            skipped: events at the beginning of the reading that are left out, shape (B,); at most the
                window's own.
        """
        sizes = windows.sizes - skipped
        step = torch.arange(max(int(sizes.amax()), 1))
        first = torch.where(backward, windows.sizes - 1 - skipped, skipped)
        place = first[:, None] + torch.where(backward, -1, 1)[:, None] * step
        inside = step < sizes[:, None]
        index = torch.where(inside, place, 0)[:, :, None].expand(-1, -1, windows.events.shape[2])
        events = windows.events.gather(1, index) * inside[:, :, None]
        unseen = torch.where(backward, windows.lengths - windows.starts - windows.sizes, windows.starts)
        return cls(windows.owners, events, sizes, unseen + skipped, windows.lengths, backward)

    @property
    def mask(self) -> Tensor:
        """Which places hold an event, shape (B, L)."""
        return torch.arange(self.events.shape[1], device=self.sizes.device) < self.sizes[:, None]

    def to(self, device: torch.device) -> "Reading":
        """The same on a device."""
        return Reading(*(part.to(device) for part in vars(self).values()))


def bucket(count: Tensor) -> Tensor:
    """Where a count of events belongs, in [0, `NUM_BUCKETS`); beyond the end of a sequence, 0."""
    above = torch.log(count.clamp(min=EXACT).double() / EXACT) / math.log(GROWTH)
    return torch.where(count < EXACT, count, EXACT + above.long()).clamp(0, NUM_BUCKETS - 1)
