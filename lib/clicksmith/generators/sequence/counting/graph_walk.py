"""Random walks on a cleaned graph of items: sequences without gradients.

After "Principled Synthetic Data Enables the First Scaling Laws for LLMs in Recommendation" (2026, arXiv
2602.07298), of which the abstract alone was at hand: what is cleaned, and how, is ours (see `graph`). A walk
sets out from an item by popularity ** ALPHA, the last one of a prefix, or the first one of what must come
later; each step follows an edge by its weight, with probability RESTART one of the item that it set out
from. An item without edges leads to any other, by popularity again. An event's other columns are a whole
training event's with that item.

Backwards, from a suffix or a required event, the edges are walked the other way.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.errors import ContractError
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.counting.events import EventTable, subcolumns
from clicksmith.generators.sequence.counting.frame import Frame
from clicksmith.generators.sequence.counting.graph import Graph
from clicksmith.generators.sequence.counting.recipe import Counting, require_owners
from clicksmith.generators.sequence.counts import CountTable, Floats, Ints, cumulate, draw
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable

ALPHA = 0.75
"""Of the popularity of the items that walks set out from; 1: as they are, 0: all alike."""

RESTART = 0.15


class Edges(NamedTuple):
    """A graph ready for draws: first edges, targets, cumulated weights."""

    starts: Ints
    targets: Ints
    cumulated: Floats

    @classmethod
    def of(cls, graph: Graph) -> "Edges":
        """Of a graph."""
        return cls(graph.starts, graph.targets, cumulate(graph.weights))

    def step(self, items: Ints, uniform: Floats) -> Ints:
        """An edge's target for each item, by weight; -1 where it has none, or is -1 itself. Shapes (M,)."""
        low, high = self.starts[items], self.starts[items + 1]
        has = (items >= 0) & (low < high)
        found = np.full(len(items), -1, dtype=np.int64)
        found[has] = self.targets[draw(self.cumulated, low[has], high[has], uniform[has])]
        return found


class Walker(CountTable):
    """A graph's edges, and where walks set out; V items, M edges.

    Attributes:
        starts: see `Graph`.
        targets: see `Graph`.
        weights: see `Graph`.
        first: cumulated popularity ** ALPHA, shape (V + 1,).
    """

    def __init__(self) -> None:
        super().__init__()
        self.starts: Tensor
        self.targets: Tensor
        self.weights: Tensor
        self.first: Tensor
        self.register_buffer("starts", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("targets", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("weights", torch.zeros(0, dtype=torch.float64))
        self.register_buffer("first", torch.zeros(1, dtype=torch.float64))

    def fit(self, graph: Graph, popularity: Floats) -> None:
        """Take a graph, and how often each of its items occurs."""
        self.keep(
            starts=graph.starts,
            targets=graph.targets,
            weights=graph.weights,
            first=cumulate(popularity**ALPHA),
        )

    def edges(self, backwards: bool) -> Edges:
        """The graph's, or the reversed graph's."""
        if backwards not in self.derived:
            graph = Graph(self.array("starts"), self.array("targets"), self.array("weights"))
            self.derived[backwards] = Edges.of(graph.reversed() if backwards else graph)
        found: Edges = self.derived[backwards]
        return found

    def step(self, items: Ints, origins: Ints, uniform: Floats, backwards: bool = False) -> Ints:
        """The next item of each walk, shape (M,).

        Args:
            items: where each walk is; -1: nowhere yet.
            origins: where it set out.
            uniform: in [0, 1), shape (M,): one number a step.
            backwards: to walk edges the other way.
        """
        again = uniform < RESTART
        rest = np.where(again, uniform / RESTART, (uniform - RESTART) / (1 - RESTART))
        found = self.edges(backwards).step(np.where(again, origins, items), rest)
        lost = np.flatnonzero(found < 0)
        zeros = np.zeros(len(lost), dtype=np.int64)
        found[lost] = draw(self.array("first"), zeros, zeros + len(self.first) - 1, rest[lost])
        return found


class GraphWalkSampler(Sampler[EncodedSequences]):
    """Training owners' and events' rows, and the graph. All conditions hold."""

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.owners, self.events, self.walker = OwnerTable(codec), EventTable(codec), Walker()

    def fit(self, data: EncodedSequences, columns: list[int], graph: Graph | None = None) -> None:
        """Count, and make the graph if there is none; items are events' codes in some sub-columns."""
        self.owners.fit(data)
        items = self.events.fit(data, data.events, columns)
        if graph is None:
            graph = Graph.of_sequences(items, data.offsets, self.events.num_groups)
        if graph.num_items != self.events.num_groups:
            raise ContractError(
                f"The graph is of {graph.num_items:,} items, the sequences have {self.events.num_groups:,}.",
                "Make it of the same sequences.",
            )
        self.walker.fit(graph, self.events.counts())

    def sample(self, seed: int, row_ids: Ints, given: Given | None = None) -> EncodedSequences:
        """See `Sampler.sample` and `Frame.draw`."""
        frame = Frame.draw(self.owners, self.events, seed, row_ids, given)
        items = np.full(len(frame.events), -1, dtype=np.int64)
        known = np.flatnonzero(~frame.hole)
        items[known] = self.events.find(frame.events[known])
        origin = _origins(frame, items)
        uniform = frame.uniform("walk", 1)[:, 0]
        for owners, index in frame.backwards():
            items[index] = self.walker.step(items[index + 1], origin[owners], uniform[index], backwards=True)
        for owners, index, place in frame.forwards():
            at = items[index - 1] if place else origin[owners]
            items[index] = self.walker.step(at, origin[owners], uniform[index])
            if not place:
                origin[owners] = items[index]
        return frame.fill(self.events, items)


def _origins(frame: Frame, items: Ints) -> Ints:
    """The item that each owner's walk sets out from, shape (N,); -1 where it is still to be drawn."""
    origin = np.full(len(frame.owners), -1, dtype=np.int64)
    some = np.flatnonzero(frame.lengths > 0)
    place = np.where(frame.prefix > 0, frame.prefix - 1, frame.anchor)
    origin[some] = items[(frame.offsets[:-1] + place)[some]]
    return origin


def graph_walk(
    data: EncodedSequences, codec: SequenceCodec, item: str | None = None, graph: Graph | None = None
) -> Counting:
    """The recipe on training sequences.

    Args:
        data: training sequences.
        codec: of them.
        item: column of events that is walked over; None: the whole event but its gap.
        graph: of the items that occur in `data`, numbered in the order of their codes; None: counted there.

    Raises:
        TrainingError: there is no owner.
        ContractError: the graph is of other items.
    """
    require_owners(data)
    sampler = GraphWalkSampler(codec)
    sampler.fit(data, subcolumns(codec, item), graph)
    figures = {"items": sampler.events.num_groups, "edges": len(sampler.walker.targets)}
    return Counting(sampler, figures)
