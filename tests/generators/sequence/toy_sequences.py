"""Small vocabularies and chains whose truth is known, for presets of tokens."""

import itertools

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.generators.sequence.games.seqgan_network import TokenLstm
from clicksmith.generators.sequence.games.tokens import Vocabulary
from clicksmith.tables import Column

CHAIN_CODES = 4

Ints = NDArray[np.integer]
Coded = tuple[EncodedSequences, SequenceCodec]


def coded(events: Ints, lengths: Ints, owners: Ints | None = None) -> Coded:
    """From the events of all owners together: value v of an event's column has code v + 1.

    Args:
        events: values from 0 on, shape (E, Se).
        lengths: of each owner, shape (N,).
        owners: values, shape (N, So); none where there are none. A column for the length follows.
    """
    own = np.zeros((len(lengths), 0), dtype=np.int64) if owners is None else owners
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)

    def named(events: Ints) -> Sequences:
        columns = {f"e{k}": pa.array(values).cast(pa.string()) for k, values in enumerate(events.T)}
        keys = {"owner": np.arange(len(lengths))}
        more = {f"o{k}": pa.array(values).cast(pa.string()) for k, values in enumerate(own.T)}
        return Sequences(pa.table({**keys, **more}), pa.table(columns), offsets)

    # Codes come by falling frequency, then by value.
    in_turn = np.arange(len(events))[:, None] % (events.max(0) + 1)
    kinds = [
        [Column(f"{side}{k}", pa.string()) for k in range(values.shape[1])]
        for side, values in (("o", own), ("e", events))
    ]
    codec = SequenceCodec.fit(named(in_turn), *kinds, Options())
    return codec.encode(named(events)), codec


def chain(num_owners: int, length: int, seed: int) -> tuple[Coded, NDArray[np.float64]]:
    """A planted second-order chain, and its transitions (previous but one, previous, next).

    The first two events are uniform. What follows depends on both: the sum of the two with probability .8.
    """
    number = np.arange(CHAIN_CODES)
    truth = np.full((CHAIN_CODES,) * 3, 0.2 / (CHAIN_CODES - 1))
    sums = (number[:, None] + number) % CHAIN_CODES
    np.put_along_axis(truth, sums[:, :, None], 0.8, axis=2)
    rng = np.random.default_rng(seed)
    events = rng.integers(CHAIN_CODES, size=(num_owners, length))
    for step in range(2, length):
        cumulated = truth[events[:, step - 2], events[:, step - 1]].cumsum(1)
        events[:, step] = (rng.random((num_owners, 1)) > cumulated).sum(1)
    return coded(events.reshape(-1, 1), np.full(num_owners, length)), truth


def transitions(events: NDArray[np.integer]) -> NDArray[np.float64]:
    """Shares of what follows two events, shape (C, C, C), by the codes of equally long sequences, (N, L)."""
    counts = np.zeros((CHAIN_CODES,) * 3)
    np.add.at(counts, (events[:, :-2] - 1, events[:, 1:-1] - 1, events[:, 2:] - 1), 1)
    return np.asarray(counts / counts.sum(2, keepdims=True))


def sharp(vocabulary: Vocabulary, seed: int = 0) -> TokenLstm:
    """An untrained network whose probabilities are far from uniform, and depend on what came before."""
    torch.manual_seed(seed)
    network = TokenLstm(vocabulary, 4, 6)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_()
        network.head.weight.mul_(3)
    return network


def all_events(vocabulary: Vocabulary, length: int) -> torch.Tensor:
    """Every sequence of so many events, shape (number of them, length, Se)."""
    codes = itertools.product(*(range(size) for size in vocabulary.events * length))
    return torch.tensor(list(codes)).view(-1, length, len(vocabulary.events))
