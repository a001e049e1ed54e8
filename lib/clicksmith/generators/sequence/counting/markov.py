"""The control that remembers one event, or two: a Markov chain of counted transitions.

What comes next is drawn by the rule of Witten and Bell (1991, method C, interpolated as in Chen and Goodman
1999): of n events that followed a context, T of them distinct, each counts once, and a shorter context has
a weight of T. So P(x | c) = (count(c, x) + T P(x | shorter c)) / (n + T); a context never seen leaves it to
the shorter one, at last to the events' shares. The start of a sequence is a state of its own.

A state is an event's item (or whatever column is named); its other columns are a whole training event's
with that item. Owners are training owners' rows, and their columns say nothing of their events.

Walking backwards, to what came before a suffix or a required event, the same runs are read from their ends;
how sequences begin is then not weighed, nor whether a prefix leads to the required event or the suffix.
"""

import numpy as np
import torch
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import places
from clicksmith.errors import ConfigError
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.counting.events import EventTable, subcolumns
from clicksmith.generators.sequence.counting.frame import Frame
from clicksmith.generators.sequence.counting.grams import Transitions, count_grams
from clicksmith.generators.sequence.counting.recipe import Counting, require_owners
from clicksmith.generators.sequence.counts import CountTable, Floats, Ints, cumulate, draw
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable

ORDERS = (1, 2)

UNSEEN = 1e-6
"""A state never seen costs as much as one that is seen a millionth of the time."""


