"""The network of events: each given those before it, its owner, and how many have been and will be.

A recurrent network reads the events in either direction. Inside an event its sub-columns are generated one
after the other, as those of a row are in `clicksmith.generators.tabular.autoregressive_network`: the
embeddings of what is known are projected and summed, then pass a ReLU, one residual layer and a head that is
smooth along numbers. What is known are the state before the event, the same sub-column of the event before
it, and the sub-columns of the event itself that come earlier.

Values persist or move a little. So each head adds something of the hidden layer's choice to the logit of the
code that the column had in the last event, and of its neighbours where the column is a number.

Shapes: B owners, L events of the longest reading, N events of all, S sub-columns, C sum of their
cardinalities, E embedding, H hidden, D state, X context, W moves.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.identifiers import IdentifierCodec
from clicksmith.encoding.sequence_codec import SequenceCodec
from clicksmith.encoding.table import TableCodec
from clicksmith.generators.sequence.reading import NUM_BUCKETS, Reading, bucket
from clicksmith.generators.tabular.autoregressive_network import (
    EMBEDDING,
    HIDDEN,
    PRIOR_ROWS,
    CodeTable,
    multiplies_bfloat16,
    value_ranks,
)
from clicksmith.ranks import sum_over_ranks

STATE = 128
CONTEXT = 32
MAX_ROWS = 1 << 15
"""Events whose logits are in memory at a time."""
REACH = 3
"""Neighbours on either side of a number's last code that have logits of their own."""


