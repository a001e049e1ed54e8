"""What an event may repeat of those before it: their codes, and codes next to the last one.

Shapes: M events, N of them that are looked at, R events back, S sub-columns, C sum of their cardinalities,
W codes around one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.identifiers import IdentifierCodec
from clicksmith.encoding.table import TableCodec
from clicksmith.generators.tabular.autoregressive_network import value_ranks

REACH = 3
"""Neighbours on either side of a number's last code that have logits of their own."""
HALF = 50
"""Sequences are cut into spans of so many events. Looked at one by one are those of an event's own span and
of the one before it: all, up to twice as many. The state of the network may know of earlier ones."""


@dataclass(frozen=True)
class Past:
    """The events before each of N events, as far as they are looked at.

    How often a code came up is counted from the first event that is looked at: it is the same for all events
    of a span, so that two counts of each event are all that is ever needed.

    Attributes:
        codes: of M events, shape (M, S).
        times: how often each code has come up until and with its event, from the start of the span before its
            own, and from that of its own; shape (M, 2, S).
        index: of the events before, the last one first, shape (N, R).
        valid: which of these are looked at, shape (N, R).
        near: which lie in the event's own span, shape (N, R).
    """

    codes: Tensor
    times: Tensor
    index: Tensor
    valid: Tensor
    near: Tensor

    @classmethod
    def of(cls, codes_MS: Tensor, step_M: Tensor, coarser: Sequence[range]) -> "Past":
        """Of all events of some owners.

        Args:
            codes_MS: their codes, an owner's together, in the order of the reading.
            step_M: how many events of the same owner come before each.
            coarser: see `coarser_levels`.
        """
        nothing = torch.zeros(
            len(codes_MS), 2, codes_MS.shape[1], dtype=codes_MS.dtype, device=codes_MS.device
        )
        past = cls.before(codes_MS, nothing, torch.arange(len(codes_MS), device=codes_MS.device), step_M)
        return replace(past, times=past.times_of(codes_MS, coarser))

    @classmethod
    def before(
        cls, codes_MS: Tensor, times: Tensor, places_N: Tensor, step_N: Tensor, direction: int = 1
    ) -> "Past":
        """Of some events.

        Args:
            codes_MS: of all events.
            times: of all events, as far as they are known.
            places_N: where the N events are.
            step_N: how many events of the same owner come before each.
            direction: 1 where these lie before it, -1 where they lie after it.
        """
        looked_at = torch.minimum(step_N, step_N % HALF + HALF)
        back = torch.arange(1, (int(looked_at.max()) if len(step_N) else 0) + 1, device=codes_MS.device)
        index = (places_N[:, None] - direction * back).clamp(min=0, max=len(codes_MS) - 1)
        return cls(codes_MS, times, index, back <= looked_at[:, None], back <= (step_N % HALF)[:, None])

    def times_of(self, codes_NS: Tensor, coarser: Sequence[range]) -> Tensor:
        """How often the codes of the N events have come up, with them themselves; shape (N, 2, S)."""
        times = []
        for k, levels in enumerate(coarser):
            same = self.valid
            for j in (*levels, k):
                same = same & (self.codes[:, j][self.index] == codes_NS[:, j, None])
            times.append(torch.stack([1 + same.sum(1), 1 + (same & self.near).sum(1)], 1))
        return torch.stack(times, 2)

    def seen(
        self, k: int, levels: range, codes_NS: Tensor, known: Sequence[int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The codes that a sub-column has had before, and what each counts; shapes (N, R).

        What an event counts is summed over the events with the same code: once in the first number, and
        log(1 + times) in the second. Of the finer levels of an identifier, events count whose coarser levels
        are the same, as far as these are known already.

        Args:
            k: the sub-column.
            levels: the coarser ones of the same identifier.
            codes_NS: of the N events.
            known: sub-columns that come before this one.
        """
        valid = self.valid
        for j in levels:
            if j in known:
                valid = valid & (self.codes[:, j][self.index] == codes_NS[:, j, None])
        both = self.times[:, :, k][self.index]
        times = torch.where(self.near, both[..., 0], both[..., 1])
        often = ((1 + times) / times.clamp(min=1)).log() * valid
        return self.codes[:, k][self.index], ((times == 1) & valid).float(), often

    def take(self, rows: Tensor | slice) -> "Past":
        """Some of the N events."""
        return replace(self, index=self.index[rows], valid=self.valid[rows], near=self.near[rows])

    def split(self, size: int) -> "list[Past]":
        """Parts of at most so many of the N events."""
        return [self.take(slice(start, start + size)) for start in range(0, max(1, len(self.index)), size)]


def around(
    near: Tensor,
    offsets_S: Tensor,
    k: int,
    levels: range,
    last_NS: Tensor,
    codes_NS: Tensor,
    known: Sequence[int],
) -> Tensor:
    """The last event's code of a sub-column and its neighbours, shape (N, W); -1 is for none.

    The finer levels of an identifier have none where a coarser one that is known already is another than in
    the last event: the same member of another group has nothing to do with it.

    Args:
        near: from `neighbours`.
        offsets_S: where the flat codes of each sub-column start.
        k: the sub-column.
        levels: the coarser ones of the same identifier.
        last_NS: flat codes of the last event, one beyond the last code where there is none.
        codes_NS: of the event itself.
        known: sub-columns that come before this one.
    """
    near_NW = near[last_NS[:, k]]
    for j in levels:
        if j in known:
            other_N = codes_NS[:, j] + offsets_S[j] != last_NS[:, j]
            near_NW = near_NW.masked_fill(other_N[:, None], -1)
    return near_NW


def coarser_levels(codec: TableCodec) -> list[range]:
    """For each sub-column the coarser ones of the same identifier; none for those of other columns."""
    levels = []
    for column, slot in zip(codec.columns, codec.slots, strict=True):
        has_levels = isinstance(column, IdentifierCodec)
        levels += [range(slot.start, k if has_levels else slot.start) for k in range(slot.start, slot.stop)]
    return levels


def neighbours(codec: TableCodec) -> Tensor:
    """Codes around each code in the order of their values, shape (C + 1, W); -1 where there is none.

    Categories and what is missing have themselves alone; the last row is for no code at all.
    """
    parts = []
    for size, ranks in zip(codec.cardinalities, value_ranks(codec), strict=True):
        near = np.full((size, 2 * REACH + 1), -1)
        near[:, REACH] = np.arange(size)
        if ranks is not None:
            near[1:] = _around(ranks)[1:]
        parts.append(near)
    return torch.from_numpy(np.concatenate([*parts, np.full((1, 2 * REACH + 1), -1)]))


def _around(ranks: NDArray[np.int64]) -> NDArray[np.int64]:
    """The codes with ranks next to each code's, shape (codes, W)."""
    code_of = np.argsort(ranks)
    wanted = ranks[:, None] + np.arange(-REACH, REACH + 1)
    inside = (wanted >= 1) & (wanted < len(ranks))
    return np.where(inside, code_of[np.where(inside, wanted, 0)], -1)
