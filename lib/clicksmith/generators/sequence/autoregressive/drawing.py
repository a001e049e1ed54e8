"""Drawing events from `EventNetwork`: many owners side by side, event by event, in either direction.

Everything that one code adds to a layer is looked up instead of multiplied. Some codes may be there already,
because they are given: they are kept, and all others are drawn given them.

Shapes: N owners, n of them that are not done yet, M events of all owners, S sub-columns, H hidden, D state,
X context.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import MAX_EVENTS
from clicksmith.generators.sequence.autoregressive.network import STATE, EventNetwork, Inputs
from clicksmith.generators.sequence.autoregressive.repeats import Past
from clicksmith.generators.tabular.autoregressive_network import EMBEDDING, HIDDEN
from clicksmith.seeds import counter_uniform

UNKNOWN = -1


@dataclass(frozen=True)
class Draft:
    """Sequences of which some codes are known; what is drawn is written into them.

    Attributes:
        owners: what each owner says of its events, from `EventNetwork.owner_terms`, shape (N, X).
        codes: of events, `UNKNOWN` where they have to be drawn, shape (M, S).
        offsets: where each owner's events start, and the end of the last, shape (N + 1,).
        row_ids: of the owners, shape (N,).
    """

    owners: Tensor
    codes: Tensor
    offsets: NDArray[np.int64]
    row_ids: NDArray[np.int64]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each owner, shape (N,)."""
        return np.diff(self.offsets)


class Columns:
    """The sub-columns of an event in one order of generation: heads, and what each code adds to later ones.

    Args:
        network: of events.
        order: of the sub-columns.
    """

    def __init__(self, network: EventNetwork, order: Sequence[int]) -> None:
        self._network, self._order = network, list(order)
        self._permuted = self._order != sorted(order)
        embeddings = torch.split(network.embedding(), network.cardinalities)
        heads = torch.split(network.head(), network.cardinalities)
        biases = network.head_bias.masked_fill(~network.seen, -torch.inf)
        self._heads = [head.T for head in heads]
        self._biases = torch.split(biases, network.cardinalities)
        rows = torch.split(network.project, EMBEDDING)
        self._terms = []
        for i, k in enumerate(self._order):
            later = rows[k].view(EMBEDDING, -1, HIDDEN)[:, self._order[i + 1 :]].flatten(1)
            self._terms.append(embeddings[k] @ later)

    def draw(self, hidden: Tensor, pick: Tensor, event: Inputs) -> None:
        """Draw the codes of events that are `UNKNOWN`, in place, by inverse cumulated probability.

        Args:
            hidden: before the first ReLU, from all that is known before the event, shape (n, S, H).
            pick: uniform numbers below 1, shape (n, S).
            event: its codes, and what came before it.
        """
        network, codes = self._network, event.codes
        hidden = hidden[:, self._order].flatten(1) if self._permuted else hidden.flatten(1)
        for i, k in enumerate(self._order):
            known = codes[:, k] != UNKNOWN
            if not bool(known.all()):
                hidden_nH = F.relu(hidden[:, i * HIDDEN : (i + 1) * HIDDEN])
                hidden_nH = hidden_nH + F.relu_(hidden_nH @ network.residual[k])
                total = torch.addmm(self._biases[k], hidden_nH, self._heads[k])
                network.add_repeats(total, k, hidden_nH, event, self._order[:i])
                total.sub_(total.amax(1, keepdim=True)).exp_().cumsum_(1)
                drawn = torch.searchsorted(total, pick[:, k, None] * total[:, -1:], right=True)[:, 0]
                codes[:, k] = torch.where(known, codes[:, k], drawn)
            if i + 1 < len(self._order):
                hidden[:, (i + 1) * HIDDEN :] += F.embedding(codes[:, k], self._terms[i])


