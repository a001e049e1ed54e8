"""Keys, draws and look-ups against what they say, by brute force."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.generators.sequence import owners as owners_module
from clicksmith.generators.sequence.counting import events as events_module
from clicksmith.generators.sequence.counting.events import EventTable
from clicksmith.generators.sequence.counts import Index, cumulate, draw, kept_evenly, row_keys, sizes
from clicksmith.generators.sequence.owners import OwnerTable
from generators.sequence.chains import shop

CODES = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=30)


@given(CODES, st.booleans())
def test_keys_sort_as_rows_do(rows: list[tuple[int, int, int]], wide: bool) -> None:
    codes = np.array(rows)
    keys = row_keys(codes, [2**31] * 3 if wide else sizes(codes))
    assert (keys.dtype.kind == "S") == wide
    order = np.argsort(keys, kind="stable").tolist()
    assert [rows[n] for n in order] == sorted(rows)
    assert len(np.unique(keys)) == len(set(rows))


@given(CODES, st.lists(st.integers(1, 5), min_size=30, max_size=30), st.data())
def test_an_index_finds_what_a_mask_finds(
    rows: list[tuple[int, int, int]], counts: list[int], data: st.DataObject
) -> None:
    codes, weights = np.array(rows), np.array(counts[: len(rows)], dtype=float)
    within = np.array([data.draw(st.integers(0, 4)) for _ in rows])
    wish = np.array([data.draw(st.tuples(*[st.integers(-1, 4)] * 3))])
    at_least = np.array([data.draw(st.integers(0, 9))])
    index = Index.of(codes, weights, within)
    low, high = index.ranges(wish, at_least)
    mask = (codes == wish).all(axis=1) & (within >= at_least)
    assert sorted(index.order[low[0] : high[0]].tolist()) == np.flatnonzero(mask).tolist()
    if mask.any():
        uniform = (np.arange(400) + 0.5) / 400
        drawn = index.draw(np.repeat(low, 400), np.repeat(high, 400), uniform)
        shares = np.bincount(drawn, minlength=len(rows)) / 400
        np.testing.assert_allclose(shares, np.where(mask, weights, 0) / weights[mask].sum(), atol=0.01)


def test_draws_by_hand() -> None:
    cumulated = cumulate(np.array([2, 1, 0, 5]))
    low, high = np.array([0, 0, 0, 1, 3, 3]), np.array([2, 2, 2, 4, 4, 4])
    uniform = np.array([0.0, 0.66, 0.67, 0.17, 0.0, 0.999])
    assert draw(cumulated, low, high, uniform).tolist() == [0, 0, 1, 3, 3, 3]


def test_rows_are_kept_at_equal_distances() -> None:
    assert kept_evenly(3, 5).tolist() == [0, 1, 2]
    assert kept_evenly(10, 5).tolist() == [1, 3, 5, 7, 9]


def test_of_many_events_some_of_each_group_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, codec = shop([["x1"] * 6 for _ in range(100)] + [["y1"], ["z1", "z2"]])
    table = EventTable(codec)
    table.fit(rows, rows.events, [0])
    assert table.counts().tolist() == [600, 1, 1, 1]
    monkeypatch.setattr(events_module, "MAX_ROWS", 50)
    table.fit(rows, rows.events, [0])
    assert table.num_groups == 4 and 50 <= table.counts().sum() <= 54 and (table.counts() > 0).all()
    # What is kept is spread as all of it is: each of the six prices of x1 as often.
    price = codec.events.slots[codec.events.names.index("price")].start
    numbers = table.draw(np.zeros(6000, dtype=np.int64), (np.arange(6000) + 0.5) / 6000)
    shares = np.bincount(table.array("rows")[numbers, price])[1:] / 6000
    np.testing.assert_allclose(shares[shares > 0], 1 / 6, atol=0.05)


def test_of_many_owners_some_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, codec = shop([["x1"] * (n % 5) for n in range(100)])
    monkeypatch.setattr(owners_module, "MAX_OWNERS", 20)
    table = OwnerTable(codec)
    order = table.fit(rows)
    cumulated = table.array("cumulated").astype(int)
    assert len(order) == cumulated[-1] == 20
    # Training owners stand by their rows: what they have is what their row says.
    for row in range(len(table.rows)):
        for owner in order[cumulated[row] : cumulated[row + 1]]:
            np.testing.assert_array_equal(rows.owners[owner], table.array("rows")[row])
            assert rows.lengths[owner] <= table.array("longest")[row]


def test_weights_of_another_codec_are_refused() -> None:
    rows, codec = shop([["x1", "x2"]])
    table = EventTable(codec)
    table.fit(rows, rows.events, [0])
    state = table.state_dict()
    state["rows"] = torch.zeros(3, 99, dtype=torch.int32)
    with pytest.raises(RuntimeError, match="size mismatch"):
        EventTable(codec).load_state_dict(state)


def test_tables_are_modules_without_parameters() -> None:
    _, codec = shop([["x1"]])
    for table in (OwnerTable(codec), EventTable(codec)):
        assert isinstance(table, nn.Module) and not list(table.parameters())


def test_gaps_of_first_events_are_drawn_from_later_ones() -> None:
    rows, codec = shop([["x1", "x2"]] * 20)
    table = EventTable(codec)
    table.fit(rows, rows.events, [0])
    assert (table.array("rows")[:, table.gap] > 0).all()
    alone = EncodedSequences(rows.owners[:1], rows.events[:1], np.array([0, 1]))
    table.fit(alone, alone.events, [0])
    assert (table.array("rows")[:, table.gap] == 0).all()  # there is none to draw from
