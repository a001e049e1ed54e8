"""The control that repeats: what comes is drawn as often as it occurred in the owner's own history.

The counting control of event sequences over a long horizon (HoTPP, arXiv 2406.14341, "HistoryDensity"):
many networks do not beat it. There, means over the history are predicted; here, events are drawn, so that
samples are sequences: an event and its gap by their own frequencies, apart from one another.
"""

import numpy as np

from clicksmith.encoding.sequence_codec import END, LENGTH, EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import places
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.counting.events import EventTable
from clicksmith.generators.sequence.counting.frame import Frame
from clicksmith.generators.sequence.counting.recipe import Counting, require_owners
from clicksmith.generators.sequence.counts import Ints
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable


def _segment(codec: SequenceCodec) -> list[int]:
    """Sub-columns of owners that say who they are, not how long they stayed."""
    slots = zip(codec.owners.names, codec.owners.slots, strict=True)
    return [k for name, slot in slots if name not in (LENGTH, END) for k in range(slot.start, slot.stop)]


class HistoryDensitySampler(Sampler[EncodedSequences]):
    """Training owners' rows, and events by the codes of their owners. All conditions hold.

    Of an owner with given events, a prefix or a suffix, the others are drawn among these; of any other, or
    of one whose given events have no gap, among the events of training owners with the same codes
    (`LENGTH` and `END` aside), or of all where there are none.
    """

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.codec = codec
        self.owners, self.events = OwnerTable(codec), EventTable(codec)

    def fit(self, data: EncodedSequences) -> None:
        """Count."""
        self.owners.fit(data)
        owner_of = np.repeat(np.arange(len(data)), data.lengths)
        self.events.fit(data, data.owners[owner_of], _segment(self.codec))

    def sample(self, seed: int, row_ids: Ints, given: Given | None = None) -> EncodedSequences:
        """See `Sampler.sample` and `Frame.draw`."""
        frame = Frame.draw(self.owners, self.events, seed, row_ids, given)
        owner, gap = frame.owner_of, self.events.gap
        filled = frame.fill(self.events, self.events.find(frame.owners)[owner])
        uniform = frame.uniform("history", 2)
        holes = np.flatnonzero(frame.hole)
        own = _pick(frame.as_given, owner, holes, uniform[holes, 0])
        timed = frame.as_given & (places(frame.offsets) > 0)
        own_gap = _pick(timed, owner, holes, uniform[holes, 1])
        events, gaps = filled.events, filled.events[:, gap].copy()
        repeated = holes[own >= 0]
        events[repeated] = events[own[own >= 0]]
        events[:, gap] = gaps
        later = holes[own_gap >= 0]
        events[later, gap] = gaps[own_gap[own_gap >= 0]]
        return frame.finish(self.events)


def _pick(known: np.ndarray, owner: Ints, holes: Ints, uniform: np.ndarray) -> Ints:
    """For each hole one of its owner's known events, shape (H,); -1 where it has none."""
    index = np.flatnonzero(known)
    low = np.searchsorted(owner[index], owner[holes], side="left")
    high = np.searchsorted(owner[index], owner[holes], side="right")
    place = low + (uniform * (high - low)).astype(np.int64)
    found = np.full(len(holes), -1, dtype=np.int64)
    some = low < high
    found[some] = index[place[some]]
    return found


def history_density(data: EncodedSequences, codec: SequenceCodec) -> Counting:
    """The recipe on training sequences.

    Raises:
        TrainingError: there is no owner.
    """
    require_owners(data)
    sampler = HistoryDensitySampler(codec)
    sampler.fit(data)
    return Counting(sampler, {"segments": sampler.events.num_groups})
