"""A next-item model proposes, a rank check keeps: new ways through what owners really did.

After RSIR, "Can Recommender Systems Teach Themselves? A Recursive Self-Improving Framework with Fidelity
Control" (Zhang et al., ICML 2026, arXiv 2602.15659). There a trained recommender sets out from the first item
of a training user and proposes one item after the other, of the user's own or of all; a step is accepted
only while some item that the user really took, and that has not come yet, ranks within the first k after
it; then a successor is trained on the result. What is told of it stands in the authors' project page.

Ours, without gradients: the model is the graph of items (`graph`), and an item's rank after another is the
place of its edge. A sample sets out from the first event of a training owner. At each step an item is
proposed with probability EXPLORE, by the weights of the edges out of the last one, among the first
NEIGHBOURS. It is kept only if the next event that the owner really had ranks within the first RANK after it;
otherwise that event comes itself. So a sample stays near its owner's way, with detours that lead back.
Events that detours push beyond the owner's length are lost. Beyond the last event that an owner had (a
prefix is continued, or a greater length asked for), a proposal has to lead back to that last one, or an
event of its own history comes once more. One round: retraining and proposing again is the caller's.

Its "weights" are training sequences, so what it samples is NOT private: a sample without a kept proposal is
a training owner's sequence.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import places
from clicksmith.errors import ConfigError
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.counting.events import EventTable, subcolumns
from clicksmith.generators.sequence.counting.frame import Frame
from clicksmith.generators.sequence.counting.graph import Graph
from clicksmith.generators.sequence.counting.graph_walk import Edges
from clicksmith.generators.sequence.counting.recipe import Counting, require_owners
from clicksmith.generators.sequence.counts import CountTable, Floats, Ints, kept_evenly
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable
from clicksmith.seeds import counter_uniform, derive_seed

EXPLORE = 0.5
"""How often an item is proposed."""

NEIGHBOURS = 100
"""Edges out of each item that are kept."""

RANK = 20
"""After a proposal that is kept, what really came next ranks among so many."""

MAX_EVENTS_KEPT = 1 << 24
"""Of more training events, whole owners at equal distances are kept."""


class Proposer(CountTable):
    """The heaviest edges of each item, heaviest first; V items, M edges. Attributes as of `Graph`."""

    def __init__(self) -> None:
        super().__init__()
        self.starts: Tensor
        self.targets: Tensor
        self.weights: Tensor
        self.register_buffer("starts", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("targets", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("weights", torch.zeros(0, dtype=torch.float64))

    def fit(self, graph: Graph) -> None:
        """Keep the heaviest edges of a graph."""
        best = graph.strongest(NEIGHBOURS)
        self.keep(starts=best.starts, targets=best.targets, weights=best.weights)

    def propose(self, items: Ints, uniform: Floats) -> Ints:
        """An item after each, by weight; -1 where there is none. Shapes (M,)."""
        if "edges" not in self.derived:
            graph = Graph(self.array("starts"), self.array("targets"), self.array("weights"))
            self.derived["edges"] = Edges.of(graph)
        edges: Edges = self.derived["edges"]
        return edges.step(items, uniform)

    def rank(self, items: Ints, wanted: Ints) -> Ints:
        """The place of an item among those after another, from 0; NEIGHBOURS where it is not there."""
        starts, targets = self.array("starts"), self.array("targets")
        num_items = len(starts) - 1
        if "order" not in self.derived:
            source = np.repeat(np.arange(num_items), np.diff(starts))
            pairs = source * num_items + targets
            order = np.argsort(pairs)
            self.derived["order"] = order, pairs[order]
        order, pairs = self.derived["order"]
        if not len(order):
            return np.full(len(items), NEIGHBOURS)
        pair = items * num_items + wanted
        place = np.minimum(np.searchsorted(pairs, pair), len(pairs) - 1)
        has = (items >= 0) & (wanted >= 0) & (pairs[place] == pair)
        return np.where(has, order[place] - starts[items], NEIGHBOURS)


class Kept(CountTable):
    """Training sequences, in the order of their owners' rows; H events.

    Attributes:
        events: codes, shape (H, Se).
        offsets: where each owner's events start, and the end of the last.
    """

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.events: Tensor
        self.offsets: Tensor
        self.register_buffer("events", torch.zeros(0, len(codec.events.cardinalities), dtype=torch.int32))
        self.register_buffer("offsets", torch.zeros(1, dtype=torch.int64))


@dataclass(frozen=True)
class Histories:
    """What N owners really had; H events.

    Attributes:
        items: shape (H,); -1 for one never seen.
        events: codes, shape (H, Se).
        offsets: where each owner's events start, and the end of the last, shape (N + 1,).
    """

    items: Ints
    events: NDArray[np.int32]
    offsets: Ints


class RsirSampler(Sampler[EncodedSequences]):
    """Training sequences, and the edges that propose. Owners, lengths and prefixes hold; nothing else."""

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.owners, self.events, self.proposer = OwnerTable(codec), EventTable(codec), Proposer()
        self.kept = Kept(codec)

    def fit(self, data: EncodedSequences, columns: list[int]) -> None:
        """Keep training sequences, and make the graph; items are events' codes in some sub-columns."""
        share = MAX_EVENTS_KEPT / max(len(data.events), 1)
        if share < 1:
            data = data.take(kept_evenly(len(data), int(share * len(data))))
        order = self.owners.fit(data)
        items = self.events.fit(data, data.events, columns)
        self.proposer.fit(Graph.of_sequences(items, data.offsets, self.events.num_groups))
        by_row = data.take(order)
        self.kept.keep(events=by_row.events, offsets=by_row.offsets)

    def sample(self, seed: int, row_ids: Ints, given: Given | None = None) -> EncodedSequences:
        """See `Sampler.sample` and `Frame.draw`.

        Raises:
            ConfigError: a suffix or an event was asked for.
        """
        if given is not None and (given.suffix is not None or given.required):
            raise ConfigError(
                "rsir goes on from what an owner had: it knows of no suffix and no required event.",
                "Leave them out, or use sequence_ar; of the controls, markov and graph_walk can.",
            )
        frame = Frame.draw(self.owners, self.events, seed, row_ids, given)
        return self._fill(frame, self._histories(frame))

    def _histories(self, frame: Frame) -> Histories:
        """The prefix of each owner that has one; of any other, the events of a training owner like it."""
        cumulated, all_offsets = self.owners.array("cumulated"), self.kept.array("offsets")
        low, high = (cumulated[frame.rows + end].astype(np.int64) for end in (0, 1))
        uniform = counter_uniform(derive_seed(frame.seed, "history"), frame.row_ids, 1)[:, 0]
        base = low + (uniform * (high - low)).astype(np.int64)
        prefixed = frame.prefix > 0
        lengths = np.where(prefixed, frame.prefix, np.diff(all_offsets)[base])
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        index = places(offsets) + np.repeat(
            np.where(prefixed, frame.offsets[:-1], all_offsets[base]), lengths
        )
        given = np.repeat(prefixed, lengths)
        events = np.empty((len(index), frame.events.shape[1]), dtype=np.int32)
        events[given] = frame.events[index[given]]
        events[~given] = self.kept.array("events")[index[~given]]
        return Histories(self.events.find(events), events, offsets)

    def _fill(self, frame: Frame, real: Histories) -> EncodedSequences:
        """Go along the histories, with detours."""
        items = np.full(len(frame.events), -1, dtype=np.int64)
        known = np.flatnonzero(~frame.hole)
        items[known] = self.events.find(frame.events[known])
        source = np.full(len(items), -1, dtype=np.int64)  # which real event comes; -1: one of the item
        come = frame.prefix.copy()
        lengths = np.diff(real.offsets)
        uniform = frame.uniform("steps", 3)
        for owners, index, place in frame.forwards():
            begin, length = real.offsets[owners], lengths[owners]
            target = begin + np.minimum(come[owners], length - 1)
            wanted = np.full(len(owners), -1)
            wanted[length > 0] = real.items[target[length > 0]]
            proposed = np.full(len(owners), -1)
            if place:
                proposed = self.proposer.propose(items[index - 1], uniform[index, 0])
            kept = (uniform[index, 1] < EXPLORE) & (self.proposer.rank(proposed, wanted) < RANK)
            own = ~kept & (length > 0)
            again = begin + (uniform[index, 2] * length).astype(np.int64)
            target = np.where(come[owners] < length, target, again)
            items[index[kept]] = proposed[kept]
            items[index[own]] = real.items[target[own]]
            source[index[own]] = target[own]
            come[owners[own]] += 1
        filled = frame.fill(self.events, items)
        own = np.flatnonzero(source >= 0)
        gaps = filled.events[own, self.events.gap]
        filled.events[own] = real.events[source[own]]
        # What came first has no gap: it needs one where it comes again.
        first = np.isin(source[own], real.offsets)
        filled.events[own[first], self.events.gap] = gaps[first]
        return frame.finish(self.events)


def rsir(data: EncodedSequences, codec: SequenceCodec, item: str | None = None) -> Counting:
    """The recipe on training sequences.

    Args:
        data: training sequences.
        codec: of them.
        item: column of events that is proposed; None: the whole event but its gap.

    Raises:
        TrainingError: there is no owner.
    """
    require_owners(data)
    sampler = RsirSampler(codec)
    sampler.fit(data, subcolumns(codec, item))
    return Counting(sampler, {"edges": len(sampler.proposer.targets)})
