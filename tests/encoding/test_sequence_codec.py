"""Codes of sequences: exact lengths and gaps, times that never run backwards, protected values."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import LENGTH, MAX_EVENTS, EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.errors import ContractError
from clicksmith.tables import Column
from clicksmith.tables.schema import TIMESTAMP

OWNER_COLUMNS = [Column("segment", pa.string(), nullable=True)]
EVENT_COLUMNS = [
    Column("item", pa.string()),
    Column("price", pa.float64(), nullable=True),
    Column("at", TIMESTAMP),
]
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def shop(minutes: list[list[int]]) -> Sequences:
    """Owners with an event at each of these minutes past noon."""
    owners = {"user": [f"u{n}" for n in range(len(minutes))], "segment": ["s", None] * len(minutes)}
    rows = {name: values[: len(minutes)] for name, values in owners.items()}
    lists = {
        "item": [[f"i{minute % 7}" for minute in one] for one in minutes],
        "price": [[None if minute % 5 == 0 else minute / 4 for minute in one] for one in minutes],
        "at": [[NOON + timedelta(minutes=minute) for minute in one] for one in minutes],
    }
    types = {"item": pa.string(), "price": pa.float64(), "at": TIMESTAMP}
    arrays = {name: pa.array(values, pa.list_(types[name])) for name, values in lists.items()}
    return Sequences.of_lists(pa.table({**rows, **arrays}), list(lists))


def fit(sequences: Sequences, options: Options | None = None) -> SequenceCodec:
    return SequenceCodec.fit(sequences, OWNER_COLUMNS, EVENT_COLUMNS, options or Options(), "at")


def decode(codec: SequenceCodec, encoded: EncodedSequences) -> Sequences:
    return codec.decode(encoded, 1, np.arange(len(encoded)))


def test_there_and_back() -> None:
    sequences = shop([[0, 3, 3, 60], [], [7], [1, 2]])
    codec = fit(sequences)
    found = decode(codec, codec.encode(sequences))
    assert found.events.to_pydict() == sequences.events.to_pydict()
    assert found.owners.to_pydict() == {"segment": ["s", None, "s", None]}
    assert found.offsets.tolist() == [0, 4, 4, 5, 7]


@given(st.lists(st.lists(st.integers(0, 10_000), max_size=6).map(sorted), min_size=1, max_size=8))
def test_any_sequences_there_and_back(minutes: list[list[int]]) -> None:
    sequences = shop(minutes)
    codec = fit(sequences, Options(max_bins=64))
    found = decode(codec, codec.encode(sequences))
    assert found.events.to_pydict() == sequences.events.to_pydict()


def test_lengths_are_those_of_the_codes() -> None:
    sequences = shop([[1] * length for length in (0, 3, 3, 1)])
    codec = fit(sequences)
    codes = codec.encode(sequences).owners
    assert codec.lengths(codes, np.full(4, 0.5)).tolist() == [0, 3, 3, 1]


def test_many_lengths_share_bins_and_lie_within_them() -> None:
    sequences = shop([[1] * length for length in range(1, 301)])
    codec = fit(sequences, Options(max_bins=4))
    codes = codec.encode(sequences).owners
    low, high = (codec.lengths(codes, np.full(300, at)) for at in (0.0, 0.999))
    true = sequences.lengths
    assert (low <= true).all()
    assert (true <= high).all()
    assert (high - low < 110).all()


def test_rows_do_not_depend_on_the_others() -> None:
    sequences = shop([list(range(n, n + 40)) for n in range(60)])
    codec = fit(sequences, Options(max_bins=4))
    encoded = codec.encode(sequences)
    whole = codec.decode(encoded, 3, np.arange(60))
    part = codec.decode(encoded.take(np.array([7, 50])), 3, np.array([7, 50]))
    assert part.events.equals(whole.take(np.array([7, 50])).events)
    assert not whole.events.equals(codec.decode(encoded, 4, np.arange(60)).events)


def test_a_last_moment_told_to_the_hour_lies_anywhere_in_it_and_never_after_the_newest() -> None:
    sequences = shop([[0, 3], [70, 110]] * 50)
    codec = SequenceCodec.fit(sequences, OWNER_COLUMNS, EVENT_COLUMNS, Options(), "at", end_seconds=3600)
    found = decode(codec, codec.encode(sequences))
    times = np.array([(at - NOON).total_seconds() / 60 for at in found.events["at"].to_pylist()])
    first, second = times[1::4], times[3::4]  # the last events of either kind of owner
    assert first.min() < 10 and 50 < first.max() < 60, "of noon's hour"
    assert (second >= 60).all() and second.max() == 110, "none after the newest"
    np.testing.assert_allclose(np.diff(times)[::2], [3, 40] * 50)


def test_the_newest_moment_is_not_that_of_few_owners() -> None:
    """Owners end 1, 2, ... 9 minutes after noon: five have reached the fifth minute, and one the ninth."""
    sequences = shop([[0, end] for end in range(1, 10)])
    newest = [fit(sequences, Options(min_users=k)).newest for k in (1, 5)]
    assert [second - NOON.timestamp() for second in newest] == [9 * 60, 5 * 60]


def test_values_of_few_owners_are_protected_though_one_has_many_events() -> None:
    minutes = [[1, 2]] * 9 + [[5] * 30]  # item i5 is of one owner alone
    codec = fit(shop(minutes), Options(min_users=5))
    assert codec.events.columns[0].values == ("i1", "i2")
    assert max(codec.lengths(codec.encode(shop(minutes)).owners, np.full(10, 0.5))) < 30


def test_json_there_and_back() -> None:
    sequences = shop([[0, 3], [7]])
    codec = SequenceCodec.fit(
        sequences, OWNER_COLUMNS, EVENT_COLUMNS, Options(kinds={"item": "identifier"}), "at"
    )
    value = json.loads(json.dumps(codec.to_json(inline=False)))
    again = SequenceCodec.from_parts(value, codec.to_parts())
    assert again == codec
    with pytest.raises(ContractError):
        SequenceCodec.from_parts(value, {})


def test_without_a_time() -> None:
    sequences = Sequences.of_rows(pa.table({"g": [1, 1, 2], "x": [1.5, 2.5, 1.5]}), "g")
    codec = SequenceCodec.fit(sequences, [], [Column("x", pa.float64())], Options())
    assert codec.owners.names == (LENGTH,)
    assert decode(codec, codec.encode(sequences)).events.to_pydict() == {"x": [1.5, 2.5, 1.5]}
    assert MAX_EVENTS > 100_000


def test_what_cannot_be_coded_is_told() -> None:
    backwards = shop([[0], [5, 3]])
    with pytest.raises(ContractError, match=r"order of 'at': 1 come before .* row 2"):
        fit(backwards)
    missing = Sequences.of_lists(pa.table({"at": pa.array([[None]], pa.list_(TIMESTAMP))}), ["at"])
    with pytest.raises(ContractError, match="'at', the time of events, is null in 1 of 1"):
        SequenceCodec.fit(missing, [], [EVENT_COLUMNS[2]], Options(), "at")
    with pytest.raises(ContractError, match="'price', the time of events, is of type double"):
        SequenceCodec.fit(shop([[1]]), [], EVENT_COLUMNS[:2], Options(), "price")
    with pytest.raises(ContractError, match="no sequence to fit"):
        fit(shop([]))
