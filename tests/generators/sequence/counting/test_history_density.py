"""Frequencies of an owner's own history, of its segment, and of all; and of the most popular."""

import numpy as np
import pytest

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.generators.sequence.counting.history_density import history_density
from clicksmith.generators.sequence.counting.most_popular import most_popular
from clicksmith.generators.sequence.given import Given
from generators.sequence.chains import events, names, shop

# Owners of segment a and b by turns.
ITEMS = [["x1", "x1", "x2"], ["y1", "y1", "y1", "y2"], ["x1"], ["y2"]]


def shares(found: list[list[str]], skip: int = 0) -> dict[str, float]:
    """Of the items after the first ones."""
    items = [item for one in found for item in one[skip:]]
    return {item: items.count(item) / len(items) for item in sorted(set(items))}


def test_what_comes_is_as_often_as_in_the_own_history() -> None:
    rows, codec = shop(ITEMS)
    prefix = rows.take(np.zeros(1500, dtype=np.int64))
    given = Given(prefix=prefix, lengths=np.full(1500, 5))
    encoded = history_density(rows, codec).sampler.sample(0, np.arange(1500), given)
    assert shares(names(codec, encoded), 3) == pytest.approx({"x1": 2 / 3, "x2": 1 / 3}, abs=0.03)
    # Gaps too, apart from the items: the own two, as often, whatever the item.
    gap, item = events(codec, "__gap").start, events(codec, "item").start
    later = encoded.events.reshape(1500, 5, -1)[:, 3:].reshape(3000, -1)
    own = prefix.events[1:3, gap]
    for kind in np.unique(later[:, item]):
        mine = later[later[:, item] == kind, gap]
        assert np.mean(mine == own[0]) == pytest.approx(0.5, abs=0.06)
        assert np.isin(mine, own).all()


def test_a_history_of_one_event_takes_gaps_from_its_segment() -> None:
    rows, codec = shop(ITEMS)
    prefix = rows.take(np.full(50, 2))
    encoded = history_density(rows, codec).sampler.sample(
        0, np.arange(50), Given(prefix=prefix, lengths=np.full(50, 4))
    )
    assert shares(names(codec, encoded)) == {"x1": 1.0}
    assert (encoded.events.reshape(50, 4, -1)[:, 1:, events(codec, "__gap")] > 0).all()


def test_without_a_history_the_segment_is_drawn_from_then_all() -> None:
    rows, codec = shop(ITEMS)
    sampler = history_density(rows, codec).sampler
    segment = codec.owners.slots[0].start
    for owner, expected in ((0, {"x1": 3 / 4, "x2": 1 / 4}), (1, {"y1": 3 / 5, "y2": 2 / 5})):
        code = np.full(1000, rows.owners[owner, segment], dtype=np.int64)
        found = names(codec, sampler.sample(1, np.arange(1000), Given({segment: code})))
        assert shares(found) == pytest.approx(expected, abs=0.04)
    # A segment none of whose owners has an event: any event.
    rows, codec = shop([["x1"], [], ["x2"], []])
    code = np.full(1000, rows.owners[1, segment], dtype=np.int64)
    given = Given({segment: code}, lengths=np.ones(1000, dtype=np.int64))
    found = names(codec, history_density(rows, codec).sampler.sample(1, np.arange(1000), given))
    assert shares(found) == pytest.approx({"x1": 0.5, "x2": 0.5}, abs=0.05)


def test_the_most_popular_are_drawn_as_often_as_they_occur() -> None:
    rows, codec = shop(ITEMS)
    found = most_popular(rows, codec).sampler.sample(0, np.arange(2000), Given(lengths=np.full(2000, 2)))
    expected = {"x1": 3 / 9, "x2": 1 / 9, "y1": 3 / 9, "y2": 2 / 9}
    assert shares(names(codec, found)) == pytest.approx(expected, abs=0.03)
    first = [item for item, _ in names(codec, found)]
    assert shares([[item] for item in first]) == pytest.approx(expected, abs=0.04)


def test_an_own_suffix_is_a_history_too() -> None:
    rows, codec = shop(ITEMS)
    last = EncodedSequences(rows.owners[:1], rows.events[1:3], np.array([0, 2]))
    suffix = last.take(np.zeros(1000, dtype=np.int64))
    given = Given(suffix=suffix, lengths=np.full(1000, 4))
    found = names(codec, history_density(rows, codec).sampler.sample(0, np.arange(1000), given))
    assert shares([one[:2] for one in found]) == pytest.approx({"x1": 0.5, "x2": 0.5}, abs=0.04)
