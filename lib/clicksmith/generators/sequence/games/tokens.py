"""Events as tokens: the sub-columns of an event one after the other, in one vocabulary.

A sequence of a single sub-column is the token sequence of Yu et al. (2017, arXiv 1609.05473).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor

from clicksmith.encoding.sequence_codec import SequenceCodec


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a codec; B sequences, L events, Se sub-columns of events, T = L * Se tokens.

    Attributes:
        owners: cardinalities of owners' sub-columns.
        events: cardinalities of events' sub-columns; the tokens of the second follow those of the first.
    """

    owners: tuple[int, ...]
    events: tuple[int, ...]

    @classmethod
    def of(cls, codec: SequenceCodec) -> "Vocabulary":
        """The vocabulary of a codec."""
        return cls(tuple(codec.owners.cardinalities), tuple(codec.events.cardinalities))

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """The first token of each sub-column of events."""
        return tuple(accumulate(self.events[:-1], initial=0))

    @property
    def start(self) -> int:
        """The token that stands before every sequence; also the number of all others."""
        return sum(self.events)

    def tokens(self, events: Tensor) -> Tensor:
        """Codes of events, shape (B, L, Se), as tokens, shape (B, T)."""
        return (events + torch.tensor(self.offsets, device=events.device)).flatten(1)

    def codes(self, tokens: Tensor) -> Tensor:
        """The inverse of `tokens`."""
        events = tokens.view(len(tokens), -1, len(self.events))
        return events - torch.tensor(self.offsets, device=tokens.device)
