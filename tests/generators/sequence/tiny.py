"""Sequences whose whole space can be listed, and a network on them with weights at random."""

from itertools import product

import numpy as np
import pyarrow as pa
import torch

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.generators.sequence.autoregressive.sampling import SequenceNetwork
from clicksmith.tables import Column

OWNER_COLUMNS = [Column("segment", pa.string())]
EVENT_COLUMNS = [Column("item", pa.string(), nullable=True), Column("price", pa.int64(), nullable=True)]
NUM_ITEMS, NUM_PRICES = 3, 3
"""Codes of each column, missing included."""


def tiny_sequences(num_owners: int = 400, max_length: int = 2) -> Sequences:
    """Every code of events occurs; lengths from 0 to `max_length`."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(0, max_length + 1, num_owners)
    num_events = int(lengths.sum())
    items, prices = rng.integers(0, NUM_ITEMS, num_events), rng.integers(0, NUM_PRICES, num_events)
    owners = pa.table({"segment": [f"s{k}" for k in rng.integers(0, 2, num_owners)]})
    events = pa.table(
        {
            "item": pa.array([f"i{k}" for k in items], mask=items == 0),
            "price": pa.array(10 * prices, mask=prices == 0),
        }
    )
    return Sequences(owners, events, np.concatenate([[0], np.cumsum(lengths)]))


def tiny_codec(sequences: Sequences) -> SequenceCodec:
    return SequenceCodec.fit(sequences, OWNER_COLUMNS, EVENT_COLUMNS, Options())


def tiny_network(max_length: int = 2) -> SequenceNetwork:
    """Of weights at random; any code may come up, those of owners that no row has as well."""
    sequences = tiny_sequences(max_length=max_length)
    codec = tiny_codec(sequences)
    torch.manual_seed(0)
    network = SequenceNetwork(codec)
    network.set_frequencies(codec.encode(sequences))
    with torch.no_grad():
        for weight in network.parameters():
            weight += 0.2 * torch.randn_like(weight)
    network.owners.seen[:] = True
    return network.eval().requires_grad_(False)


def all_sequences(network: SequenceNetwork) -> EncodedSequences:
    """The whole space, each sequence once; needs a length that follows from its code."""
    owners = np.array(list(product(*(range(size) for size in network.owners.cardinalities))), dtype=np.int32)
    lengths = network.codec.lengths(owners, np.zeros(len(owners)))
    one = list(product(*(range(size) for size in network.events.cardinalities)))
    found: list[tuple[int, tuple[tuple[int, ...], ...]]] = [
        (owner, events)
        for owner, length in enumerate(lengths.tolist())
        for events in product(one, repeat=length)
    ]
    sizes = [len(events) for _, events in found]
    flat = [event for _, events in found for event in events]
    return EncodedSequences(
        owners[[owner for owner, _ in found]],
        np.array(flat, dtype=np.int32).reshape(-1, len(network.events.cardinalities)),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )


def keys(rows: EncodedSequences) -> list[bytes]:
    """One value a sequence, equal for equal ones."""
    return [
        owner.tobytes() + rows.events[start:end].tobytes()
        for owner, start, end in zip(rows.owners, rows.offsets[:-1], rows.offsets[1:], strict=True)
    ]
