"""The control that knows no order: each event is drawn by itself, as often as it occurs.

A generator of sequences that does not beat it has learnt shares, not sequences.
"""

import numpy as np

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.counting.events import EventTable
from clicksmith.generators.sequence.counting.frame import Frame
from clicksmith.generators.sequence.counting.recipe import Counting, require_owners
from clicksmith.generators.sequence.counts import Ints
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable


class MostPopularSampler(Sampler[EncodedSequences]):
    """Training owners' and events' rows with their counts. All conditions hold."""

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.owners, self.events = OwnerTable(codec), EventTable(codec)

    def fit(self, data: EncodedSequences) -> None:
        """Count."""
        self.owners.fit(data)
        self.events.fit(data, data.events, [])

    def sample(self, seed: int, row_ids: Ints, given: Given | None = None) -> EncodedSequences:
        """See `Sampler.sample` and `Frame.draw`."""
        frame = Frame.draw(self.owners, self.events, seed, row_ids, given)
        return frame.fill(self.events, np.zeros(len(frame.events), dtype=np.int64))


def most_popular(data: EncodedSequences, codec: SequenceCodec) -> Counting:
    """The recipe on training sequences.

    Raises:
        TrainingError: there is no owner.
    """
    require_owners(data)
    sampler = MostPopularSampler(codec)
    sampler.fit(data)
    return Counting(sampler, {"distinct_events": len(sampler.events.rows)})