class Drawer:
    """Draws events with a network as it is now.

    Args:
        network: of events, in evaluation mode.
        first: sub-columns that come first where an event has some known codes.
    """

    def __init__(self, network: EventNetwork, first: Sequence[int]) -> None:
        self._network = network
        num_columns = len(network.cardinalities)
        self._plain = Columns(network, range(num_columns))
        rest = [k for k in range(num_columns) if k not in first]
        self._partly = Columns(network, [*first, *rest]) if first else self._plain
        width = num_columns * EMBEDDING
        from_input, self._from_state, self._input_bias, self._state_bias = network.history.all_weights[0]
        gates, self._from_context = from_input[:, :width], from_input[:, width:]
        terms = []
        for k, embedding in enumerate(torch.split(network.embedding(), network.cardinalities)):
            gate = embedding @ gates[:, k * EMBEDDING : (k + 1) * EMBEDDING].T
            hidden = embedding.new_zeros(len(embedding), num_columns, HIDDEN)
            hidden[:, k] = embedding @ network.from_last[k]
            terms.append(torch.cat([gate, hidden.flatten(1)], 1))
        # The last row is for no event before: it adds nothing.
        self._terms = F.pad(torch.cat(terms), (0, 0, 0, 1))

    def walk(
        self, draft: Draft, seed: int, owners: NDArray[np.int64], start: NDArray[np.int64], step: int
    ) -> None:
        """Draw what is unknown of some owners, from one of their events on.

        Args:
            draft: is filled in.
            seed: of the events' stream.
            owners: which, shape (n,).
            start: place of the first event of each, which is read as if there were nothing before it; (n,).
            step: 1 to go on to the last event, -1 to the first.
        """
        network, device = self._network, self._network.device
        lengths = draft.lengths[owners]
        steps = lengths - start if step == 1 else start + 1
        longest_first = np.argsort(-steps, kind="stable")
        owners, start, lengths, steps = (part[longest_first] for part in (owners, start, lengths, steps))
        before = start if step == 1 else lengths - 1 - start
        left = np.searchsorted(-steps, -np.arange(steps.max(initial=0)), side="left")
        state = torch.zeros(len(owners), STATE, device=device)
        terms_X = draft.owners[torch.from_numpy(owners).to(device)]
        times = torch.stack([torch.zeros_like(draft.codes)] * 2, 1)
        last = torch.full((len(owners), draft.codes.shape[1]), len(network.head_bias), device=device)
        for i, n in enumerate(left.tolist()):
            place = start[:n] + step * i
            done = torch.from_numpy(before[:n] + i).to(device)
            remaining = torch.from_numpy(lengths[:n] - before[:n] - i).to(device)
            context = network.contexts(terms_X[:n], done, remaining, torch.full_like(done, int(step == -1)))
            added = F.embedding_bag(last[:n], self._terms, mode="sum")
            state = self._state(state[:n], added[:, : 3 * STATE], context)
            index = torch.from_numpy(draft.offsets[owners[:n]] + place).to(device)
            codes = draft.codes[index]
            past = Past.before(draft.codes, times, index, torch.full_like(index, i), step)
            numbers = draft.row_ids[owners[:n]] * MAX_EVENTS + place
            known = torch.cat([state, context], 1)
            event = Inputs(known, added[:, 3 * STATE :], last[:n], codes, past)
            self._fill(event, seed, numbers)
            draft.codes[index], times[index] = codes, past.times_of(codes, network.coarser)
            last = codes + network.offsets

    def _state(self, state: Tensor, added: Tensor, context: Tensor) -> Tensor:
        """A step of the gated recurrent unit (Cho et al. 2014), as `torch.nn.GRU` has it."""
        mine = F.linear(context, self._from_context, self._input_bias) + added
        theirs = F.linear(state, self._from_state, self._state_bias)
        reset, update = torch.sigmoid(mine[:, : 2 * STATE] + theirs[:, : 2 * STATE]).chunk(2, 1)
        new = torch.tanh(mine[:, 2 * STATE :] + reset * theirs[:, 2 * STATE :])
        return torch.lerp(new, state, update)

    def _fill(self, event: Inputs, seed: int, numbers: NDArray[np.int64]) -> None:
        """Draw what is unknown of one event of each owner, in place.

        Args:
            event: `last_embedding` holds what the last event adds to the first hidden layer.
            seed: of the events' stream.
            numbers: of the events, shape (n,).
        """
        unknown = event.codes == UNKNOWN
        some, every = unknown.any(1), unknown.all(1)
        for columns, rows in ((self._plain, every), (self._partly, some & ~every)):
            chosen = rows.nonzero()[:, 0]
            if not len(chosen):
                continue
            part = event if len(chosen) == len(rows) else event.take(chosen)
            uniform = counter_uniform(seed, numbers[chosen.cpu().numpy()], unknown.shape[1])
            # Far enough below 1 that the cumulated probability exceeds it, at a code that has any.
            pick = torch.from_numpy(uniform.astype(np.float32)).clamp_(max=1 - 2**-22).to(chosen.device)
            hidden = self._network.from_state(part.known) + part.last_embedding
            columns.draw(hidden.view(len(hidden), -1, HIDDEN), pick, part)
            if part is not event:
                event.codes[chosen] = part.codes
