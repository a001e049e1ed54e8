"""Small sequences with codecs, for tests of generators of sequences."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.generators.sequence.given import Given
from clicksmith.tables import Column
from clicksmith.tables.schema import TIMESTAMP

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def shop(
    items: list[list[str]], kinds: dict[str, str] | None = None
) -> tuple[EncodedSequences, SequenceCodec]:
    """Owners with these items, a minute apart per place; each owner of segment a or b, by turns.

    An item's kind is its first letter; its price is the place of the event.
    """
    owners = {"segment": pa.array(["ab"[n % 2] for n in range(len(items))], pa.string())}
    lists = {
        "item": pa.array(items, pa.list_(pa.string())),
        "kind": pa.array([[item[0] for item in one] for one in items], pa.list_(pa.string())),
        "price": pa.array([[float(n) for n in range(len(one))] for one in items], pa.list_(pa.float64())),
        "at": pa.array(
            [[NOON + timedelta(minutes=n * (n + 1)) for n in range(len(one))] for one in items],
            pa.list_(TIMESTAMP),
        ),
    }
    sequences = Sequences.of_lists(pa.table({**owners, **lists}), list(lists))
    columns = [
        Column("item", pa.string()),
        Column("kind", pa.string()),
        Column("price", pa.float64()),
        Column("at", TIMESTAMP),
    ]
    options = Options(max_bins=64, kinds=kinds or {})
    codec = SequenceCodec.fit(sequences, [Column("segment", pa.string())], columns, options, time="at")
    return codec.encode(sequences), codec


def names(codec: SequenceCodec, encoded: EncodedSequences, column: str = "item") -> list[list[str]]:
    """A column's values, a list an owner."""
    sequences = codec.decode(encoded, 0, np.arange(len(encoded)))
    found: list[list[str]] = sequences.to_lists().column(column).to_pylist()
    return found


def events(codec: SequenceCodec, column: str) -> slice:
    """A column's sub-columns."""
    return codec.events.slots[codec.events.names.index(column)]


@st.composite
def shops(draw: st.DrawFn) -> list[list[str]]:
    """Items of a few owners, some without events; at least one has some."""
    item = st.sampled_from(["x1", "x2", "y1", "y2", "z1"])
    found = draw(st.lists(st.lists(item, max_size=6), min_size=1, max_size=8))
    return [*found, draw(st.lists(item, min_size=1, max_size=4))]


@st.composite
def wishes(draw: st.DrawFn, data: EncodedSequences, codec: SequenceCodec, both: bool) -> Given:
    """Conditions on five owners that can be met; `both`: what comes later is asked for too."""
    count = 5

    def parts(limit: int) -> EncodedSequences:
        chosen = np.array([draw(st.integers(0, len(data) - 1)) for _ in range(count)])
        taken = data.take(chosen)
        keep = np.minimum(taken.lengths, [draw(st.integers(0, limit)) for _ in range(count)])
        index = np.concatenate(
            [np.arange(s, s + k) for s, k in zip(taken.offsets, keep, strict=False)] or [[]]
        )
        offsets = np.concatenate([[0], np.cumsum(keep)])
        return EncodedSequences(taken.owners, taken.events[index.astype(np.int64)], offsets)

    prefix = parts(3) if draw(st.booleans()) else None
    suffix = parts(3) if both and draw(st.booleans()) else None
    required, owners, lengths = {}, {}, None
    if both and draw(st.booleans()):
        index = [draw(st.integers(0, len(data.events) - 1)) for _ in range(count)]
        slot = events(codec, draw(st.sampled_from(["item", "kind"])))
        required = {k: data.events[index, k].astype(np.int64) for k in range(slot.start, slot.stop)}
    if draw(st.booleans()):
        index = [draw(st.integers(0, len(data) - 1)) for _ in range(count)]
        slot = codec.owners.slots[0]
        owners = {k: data.owners[index, k].astype(np.int64) for k in range(slot.start, slot.stop)}
    if draw(st.booleans()):
        fewest = sum(known.lengths for known in (prefix, suffix) if known is not None) + bool(required)
        lengths = fewest + np.array([draw(st.integers(0, 12)) for _ in range(count)])
    return Given(owners, lengths, prefix, suffix, required)


def check(given: Given, found: EncodedSequences) -> None:
    """All conditions hold."""
    for column, codes in given.owners.items():
        np.testing.assert_array_equal(found.owners[:, column], codes)
    if given.lengths is not None:
        np.testing.assert_array_equal(found.lengths, given.lengths)
    for owner in range(len(found)):
        mine = found.events[found.offsets[owner] : found.offsets[owner + 1]]
        if given.prefix is not None:
            known = given.prefix.events[given.prefix.offsets[owner] : given.prefix.offsets[owner + 1]]
            np.testing.assert_array_equal(mine[: len(known)], known)
        if given.suffix is not None:
            known = given.suffix.events[given.suffix.offsets[owner] : given.suffix.offsets[owner + 1]]
            np.testing.assert_array_equal(mine[len(mine) - len(known) :], known)
        if given.required:
            has = [(mine[:, k] == codes[owner]) for k, codes in given.required.items()]
            assert np.all(has, axis=0).any()