class Chain(CountTable):
    """Counted runs of two and of three states; state S, one more than there are, is the start.

    Attributes:
        pairs: shape (P, 2).
        pair_counts: shape (P,).
        triples: shape (T, 3); none in a chain of order 1.
        triple_counts: shape (T,).
    """

    def __init__(self) -> None:
        super().__init__()
        self.pairs: Tensor
        self.pair_counts: Tensor
        self.triples: Tensor
        self.triple_counts: Tensor
        self.register_buffer("pairs", torch.zeros(0, 2, dtype=torch.int32))
        self.register_buffer("pair_counts", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("triples", torch.zeros(0, 3, dtype=torch.int32))
        self.register_buffer("triple_counts", torch.zeros(0, dtype=torch.int64))

    def fit(self, states: Ints, offsets: Ints, num_states: int, order: int) -> None:
        """Count the runs of owners' states; see `count_grams`."""
        pairs, pair_counts = count_grams(states, offsets, num_states, 2)
        self.keep(pairs=pairs, pair_counts=pair_counts)
        if order == 2:
            triples, triple_counts = count_grams(states, offsets, num_states, 3)
            self.keep(triples=triples, triple_counts=triple_counts)

    def shares(self, num_states: int) -> Floats:
        """Cumulated counts of the states, shape (S + 1,)."""
        if "shares" not in self.derived:
            pairs, counts = self.array("pairs"), self.array("pair_counts")
            self.derived["shares"] = cumulate(np.bincount(pairs[:, 1], counts, minlength=num_states))
        found: Floats = self.derived["shares"]
        return found

    def transitions(self, num_states: int, backwards: bool = False) -> list[Transitions]:
        """Of the longest contexts first."""
        key = "backwards" if backwards else "forwards"
        if key not in self.derived:
            turn = -1 if backwards else 1
            self.derived[key] = [
                Transitions.of(self.array(name)[:, ::turn], self.array(counts), num_states)
                for name, counts in (("triples", "triple_counts"), ("pairs", "pair_counts"))
            ]
        found: list[Transitions] = self.derived[key]
        return found

    def next(self, near: Ints, far: Ints, uniform: Floats, num_states: int, backwards: bool = False) -> Ints:
        """The state after others, shape (M,).

        Args:
            near: the one just before, or the start; -1: unknown. Shape (M,).
            far: the one before that.
            uniform: in [0, 1), shape (M,).
            num_states: S.
            backwards: to come before them instead; `near` is then the first that is known.
        """
        states, rest = np.full(len(near), -1, dtype=np.int64), uniform
        contexts = (np.stack([far, near], axis=1), near[:, None])
        for table, context in zip(self.transitions(num_states, backwards), contexts, strict=True):
            open_ = np.flatnonzero(states < 0)
            found, left = table.draw(context[open_], rest[open_])
            states[open_] = found
            rest = rest.copy()
            rest[open_] = left
        open_ = np.flatnonzero(states < 0)
        zeros = np.zeros(len(open_), dtype=np.int64)
        states[open_] = draw(self.shares(num_states), zeros, zeros + num_states, rest[open_])
        return states

    def nats(self, states: Ints, offsets: Ints, num_states: int) -> Floats:
        """Nats of each event's state given those before it, shape (E,); -1: a state never seen."""
        shares = np.diff(self.shares(num_states))
        share = shares / max(shares.sum(), 1.0)
        probability = np.full(len(states), UNSEEN)
        known = states >= 0
        probability[known] = np.maximum(share[states[known]], UNSEEN)
        near, far = _before(states, places(offsets), num_states)
        triples, pairs = self.transitions(num_states)
        probability = pairs.probability(near[:, None], states, probability)
        probability = triples.probability(np.stack([far, near], axis=1), states, probability)
        return -np.log(probability)


def _before(states: Ints, steps: Ints, start: int) -> tuple[Ints, Ints]:
    """The states one and two before each event, shapes (E,): the start before the first; -1 before that."""
    near, far = (np.concatenate([np.full(back, -1), states])[: len(states)] for back in (1, 2))
    near = np.where(steps == 0, start, near)
    return near, np.select([steps == 0, steps == 1], [-1, start], far)


class MarkovSampler(Sampler[EncodedSequences]):
    """Training owners' and events' rows, and transitions. All conditions hold."""

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.owners, self.events, self.chain = OwnerTable(codec), EventTable(codec), Chain()

    def fit(self, data: EncodedSequences, columns: list[int], order: int) -> None:
        """Count. A state is an event's codes in some sub-columns."""
        self.owners.fit(data)
        states = self.events.fit(data, data.events, columns)
        self.chain.fit(states, data.offsets, self.events.num_groups, order)

    def sample(self, seed: int, row_ids: Ints, given: Given | None = None) -> EncodedSequences:
        """See `Sampler.sample` and `Frame.draw`."""
        frame = Frame.draw(self.owners, self.events, seed, row_ids, given)
        start, offsets = self.events.num_groups, frame.offsets
        states = np.full(len(frame.events), -1, dtype=np.int64)
        known = np.flatnonzero(~frame.hole)
        states[known] = self.events.find(frame.events[known])
        uniform = frame.uniform("states", 1)[:, 0]
        for owners, index in frame.backwards():
            last = offsets[owners + 1] - 1
            far = np.where(index + 1 < last, states[np.minimum(index + 2, last)], -1)
            states[index] = self.chain.next(states[index + 1], far, uniform[index], start, backwards=True)
        for _, index, place in frame.forwards():
            near, far = (
                states[index - back]
                if back <= place
                else np.full(len(index), start if back == place + 1 else -1)
                for back in (1, 2)
            )
            states[index] = self.chain.next(near, far, uniform[index], start)
        return frame.fill(self.events, states)

    def nats(self, rows: EncodedSequences) -> Tensor:
        """Nats of each owner's states given its length, shape (N,)."""
        states = self.events.find(rows.events)
        nats = self.chain.nats(states, rows.offsets, self.events.num_groups)
        return torch.from_numpy(np.diff(cumulate(nats)[rows.offsets]))


def markov(data: EncodedSequences, codec: SequenceCodec, item: str | None = None, order: int = 2) -> Counting:
    """The recipe on training sequences.

    Args:
        data: training sequences.
        codec: of them.
        item: column of events that is the state; None: the whole event but its gap.
        order: 1 or 2: how many events are remembered.

    Raises:
        TrainingError: there is no owner.
        ConfigError: another order.
    """
    require_owners(data)
    if order not in ORDERS:
        raise ConfigError(f"A chain of order {order} was asked for.", "Choose order 1 or 2.")
    sampler = MarkovSampler(codec)
    sampler.fit(data, subcolumns(codec, item), order)
    figures = {"nats": float(sampler.nats(data).mean()), "states": sampler.events.num_groups}
    return Counting(sampler, figures, sampler.nats)
