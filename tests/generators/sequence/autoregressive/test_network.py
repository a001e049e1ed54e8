"""What the heads see of the event before, by hand."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import MAX_EVENTS, EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.encoding.table import TableCodec
from clicksmith.generators.sequence.autoregressive import repeats
from clicksmith.generators.sequence.autoregressive.network import EventNetwork
from clicksmith.generators.sequence.autoregressive.reading import EXACT, NUM_BUCKETS, Reading, bucket
from clicksmith.generators.sequence.autoregressive.repeats import REACH, Past, around, neighbours
from clicksmith.generators.sequence.rows import Windows
from clicksmith.tables import Column

COLUMNS = [Column("item", pa.string()), Column("price", pa.int64(), nullable=True)]


def network() -> EventNetwork:
    """Of nine items on two levels of three, and six prices."""
    events = pa.table({"item": [f"i{k}" for k in range(9)], "price": [k % 6 for k in range(9)]})
    sequences = Sequences(pa.table({"key": [0]}), events, np.array([0, 9]))
    return EventNetwork(SequenceCodec.fit(sequences, [], COLUMNS, Options(kinds={"item": "identifier"})))


def test_neighbours_of_numbers_are_those_in_value() -> None:
    table = pa.table({"price": [0, 1, 2, 3, 4, 5], "kind": list("abcabc")})
    codec = TableCodec.fit(table, [Column("price", pa.int64(), nullable=True), Column("kind", pa.string())])
    near = neighbours(codec).tolist()
    assert REACH == 3
    assert near[0] == [-1, -1, -1, 0, -1, -1, -1]  # missing: itself
    assert near[1] == [-1, -1, -1, 1, 2, 3, 4]
    assert near[5] == [2, 3, 4, 5, 6, -1, -1]
    assert near[7 + 2] == [-1, -1, -1, 2, -1, -1, -1]  # of the categories, code 2
    assert near[-1] == [-1] * 7  # no event before


def test_a_member_repeats_only_within_its_group() -> None:
    found = network()
    assert [list(levels) for levels in found.coarser] == [[], [0], []]
    last = torch.tensor([[1, 2, 3]]) + found.offsets
    for k, group, known, code in ((1, 1, [0], 2), (1, 2, [0], -1), (1, 2, [], 2), (2, 2, [0, 1], 3)):
        codes = torch.tensor([[group, 0, 0]])
        near = around(found.near, found.offsets, k, found.coarser[k], last, codes, known)
        assert near[0, REACH] == code


def test_codes_seen_before_by_hand() -> None:
    """Two owners, of four events and of one; the members 5, 5, 6, 5 are of the groups 1, 2, 1, 1."""
    codes = torch.tensor([[1, 5], [2, 5], [1, 6], [1, 5], [1, 5]])
    levels = [range(0), range(1)]
    past = Past.of(codes, torch.tensor([0, 1, 2, 3, 0]), levels)
    assert past.times[:, 0].tolist() == [[1, 1], [1, 1], [2, 1], [3, 2], [1, 1]]
    assert past.valid.sum(1).tolist() == [0, 1, 2, 3, 0]
    groups, once, often = past.seen(0, levels[0], codes, [])
    assert groups[3].tolist() == [1, 2, 1]
    assert once[3].tolist() == [0, 1, 1]
    np.testing.assert_allclose(often[3], np.log([3 / 2, 2, 2]), rtol=1e-6)
    members, once, _ = past.seen(1, levels[1], codes, [0])
    assert members[3].tolist() == [6, 5, 5]
    assert once[3].tolist() == [1, 0, 1]  # member 5 of group 2 is another
    assert past.seen(1, levels[1], codes, [])[1][3].tolist() == [1, 1, 1]  # the group is not known yet


def test_what_was_seen_is_counted_from_where_one_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a sequence is, once adds up to 1 and often to log(1 + times) over the events of a code."""
    monkeypatch.setattr(repeats, "HALF", 3)
    codes = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (40, 1)))
    past = Past.of(codes, torch.arange(40), [range(0)])
    found, once, often = past.seen(0, range(0), codes, [])
    for n in range(40):
        looked_at = codes[max(0, n - n % 3 - 3) : n, 0]
        assert past.valid[n].sum() == len(looked_at) <= 5
        for code in range(3):
            mine, times = found[n] == code, int((looked_at == code).sum())
            assert float(once[n][mine].sum()) == min(times, 1)
            assert float(often[n][mine].sum()) == pytest.approx(np.log1p(times), abs=1e-6)


def test_counts_up_to_the_longest_sequence_have_buckets() -> None:
    counts = torch.tensor([-3, 0, 1, EXACT - 1, EXACT, 24, 25, 100, MAX_EVENTS, 10 * MAX_EVENTS])
    assert bucket(counts).tolist() == [0, 0, 1, 19, 20, 20, 21, 27, NUM_BUCKETS - 1, NUM_BUCKETS - 1]


def test_readings_by_hand() -> None:
    """Three events of five, the second to the fourth; read backwards; and without the first one read."""
    data = EncodedSequences(np.zeros((1, 1), dtype=np.int32), np.arange(10, 15)[:, None], np.array([0, 5]))
    window = Windows.of(data, np.array([0]), 3, np.array([[0.5, 0.5]]))
    assert window.starts.tolist() == [1]
    for backward, skipped, events, done in (
        (False, 0, [11, 12, 13], 1),
        (True, 0, [13, 12, 11], 1),
        (False, 1, [12, 13], 2),
        (True, 2, [11], 3),
    ):
        found = Reading.of(window, torch.tensor([backward]), torch.tensor([skipped]))
        assert found.events[0, :, 0].tolist() == events
        assert (found.done.tolist(), found.sizes.tolist()) == ([done], [len(events)])
