"""Drawing events token by token, and the sampler that is kept.

Shapes: N owners, H hidden, T tokens, Se sub-columns of events.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.errors import ConfigError
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.games.seqgan_network import EMBEDDING, HIDDEN, TokenLstm, draw
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.sequence.owners import OwnerTable
from clicksmith.seeds import counter_uniform, derive_seed

NUMBERS = 64
"""Uniform numbers of a row that are made at a time: of sequences of 100,000 events all would not fit."""


class TokenSampler(Sampler[EncodedSequences]):
    """Owners as they are in training, and events by the LSTM given them.

    Args:
        codec: of the sequences.
        embedding: of the network.
        hidden: of the network.
    """

    def __init__(self, codec: SequenceCodec, embedding: int = EMBEDDING, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.owners = OwnerTable(codec)
        self.network = TokenLstm(Vocabulary.of(codec), embedding, hidden)

    def fit(self, data: EncodedSequences) -> None:
        """Count training owners; note which codes of events occur.

        A network of owners that do not differ does without their bias.
        """
        self.owners.fit(data)
        vocabulary = self.network.vocabulary
        self.network.owners.requires_grad_(self.owners.differ)
        tokens = vocabulary.tokens(torch.from_numpy(data.events.astype(np.int64))[None])
        self.network.seen.copy_(torch.bincount(tokens.flatten(), minlength=vocabulary.start) > 0)

    @torch.inference_mode()
    def sample(self, seed: int, row_ids: NDArray[np.int64], given: Given | None = None) -> EncodedSequences:
        """Owners, then events; see `Sampler.sample`.

        Raises:
            NotFittedError: no training owner has the given codes.
            ConfigError: a suffix or a required event is given, or conditions contradict each other.
        """
        self.eval()
        given = given or Given()
        if given.suffix is not None or given.required:
            what = "a suffix" if given.suffix is not None else "a required event"
            raise ConfigError(
                f"{what.capitalize()} was asked for, but this preset draws events from first to last.",
                "Use the preset sequence_ar, which can.",
            )
        owners, lengths = self.draw_owners(seed, row_ids, given)
        return draw_events(self.network, seed, row_ids, owners, lengths, given.prefix)

    def draw_owners(
        self, seed: int, row_ids: NDArray[np.int64], given: Given
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Codes, shape (N, So), and numbers of events, shape (N,); see `sample`."""
        before = np.zeros(len(row_ids), dtype=np.int64) if given.prefix is None else given.prefix.lengths
        given.require_room(before)
        uniform = counter_uniform(derive_seed(seed, "owners"), row_ids, 2)
        _, owners, lengths = self.owners.draw(uniform, given.owners, given.lengths, before)
        return owners.astype(np.int64), lengths

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """Weights of any size: the network takes on that of what is loaded."""
        table, recurrent = (state_dict.get(f"network.{name}") for name in _SIZED)
        if table is not None and recurrent is not None:
            size = table.shape[1], recurrent.shape[1]
            if size != (self.network.embedding.embedding_dim, self.network.lstm.hidden_size):
                self.network = TokenLstm(self.network.vocabulary, *size).to(self.network.device)
        return super().load_state_dict(state_dict, strict, assign)


_SIZED = ("embedding.weight", "lstm.weight_hh_l0")


@torch.no_grad()
def draw_events(
    network: TokenLstm,
    seed: int,
    row_ids: NDArray[np.int64],
    owners: NDArray[np.int64],
    lengths: NDArray[np.int64],
    prefix: EncodedSequences | None = None,
) -> EncodedSequences:
    """Events of owners, one uniform number a token; all owners side by side, longest first.

    Args:
        network: of the events.
        seed: of the sampling stream.
        row_ids: shape (N,).
        owners: codes, shape (N, So).
        lengths: how many events each has, shape (N,).
        prefix: events that each begins with; at most `lengths`.
    """
    order = np.argsort(-lengths, kind="stable")
    falling = lengths[order]
    offsets = np.concatenate([[0], lengths.cumsum()])
    sizes = network.vocabulary.events
    events = np.zeros((offsets[-1], len(sizes)), dtype=np.int32)
    beginning = _Beginning(prefix, order)
    table, heads = network.input_gates(network.embedding.weight), network.heads()
    gates = network.owner_gates(torch.from_numpy(owners[order]))
    state = (gates.new_zeros(len(order), network.lstm.hidden_size),) * 2
    token = torch.full((len(order),), network.vocabulary.start, device=network.device)
    uniform = torch.empty(0)
    for step in range(int(falling[0]) if len(falling) else 0):
        num = int(np.searchsorted(-falling, -step))  # those longer than `step`
        for column, first in enumerate(network.vocabulary.offsets):
            part, place = divmod(step * len(sizes) + column, NUMBERS)
            if place == 0:
                stream = derive_seed(seed, "tokens", part)
                numbers = counter_uniform(stream, row_ids[order[:num]], NUMBERS)
                uniform = torch.from_numpy(numbers).float().to(network.device)
            state = network.advance(table[token[:num]] + gates[:num], (state[0][:num], state[1][:num]))
            code = draw(heads[column], state[0], uniform[:num, place])
            code = beginning.codes(code, step, column)
            events[offsets[order[:num]] + step, column] = code.cpu().numpy()
            token = code + first
    return EncodedSequences(owners.astype(np.int32), events, offsets)


class _Beginning:
    """Codes that are given, owners in the order of drawing."""

    def __init__(self, prefix: EncodedSequences | None, order: NDArray[np.int64]) -> None:
        self._prefix = prefix
        if prefix is not None:
            self._starts, self._lengths = prefix.offsets[order], prefix.lengths[order]

    def codes(self, drawn: Tensor, step: int, column: int) -> Tensor:
        """Of the first owners at a step: the given ones, or else those drawn, shape (number of these,)."""
        if self._prefix is not None:
            given = np.flatnonzero(self._lengths[: len(drawn)] > step)
            codes = self._prefix.events[self._starts[given] + step, column].astype(np.int64)
            drawn[given] = torch.from_numpy(codes).to(drawn.device)
        return drawn
