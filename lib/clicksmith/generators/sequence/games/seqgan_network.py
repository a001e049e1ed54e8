"""The LSTM of SeqGAN (Yu et al. 2017, arXiv 1609.05473) over events as tokens.

Embedding 32 and hidden 32 are those of the paper's synthetic experiment. An owner's codes add a learnt bias
to each input; it starts at zero, and stays there where owners do not differ: that is the paper's network.

Shapes: B sequences, L events, Se sub-columns of events, T = L * Se tokens, N rows to draw, E embedding,
H hidden.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clicksmith.generators.sequence.games.tokens import Vocabulary

EMBEDDING, HIDDEN = 32, 32
MAX_LOGITS = 1 << 20
"""So many are held at a time where no gradient is wanted."""
BLOCK = 64
"""Codes are drawn by the block, then inside it."""
BELOW_ONE = 1 - 2**-22
"""Far enough below 1 that the cumulated probability exceeds it, at a code that has any."""

State = tuple[Tensor, Tensor]
Head = tuple[Tensor, Tensor]
"""Weights, shape (H, cardinality), and biases."""


class OwnerBias(nn.Module):
    """The sum of a vector for each of an owner's codes, zero at first.

    Shape:
        (B, So) -> (B, dim).

    Args:
        cardinalities: of the owners' sub-columns.
        dim: length of the vectors.
    """

    def __init__(self, cardinalities: tuple[int, ...], dim: int) -> None:
        super().__init__()
        self.offsets: Tensor
        starts = torch.tensor([0, *cardinalities[:-1]]).cumsum(0)[: len(cardinalities)]
        self.register_buffer("offsets", starts, persistent=False)
        self.weight = nn.Parameter(torch.zeros(sum(cardinalities), dim))

    def forward(self, owners: Tensor) -> Tensor:
        """The bias of each owner."""
        return F.embedding(owners.to(self.offsets.device) + self.offsets, self.weight).sum(1)


class TokenLstm(nn.Module):
    """The network; its forward pass is the training loss.

    Args:
        vocabulary: of the tokens.
        embedding: E.
        hidden: H.
    """

    def __init__(self, vocabulary: Vocabulary, embedding: int = EMBEDDING, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.vocabulary = vocabulary
        self.embedding = nn.Embedding(vocabulary.start + 1, embedding)
        self.lstm = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary.start)
        for weight in self.parameters():
            nn.init.normal_(weight, std=0.1)
        self.owners = OwnerBias(vocabulary.owners, embedding)
        self.seen: Tensor
        self.register_buffer("seen", torch.ones(vocabulary.start, dtype=torch.bool))

    @property
    def device(self) -> torch.device:
        """Where it lives."""
        return self.head.weight.device

    def forward(self, tokens_BT: Tensor, owners: Tensor, weight_BT: Tensor) -> Tensor:
        """Nats of each token times its weight: the sum over a sequence, the mean over sequences.

        Args:
            tokens_BT: padded by any tokens.
            owners: codes, shape (B, So).
            weight_BT: 0 where nothing is to be learnt: beyond a sequence's end.
        """
        return (self.nats(tokens_BT, owners) * weight_BT.to(self.device)).sum(1).mean()

    def nats(self, tokens_BT: Tensor, owners: Tensor) -> Tensor:
        """Of each token given those before it, shape (B, T)."""
        tokens_BT = tokens_BT.to(self.device)
        before = F.pad(tokens_BT[:, :-1], (1, 0), value=self.vocabulary.start)
        hidden_BTH, _ = self.lstm(self.embedding(before) + self.owners(owners)[:, None])
        num_columns = len(self.vocabulary.events)
        hidden = hidden_BTH.reshape(-1, num_columns, hidden_BTH.shape[2])
        codes = self.vocabulary.codes(tokens_BT).flatten(0, 1)
        nats = [self._column_nats(hidden[:, k], k, codes[:, k]) for k in range(num_columns)]
        return torch.stack(nats, 1).view(tokens_BT.shape)

    def _column_nats(self, hidden_NH: Tensor, column: int, codes_N: Tensor) -> Tensor:
        size = max(1, 16 * MAX_LOGITS // self.vocabulary.events[column])
        pairs = zip(torch.split(hidden_NH, size), torch.split(codes_N, size), strict=True)
        found = [F.cross_entropy(self.logits(h, column), codes, reduction="none") for h, codes in pairs]
        return torch.cat(found)

    def logits(self, hidden_NH: Tensor, column: int) -> Tensor:
        """Of the codes of a sub-column, shape (N, cardinality)."""
        first = self.vocabulary.offsets[column]
        mine = slice(first, first + self.vocabulary.events[column])
        return F.linear(hidden_NH, self.head.weight[mine], self.head.bias[mine])

    def input_gates(self, x: Tensor) -> Tensor:
        """What an input of shape (..., E) adds to the gates, shape (..., 4H)."""
        weight, _, bias, other_bias = self.lstm.all_weights[0]
        return F.linear(x, weight, bias + other_bias)

    def owner_gates(self, owners: Tensor) -> Tensor:
        """What owners add to them at every step, shape (B, 4H)."""
        return F.linear(self.owners(owners), self.lstm.all_weights[0][0])

    def advance(self, gates: Tensor, state: State) -> State:
        """The states after an input, each of shape (N, H); see `input_gates`."""
        gates = torch.addmm(gates, state[0], self.lstm.all_weights[0][1].T)
        i, f, g, o = gates.chunk(4, 1)
        cell = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
        return o.sigmoid() * cell.tanh(), cell

    def heads(self) -> list[Head]:
        """What codes of each sub-column are drawn by; those that training has not seen never are.

        Padded to whole blocks by codes that are never drawn.
        """
        sizes = list(self.vocabulary.events)
        bias = self.head.bias.masked_fill(~self.seen, -torch.inf)
        heads = []
        for weight, own in zip(torch.split(self.head.weight, sizes), torch.split(bias, sizes), strict=True):
            more = -len(own) % BLOCK
            heads.append((F.pad(weight, (0, 0, 0, more)).T, F.pad(own, (0, more), value=-torch.inf)))
        return heads


def draw(head: Head, hidden_NH: Tensor, uniform_N: Tensor) -> Tensor:
    """Codes of a sub-column by inverse cumulated probability, shape (N,)."""
    weight, bias = head
    size = max(1, MAX_LOGITS // len(bias))
    parts = zip(torch.split(hidden_NH, size), torch.split(uniform_N, size), strict=True)
    codes = [inverse(torch.addmm(bias, h, weight).softmax(1), u) for h, u in parts]
    return codes[0] if len(codes) == 1 else torch.cat(codes)


def inverse(weights_NC: Tensor, uniform_N: Tensor) -> Tensor:
    """The first code whose cumulated weight exceeds a uniform share of all, shape (N,).

    Sums of blocks are cumulated first, then the weights of one block: adding up is many times faster than
    cumulating.

    Args:
        weights_NC: at least 0, some above it in each row; whole blocks, if more than one.
        uniform_N: in [0, 1).
    """
    if weights_NC.shape[1] <= BLOCK:
        return _search(weights_NC, uniform_N)[0]
    blocks = weights_NC.view(len(weights_NC), -1, BLOCK)
    block, share = _search(blocks.sum(2), uniform_N)
    inside = blocks[torch.arange(len(blocks), device=blocks.device), block]
    return block * BLOCK + _search(inside, share)[0]


def _search(weights_NC: Tensor, uniform_N: Tensor) -> tuple[Tensor, Tensor]:
    """The code, and how far into its weight the share reaches, in [0, 1)."""
    total = weights_NC.cumsum(1)
    wanted = uniform_N.clamp(max=BELOW_ONE)[:, None] * total[:, -1:]
    code = torch.searchsorted(total, wanted, right=True)
    weight = weights_NC.gather(1, code)
    return code[:, 0], ((wanted - total.gather(1, code) + weight) / weight).clamp(0, BELOW_ONE)[:, 0]
