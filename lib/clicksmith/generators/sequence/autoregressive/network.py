"""The network of events: each given those before it, its owner, and how many have been and will be.

A recurrent network reads the events in either direction. Inside an event its sub-columns are generated one
after the other, as those of a row are in `clicksmith.generators.tabular.autoregressive_network`: the
embeddings of what is known are projected and summed, then pass a ReLU, one residual layer and a head that is
smooth along numbers. What is known are the state before the event, the same sub-column of the event before
it, and the sub-columns of the event itself that come earlier.

Values persist, move a little, or come back. So each head adds something of the hidden layer's choice to the
logits of the codes that `repeats` names: those of the events before, and the neighbours of the last one.

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

from clicksmith.encoding.sequence_codec import SequenceCodec
from clicksmith.generators.sequence.autoregressive.reading import NUM_BUCKETS, Reading, bucket
from clicksmith.generators.sequence.autoregressive.repeats import (
    REACH,
    Past,
    around,
    coarser_levels,
    neighbours,
)
from clicksmith.generators.tabular.autoregressive_network import (
    EMBEDDING,
    HIDDEN,
    PRIOR_ROWS,
    CodeTable,
    multiplies_bfloat16,
)
from clicksmith.ranks import sum_over_ranks

STATE = 128
CONTEXT = 32
MAX_ROWS = 1 << 15
"""Events whose logits are in memory at a time."""


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
        self.repeat = nn.Parameter(torch.zeros(num_columns, HIDDEN, 2 * REACH + 3))
        self.repeat_bias = nn.Parameter(torch.zeros(num_columns, 2 * REACH + 3))

    @property
    def device(self) -> torch.device:
        """Where it lives."""
        return self.head_bias.device

    def set_frequencies(self, counts: Sequence[NDArray[np.int64]]) -> None:
        """Start each head at the log frequencies of its column; codes never seen are never sampled.

        Where there is no event at all, any code may be sampled.
        """
        self.head_bias.data = torch.from_numpy(
            np.log(np.concatenate([(c + 1) / (c + 1).sum() for c in counts]))
        ).float()
        self.seen.copy_(torch.from_numpy(np.concatenate([(c > 0) | (c.sum() == 0) for c in counts])))
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
        codes_NS, step_N = reading.events[mask_BL], steps.expand_as(mask_BL)[mask_BL]
        past = Past.of(codes_NS, step_N, self.coarser)
        return Inputs(known_BL[mask_BL], last_BLE[mask_BL], last_BLS[mask_BL], codes_NS, past)

    def logits(self, inputs: "Inputs", order_S: Tensor | None = None) -> list[Tensor]:
        """Of each sub-column's codes, given what comes before it; shapes (N, cardinality)."""
        heads = torch.split(self.head(), self.cardinalities)
        biases = torch.split(self.head_bias, self.cardinalities)
        order = list(range(len(heads))) if order_S is None else order_S.tolist()
        logits = []
        for k, hidden_NH in enumerate(torch.split(self._hidden(inputs, order_S), HIDDEN, 1)):
            inner_HH = self.residual[k].to(hidden_NH.dtype)
            hidden_NH = (hidden_NH + F.relu(hidden_NH @ inner_HH)).float()
            logits_NC = F.linear(hidden_NH, heads[k], biases[k])
            self.add_repeats(logits_NC, k, hidden_NH, inputs, order[: order.index(k)])
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

    def add_repeats(
        self, logits_NC: Tensor, k: int, hidden_NH: Tensor, event: "Inputs", known: Sequence[int]
    ) -> None:
        """Add to the logits of what came before, in place.

        Args:
            logits_NC: of the sub-column.
            k: the sub-column.
            hidden_NH: its last hidden layer.
            event: what is known of the events; `known` and `last_embedding` are not looked at.
            known: sub-columns that come before this one.
        """
        gates = torch.addmm(self.repeat_bias[k], hidden_NH, self.repeat[k])
        near_NW = around(self.near, self.offsets, k, self.coarser[k], event.last, event.codes, known)
        moves_NW = gates[:, :-2].masked_fill(near_NW < 0, 0.0)
        logits_NC.scatter_add_(1, near_NW.clamp(min=0), moves_NW)
        codes_NR, once_NR, often_NR = event.past.seen(k, self.coarser[k], event.codes, known)
        logits_NC.scatter_add_(1, codes_NR, once_NR * gates[:, -2:-1] + often_NR * gates[:, -1:])

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
        last_SNE = inputs.last_embedding.view(-1, num_columns, EMBEDDING).transpose(0, 1).to(dtype)
        return F.relu(hidden + (last_SNE @ self.from_last.to(dtype)).transpose(0, 1).flatten(1))


@dataclass(frozen=True)
class Inputs:
    """What the heads see of N events.

    Attributes:
        known: state, context and embeddings of the event itself, side by side.
        last_embedding: of the event before, 0 where there is none; shape (N, S * E).
        last: flat codes of the last event, one beyond the last code where there is none; shape (N, S).
        codes: of the event, shape (N, S).
        past: the events before it.
    """

    known: Tensor
    last_embedding: Tensor
    last: Tensor
    codes: Tensor
    past: Past

    def split(self, size: int) -> "list[Inputs]":
        """Parts of at most so many events; one at least."""
        parts = zip(
            torch.split(self.known, size),
            torch.split(self.last_embedding, size),
            torch.split(self.last, size),
            torch.split(self.codes, size),
            self.past.split(size),
            strict=True,
        )
        return [Inputs(*part) for part in parts]

    def take(self, rows: Tensor) -> "Inputs":
        """Some of the events."""
        past = self.past.take(rows)
        return Inputs(self.known[rows], self.last_embedding[rows], self.last[rows], self.codes[rows], past)
