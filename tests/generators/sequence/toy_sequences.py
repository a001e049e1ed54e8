"""Small vocabularies and chains whose truth is known, for presets of tokens."""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.generators.sequence.seqgan_network import TokenLstm
from clicksmith.generators.sequence.tokens import Vocabulary

CHAIN_CODES = 4


def sequences(
    events: NDArray[np.integer], lengths: NDArray[np.integer], owners: NDArray[np.integer] | None = None
) -> EncodedSequences:
    """From the events of all owners together; owners without codes where none are given."""
    own = np.zeros((len(lengths), 0)) if owners is None else owners
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return EncodedSequences(own.astype(np.int32), events.astype(np.int32), offsets)


def chain(num_owners: int, length: int, seed: int) -> tuple[EncodedSequences, NDArray[np.float64]]:
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
    return sequences(events.reshape(-1, 1), np.full(num_owners, length)), truth


def transitions(events: NDArray[np.integer]) -> NDArray[np.float64]:
    """Shares of what follows two events, shape (C, C, C), of sequences of equal length, shape (N, L)."""
    counts = np.zeros((CHAIN_CODES,) * 3)
    np.add.at(counts, (events[:, :-2], events[:, 1:-1], events[:, 2:]), 1)
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
