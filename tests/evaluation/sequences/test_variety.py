"""Entropy, items and distinct sequences, by hand and of a generator that has collapsed."""

import math

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.evaluation.sequences import variety
from clicksmith.evaluation.sequences.coded import number_items
from evaluation.sequences.shop import coded, of_items, shop


def figures_of(real, other):
    codings, (a, b) = coded(real, other, item="item")
    return variety.variety_figures(codings.events, a, b)


def test_distinct_sequences_are_held_against_real_ones() -> None:
    real, other = of_items("ab", "ab", "ba", "c"), of_items("ab", "ab", "ab", "")
    assert figures_of(real, other)["diversity.distinct_sequences", "all"].value == pytest.approx(2 / 3)


def test_entropies_are_of_as_many_events() -> None:
    found = figures_of(of_items("ab", "ab"), of_items("aabbbb", "ab"))
    # Of four events each: a a b b has as much as a b a b.
    assert found["diversity.entropy_ratio", "item"].value == pytest.approx(1.0)
    a, b = 3 / 4, 1 / 4
    lost = figures_of(of_items("ab", "ab"), of_items("aaab", "b"))
    wanted = -(a * math.log(a) + b * math.log(b)) / math.log(2)
    assert lost["diversity.entropy_ratio", "item"].value == pytest.approx(wanted)


def test_items_by_hand() -> None:
    real, other = number_items(
        [of_items("a" * 20 + "b" * 20 + "c"), of_items("a" * 30 + "b" * 4 + "d" * 7)], "item"
    )
    assert variety.item_coverage(real, other) == 1 / 2, "a is hit, b too seldom, c is not frequent"
    assert variety.top_items_share(real, other) == pytest.approx(30 / 41), "of three items the first"
    assert math.isnan(variety.item_coverage(real.part(0, 0), other))


def test_the_most_frequent_item_alone_is_seen() -> None:
    real = shop(1)
    (items,) = number_items([real], "item")
    top = real.events["item"][int(np.flatnonzero(items.codes == np.bincount(items.codes).argmax())[0])]
    events = real.events.set_column(0, "item", pa.array([top.as_py()] * real.events.num_rows))
    collapsed = figures_of(real, type(real)(real.owners, events, real.offsets))
    fresh = figures_of(real, shop(2))
    assert collapsed["diversity.entropy_ratio", "item"].value == 0.0
    assert collapsed["diversity.entropy_ratio", "gap"].value == 1.0
    assert (
        collapsed["diversity.entropy_ratio", "all"].ci_high < fresh["diversity.entropy_ratio", "all"].ci_low
    )
    assert collapsed["diversity.distinct_sequences", "all"].value < 0.05
    assert fresh["diversity.distinct_sequences", "all"].value == pytest.approx(1, abs=0.05)
    assert (
        collapsed["diversity.item_coverage", "all"].value
        < 0.1
        < 0.9
        < fresh["diversity.item_coverage", "all"].value
    )
    assert collapsed["diversity.top_items_share", "all"].value == 1.0
    assert fresh["diversity.top_items_share", "all"].value < 0.35


def test_a_column_that_is_missing_throughout_has_no_ratio() -> None:
    real = shop(1)
    empty = real.events.set_column(2, "price", pa.nulls(real.events.num_rows, pa.float64()))
    real = type(real)(real.owners, empty, real.offsets)
    found = figures_of(real, real)
    assert ("diversity.entropy_ratio", "price") not in found
    assert found["diversity.entropy_ratio", "all"].value == pytest.approx(1.0)
