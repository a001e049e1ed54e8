"""Monte Carlo roll-outs: what an event is worth before its sequence is complete (Yu et al. 2017, 2.2).

An action is an event, all its sub-columns at once. What the e-th event is worth is the mean reward of
sequences that a policy completes the first e events to; the last one is worth the reward of the whole.

Shapes: B sequences, L events, Se sub-columns, T = L * Se tokens, M beginnings, R roll-outs of each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import MAX_EVENTS
from clicksmith.generators.sequence.games.seqgan_network import TokenLstm, draw
from clicksmith.generators.sequence.rows import Windows
from clicksmith.seeds import counter_uniform

MAX_COMPLETIONS = 1 << 15
"""So many are held at a time."""

Score = Callable[[Windows], Tensor]
"""Rewards of complete sequences, shape (B,)."""


@dataclass(frozen=True)
class Beginnings:
    """Which beginnings are completed.

    Attributes:
        rows: sequence of each, shape (M,).
        events: how many of its events are kept, shape (M,): from 1 to one less than it has.
    """

    rows: Tensor
    events: Tensor

    @classmethod
    def of(cls, windows: Windows) -> "Beginnings":
        """All proper beginnings of sequences."""
        most = windows.events.shape[1]
        rows, events = (torch.arange(1, most) < windows.sizes[:, None]).nonzero(as_tuple=True)
        return cls(rows, events + 1)


@torch.no_grad()
def event_values(
    policy: TokenLstm,
    score: Score,
    windows: Windows,
    num_rollouts: int,
    seed: int,
    row_ids: NDArray[np.int64],
) -> Tensor:
    """What each event of generated sequences is worth, shape (B, L); 0 beyond the end of a sequence.

    Args:
        policy: completes them.
        score: rewards complete ones.
        windows: generated sequences from their first event on.
        num_rollouts: R.
        seed: of the roll-outs.
        row_ids: numbers of the sequences in the global batch, shape (B,): completions derive from them.
    """
    size = max(1, MAX_COMPLETIONS // (num_rollouts * windows.events.shape[1]))
    parts = []
    for start in range(0, len(row_ids), size):
        part = rows_of(windows, torch.arange(start, min(start + size, len(row_ids))))
        parts.append(_values(policy, score, part, num_rollouts, seed, row_ids[start : start + size]))
    return torch.cat(parts)


def _values(
    policy: TokenLstm,
    score: Score,
    windows: Windows,
    num_rollouts: int,
    seed: int,
    row_ids: NDArray[np.int64],
) -> Tensor:
    beginnings = Beginnings.of(windows)
    whole = score(windows)
    values = whole.new_zeros(windows.events.shape[:2])
    last = (windows.sizes > 0).nonzero()[:, 0].to(whole.device)
    values[last, windows.sizes.to(whole.device)[last] - 1] = whole[last]
    if len(beginnings.rows):
        completed = complete(policy, windows, beginnings, num_rollouts, seed, row_ids)
        means = score(completed).view(-1, num_rollouts).mean(1)
        values[beginnings.rows.to(whole.device), beginnings.events.to(whole.device) - 1] = means
    return values


def complete(
    policy: TokenLstm,
    windows: Windows,
    beginnings: Beginnings,
    num_rollouts: int,
    seed: int,
    row_ids: NDArray[np.int64],
) -> Windows:
    """Roll-outs of each beginning, M * R sequences, those of a beginning together."""
    vocabulary, device = policy.vocabulary, policy.device
    num_columns, most = len(vocabulary.events), windows.events.shape[1]
    # Named by what does not depend on the other sequences of this rank, such as how long the longest is.
    names = torch.from_numpy(row_ids)[beginnings.rows] * MAX_EVENTS + beginnings.events
    numbers = (names[:, None] * num_rollouts + torch.arange(num_rollouts)).flatten().numpy()
    uniform = torch.from_numpy(counter_uniform(seed, numbers, most * num_columns)).float().to(device)
    made = rows_of(windows, beginnings.rows.repeat_interleave(num_rollouts))
    tokens = vocabulary.tokens(made.events).to(device)
    sizes = made.sizes.to(device)
    begun = beginnings.events.repeat_interleave(num_rollouts).to(device)
    hidden_BLH, cell_BLH = _states(policy, windows)
    source = made_rows, _ = beginnings.rows.repeat_interleave(num_rollouts).to(device), begun
    hidden, cell = hidden_BLH[source], cell_BLH[source]
    table, heads = policy.input_gates(policy.embedding.weight), policy.heads()
    gates = policy.owner_gates(windows.owners)
    for step in range(1, most):
        now = ((begun <= step) & (sizes > step)).nonzero()[:, 0]
        if not len(now):
            continue
        own, state = gates[made_rows[now]], (hidden[now], cell[now])
        for column, first in enumerate(vocabulary.offsets):
            place = step * num_columns + column
            state = policy.advance(table[tokens[now, place - 1]] + own, state)
            tokens[now, place] = draw(heads[column], state[0], uniform[now, place]) + first
        hidden[now], cell[now] = state
    return replace(made, events=vocabulary.codes(tokens))


def _states(policy: TokenLstm, windows: Windows) -> tuple[Tensor, Tensor]:
    """The states in which event e is drawn, before its predecessor's last token is read, shapes (B, L, H)."""
    tokens = policy.vocabulary.tokens(windows.events).to(policy.device)
    table, num_columns = policy.input_gates(policy.embedding.weight), len(policy.vocabulary.events)
    gates = policy.owner_gates(windows.owners)
    state = (gates.new_zeros(len(tokens), policy.lstm.hidden_size),) * 2
    states = [state]
    token = torch.full_like(tokens[:, 0], policy.vocabulary.start)
    for place in range(tokens.shape[1] - num_columns):
        state = policy.advance(table[token] + gates, state)
        token = tokens[:, place]
        if (place + 1) % num_columns == 0:
            states.append(state)
    hidden, cell = zip(*states, strict=True)
    return torch.stack(hidden, 1), torch.stack(cell, 1)


def rows_of(windows: Windows, rows: Tensor) -> Windows:
    """Some of the sequences, in the given order."""
    return Windows(*(part[rows] for part in vars(windows).values()))