class EventNetwork(nn.Module):
    """See the module.

    Args:
        codec: of the sequences.
        mixed_precision: whether training's hidden layers are of bfloat16 where the device multiplies it
            faster.
    """

    def __init__(self, codec: SequenceCodec, mixed_precision: bool = True) -> None:
        super().__init__()
        self.mixed_precision = mixed_precision
        self.cardinalities = codec.events.cardinalities
        num_columns, num_codes = len(self.cardinalities), sum(self.cardinalities)
        self.offsets: Tensor
        self.seen: Tensor
        self.near: Tensor
        starts = np.cumsum([0, *self.cardinalities[:-1]])
        self.register_buffer("offsets", torch.from_numpy(starts), persistent=False)
        self.register_buffer("seen", torch.ones(num_codes, dtype=torch.bool))
        self.register_buffer("near", neighbours(codec.events), persistent=False)
        self.coarser = coarser_levels(codec.events)
        self.embedding = CodeTable(codec.events, EMBEDDING, std=0.5)
        self.head = CodeTable(codec.events, HIDDEN, std=0.3 / HIDDEN**0.5)
        self.head_bias = nn.Parameter(torch.zeros(num_codes))
        self.owner_embedding = CodeTable(codec.owners, EMBEDDING, std=0.5)
        self.owner_offsets: Tensor
        owner_starts = np.cumsum([0, *codec.owners.cardinalities[:-1]])
        self.register_buffer("owner_offsets", torch.from_numpy(owner_starts), persistent=False)
        self.context = nn.Linear(len(owner_starts) * EMBEDDING, CONTEXT)
        self.done = nn.Parameter(torch.zeros(NUM_BUCKETS, CONTEXT))
        self.remaining = nn.Parameter(torch.zeros(NUM_BUCKETS, CONTEXT))
        self.direction = nn.Parameter(torch.zeros(2, CONTEXT))
        width, hidden = num_columns * EMBEDDING, num_columns * HIDDEN
        self.history = nn.GRU(width + CONTEXT, STATE, batch_first=True)
        self.from_state = nn.Linear(STATE + CONTEXT, hidden)
        self.from_last = nn.Parameter(torch.randn(num_columns, EMBEDDING, HIDDEN) / EMBEDDING**0.5)
        self.project = nn.Parameter(torch.randn(width, hidden) / width**0.5)
        self.residual = nn.Parameter(torch.randn(num_columns, HIDDEN, HIDDEN) / HIDDEN**0.5)
        self.move = nn.Parameter(torch.zeros(num_columns, HIDDEN, 2 * REACH + 1))

    @property
    def device(self) -> torch.device:
        """Where it lives."""
        return self.head_bias.device

    def set_frequencies(self, counts: Sequence[NDArray[np.int64]]) -> None:
        """Start each head at the log frequencies of its column; codes never seen are never sampled."""
        self.head_bias.data = torch.from_numpy(
            np.log(np.concatenate([(c + 1) / (c + 1).sum() for c in counts]))
        ).float()
        self.seen.copy_(torch.from_numpy(np.concatenate(counts) > 0))
        self.head.shrink(counts)

    def nats(self, reading: Reading, order_S: Tensor | None = None, keep: Tensor | None = None) -> Tensor:
        """Of the events that are read of each owner, shape (B,).

        Args:
            reading: on any device.
            order_S: sub-columns in the order of generation; None is the codec's.
            keep: factors of the embeddings, shape (B, L, S * E), 0 where dropout acts; None drops nothing.
        """
        reading = reading.to(self.device)
        inputs = self.inputs(reading, keep)
        parts = []
        for part in inputs.split(MAX_ROWS):
            pairs = zip(self.logits(part, order_S), part.codes.unbind(1), strict=True)
            nats = [F.cross_entropy(logits, target, reduction="none") for logits, target in pairs]
            parts.append(torch.stack(nats).sum(0))
        owner_N = reading.mask.nonzero()[:, 0]
        return torch.zeros(len(reading.sizes), device=self.device).index_add(0, owner_N, torch.cat(parts))

    def inputs(self, reading: Reading, keep: Tensor | None = None) -> "Inputs":
        """What the heads see of each event; the reading is on this device."""
        mask_BL = reading.mask
        index_BLS = reading.events + self.offsets
        own_BLE = F.embedding(index_BLS, self.embedding()).flatten(2)
        if keep is not None:
            own_BLE = own_BLE * keep.to(self.device)
        last_BLE = F.pad(own_BLE[:, :-1], (0, 0, 1, 0))
        steps = torch.arange(mask_BL.shape[1], device=self.device)
        done_BL = reading.done[:, None] + steps
        context_BLX = self.contexts(
            self.owner_terms(reading.owners)[:, None],
            done_BL,
            reading.lengths[:, None] - done_BL,
            reading.backward[:, None].long(),
        )
        state_BLD, _ = self.history(torch.cat([last_BLE, context_BLX], 2))
        last_BLS = F.pad(index_BLS[:, :-1], (0, 0, 1, 0), value=len(self.head_bias))
        known_BL = torch.cat([state_BLD, context_BLX, own_BLE], 2)
        return Inputs(known_BL[mask_BL], last_BLE[mask_BL], last_BLS[mask_BL], reading.events[mask_BL])

    def logits(self, inputs: "Inputs", order_S: Tensor | None = None) -> list[Tensor]:
        """Of each sub-column's codes, given what comes before it; shapes (N, cardinality)."""
        heads = torch.split(self.head(), self.cardinalities)
        biases = torch.split(self.head_bias, self.cardinalities)
        order = list(range(len(heads))) if order_S is None else order_S.tolist()
        logits = []
        for k, hidden_NH in enumerate(self._hidden(inputs, order_S).split(HIDDEN, 1)):
            inner_HH = self.residual[k].to(hidden_NH.dtype)
            hidden_NH = (hidden_NH + F.relu(hidden_NH @ inner_HH)).float()
            logits_NC = F.linear(hidden_NH, heads[k], biases[k])
            near_NW = self.around(k, inputs.last, inputs.codes, order[: order.index(k)])
            self.add_moves(logits_NC, k, hidden_NH, near_NW)
            logits.append(logits_NC)
        return logits

    @torch.no_grad()
    def calibrate(self, readings: Iterable[Reading]) -> None:
        """Shift the heads' biases so that codes become as probable on average as they are frequent.

        One step of iterative proportional fitting, as of the tabular network.

        Args:
            readings: this rank's part of a sample of the training sequences.
        """
        self.eval()
        mean_C = torch.zeros_like(self.head_bias, dtype=torch.float64)
        count_C = torch.zeros_like(mean_C)
        for reading in readings:
            inputs = self.inputs(reading.to(self.device))
            mean_C += torch.cat([logits.softmax(1).sum(0) for logits in self.logits(inputs)])
            flat = (inputs.codes + self.offsets).flatten()
            count_C += torch.bincount(flat, minlength=len(count_C))
        mean_C, count_C = sum_over_ranks(torch.stack([mean_C, count_C]))
        self.head_bias.add_(((count_C + PRIOR_ROWS) / (mean_C + PRIOR_ROWS)).log())

    def around(self, k: int, last_NS: Tensor, codes_NS: Tensor, known: Sequence[int]) -> Tensor:
        """The last event's code of a sub-column and its neighbours, shape (N, W); -1 is for none.

        The finer levels of an identifier have none where a coarser one that is known already is another than
        in the last event: the same member of another group has nothing to do with it.

        Args:
            k: the sub-column.
            last_NS: flat codes of the last event, see `Inputs`.
            codes_NS: of the event itself.
            known: sub-columns that come before this one.
        """
        near_NW = self.near[last_NS[:, k]]
        for j in self.coarser[k]:
            if j in known:
                other_N = codes_NS[:, j] + self.offsets[j] != last_NS[:, j]
                near_NW = near_NW.masked_fill(other_N[:, None], -1)
        return near_NW

    def add_moves(self, logits_NC: Tensor, k: int, hidden_NH: Tensor, near_NW: Tensor) -> None:
        """Add to the logits of the codes that `around` names, in place."""
        moves_NW = (hidden_NH @ self.move[k]).masked_fill(near_NW < 0, 0.0)
        logits_NC.scatter_add_(1, near_NW.clamp(min=0), moves_NW)

    def owner_terms(self, owners: Tensor) -> Tensor:
        """What owners say of their events, shape (B, X)."""
        out: Tensor = self.context(
            F.embedding(owners + self.owner_offsets, self.owner_embedding()).flatten(1)
        )
        return out

    def contexts(self, owner: Tensor, done: Tensor, remaining: Tensor, backward: Tensor) -> Tensor:
        """What is known of an event besides other events, shape (..., X).

        Args:
            owner: from `owner_terms`.
            done: events before it.
            remaining: events from it to the end, itself included.
            backward: 1 where events are read backwards.
        """
        return F.relu(
            owner + self.done[bucket(done)] + self.remaining[bucket(remaining)] + self.direction[backward]
        )

    def _hidden(self, inputs: "Inputs", order_S: Tensor | None) -> Tensor:
        """The first hidden layer of all sub-columns, shape (N, S * H)."""
        num_columns = len(self.cardinalities)
        rank_S = (torch.arange(num_columns) if order_S is None else order_S.argsort()).to(self.device)
        mask_SS = (rank_S[:, None] < rank_S).float()  # [j, k]: column k reads column j
        project = self.project * mask_SS.repeat_interleave(EMBEDDING, 0).repeat_interleave(HIDDEN, 1)
        mixed = self.mixed_precision and self.training and multiplies_bfloat16(self.device)
        dtype = torch.bfloat16 if mixed else torch.float32
        weights = torch.cat([self.from_state.weight.T, project]).to(dtype)
        hidden = torch.addmm(self.from_state.bias.to(dtype), inputs.known.to(dtype), weights)
        last_SNE = inputs.last_embedding.unflatten(1, (-1, EMBEDDING)).transpose(0, 1).to(dtype)
        return F.relu(hidden + (last_SNE @ self.from_last.to(dtype)).transpose(0, 1).flatten(1))


@dataclass(frozen=True)
class Inputs:
    """What the heads see of N events.

    Attributes:
        known: state, context and embeddings of the event itself, side by side.
        last_embedding: of the event before, 0 where there is none; shape (N, S * E).
        last: flat codes of the last event, one beyond the last code where there is none; shape (N, S).
        codes: of the event, shape (N, S).
    """

    known: Tensor
    last_embedding: Tensor
    last: Tensor
    codes: Tensor

    def split(self, size: int) -> "list[Inputs]":
        """Parts of at most so many events; one at least."""
        parts = (torch.split(part, size) for part in (self.known, self.last_embedding, self.last, self.codes))
        return [Inputs(*part) for part in zip(*parts, strict=True)]


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
