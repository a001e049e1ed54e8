"""Augmentations of sequences: by hand, and as properties of all of them."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clicksmith.config import Augmentation
from clicksmith.recommenders.next_item.augmentation import Draw, augment, similar_items

OPERATORS = get_args(Augmentation)
NUM_ITEMS = 10_000


def windows(lengths: list[int], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Users who take 1, 2, 3 and so on (the second 11, 12, ...); a target is the item after."""
    items, targets = np.zeros((2, len(lengths), width), np.int64)
    for row, length in enumerate(lengths):
        items[row, :length] = 10 * row + np.arange(1, length + 1)
        targets[row, : length - 1] = items[row, 1:length]
    return items, targets


def draw(seed: int = 0, rate: float = 0.4) -> Draw:
    """An item's likes are 10,000 and 10,001 more."""
    similar = np.arange(NUM_ITEMS)[:, None] + np.array([10_000, 10_001])
    return Draw(np.random.default_rng(seed), rate, similar)


def pairs_of(name: str, lengths: list[int], width: int, seed: int = 0, rate: float = 0.4):
    items, targets = windows(lengths, width)
    return augment([name], items, targets, draw(seed, rate))


@given(st.sampled_from(OPERATORS), st.lists(st.integers(2, 9), min_size=1, max_size=5), st.integers(0, 99))
def test_targets_are_real_and_lie_after_all_that_was_real_before(
    name: str, lengths: list[int], seed: int
) -> None:
    items, targets = pairs_of(name, lengths, 9, seed)
    for row, (seen, asked) in enumerate(zip(items.tolist(), targets.tolist(), strict=True)):
        real = set(range(10 * row + 1, 10 * row + lengths[row] + 1))
        assert set(asked) <= real | {0}
        if name in ("insert", "substitute"):
            alike = {item + shift for item in real for shift in (10_000, 10_001)}
            assert set(seen) <= real | alike | {0}
        else:
            assert set(seen) <= real | {0}
        for place, target in enumerate(asked):
            if target and name != "reppad":
                assert all(item < target for item in seen[: place + 1] if item in real)
    assert items.any(1).all()


@given(st.sampled_from(OPERATORS), st.integers(0, 99))
def test_rows_are_left_aligned_but_where_items_are_hidden(name: str, seed: int) -> None:
    items, _ = pairs_of(name, [2, 5, 9], 9, seed)
    if name != "mask":
        assert ((items > 0).cumprod(1) == (items > 0)).all()


def test_none_changes_nothing_and_nothing_is_changed_in_place() -> None:
    items, targets = windows([3, 5], 6)
    for name in OPERATORS:
        augment([name], items, targets, draw())
    again = augment(["none"], items, targets, draw())
    assert [part.tolist() for part in again] == [part.tolist() for part in windows([3, 5], 6)]


def test_crop_keeps_a_stretch_of_a_fixed_share() -> None:
    items, targets = pairs_of("crop", [5] * 200, 5)
    assert set((items > 0).sum(1)) == {3}
    assert set((items[:, 0] - 1) % 10) == {0, 1, 2}
    assert (targets[:, :2] == items[:, 1:3]).all()


def test_sliding_reaches_every_stretch_of_two_items_or_more() -> None:
    items, _ = pairs_of("sliding", [4] * 500, 4)
    found = {tuple((row[row > 0] - 1) % 10 + 1) for row in items}
    assert found == {(1, 2), (2, 3), (3, 4), (1, 2, 3), (2, 3, 4), (1, 2, 3, 4)}


def test_each_prefix_is_as_frequent_and_asks_once() -> None:
    items, targets = pairs_of("prefix", [4] * 900, 6)
    assert ((targets > 0).sum(1) == 1).all()
    lengths, counts = np.unique((items > 0).sum(1), return_counts=True)
    assert lengths.tolist() == [1, 2, 3]
    assert counts.min() > 250
    assert (targets.max(1) == items.max(1) + 1).all()


def test_subset_and_mask_leave_out_their_rate() -> None:
    subset, asked = pairs_of("subset", [9] * 500, 9)
    assert (subset > 0).sum() / (500 * 9) == pytest.approx(0.6, abs=0.03)
    assert (asked[subset % 10 == 9] == 0).all(), "nothing is known after the last item"
    assert (asked[(subset > 0) & (subset % 10 != 9)] == subset[(subset > 0) & (subset % 10 != 9)] + 1).all()
    hidden, still_asked = pairs_of("mask", [9] * 500, 9)
    assert (hidden == 0).sum() / (500 * 8) == pytest.approx(0.4, abs=0.03)
    assert (still_asked == windows([9] * 500, 9)[1]).all()


def test_reppad_fills_the_padding_with_whole_copies() -> None:
    items, targets = pairs_of("reppad", [3] * 300, 10)
    assert set((items > 0).sum(1)) == {3, 6, 9}
    row = items[(items > 0).sum(1) == 6][0] % 10
    assert row.tolist() == [*[row[0], row[0] + 1, row[0] + 2] * 2, 0, 0, 0, 0]
    assert (targets[:, 2] == 0).all()


def test_reorder_asks_nothing_where_a_later_item_may_stand() -> None:
    items, targets = pairs_of("reorder", [5] * 300, 6)
    plain, plain_targets = windows([5] * 300, 6)
    assert (np.sort(items, 1) == np.sort(plain, 1)).all()
    changed = items != plain
    assert changed.any(1).mean() == pytest.approx(0.5, abs=0.1), "a stretch of two, swapped or not"
    assert ((targets == 0).sum(1) - (plain_targets == 0).sum(1) <= 1).all()


def test_insert_and_substitute_use_items_alike() -> None:
    items, targets = pairs_of("insert", [4] * 300, 8)
    new = items > 10_000
    assert new.sum() / (300 * 4) == pytest.approx(0.4, abs=0.05)
    row, column = np.nonzero(new)
    assert set(items[row, column] - items[row, column + 1]) == {10_000, 10_001}
    assert (targets[new] == 0).all()
    assert (np.sort(targets, 1)[:, -3:] == np.sort(windows([4] * 300, 8)[1], 1)[:, -3:]).all()
    full, _ = pairs_of("insert", [8] * 300, 8)
    assert (full[:, -1] % 10 == 8).all(), "the newest are kept where there is no room"
    items, _ = pairs_of("substitute", [4] * 300, 8)
    assert (items > 10_000).sum() / (300 * 4) == pytest.approx(0.4, abs=0.05)


def test_an_item_alike_has_the_context_of_the_event_that_it_stands_for() -> None:
    similar = np.array([[0], [2], [1], [4], [3]])
    events = np.array([[1 + 5 * 7, 3 + 5 * 9, 0]])  # of five items; codes 7 and 9
    like = Draw(np.random.default_rng(0), 0.999, similar)
    substituted, _ = augment(["substitute"], events, np.array([[3, 0, 0]]), like)
    assert substituted.tolist() == [[2 + 5 * 7, 4 + 5 * 9, 0]]
    inserted, _ = augment(["insert"], events, np.array([[3, 0, 0]]), like)
    assert inserted.tolist() == [[1 + 5 * 7, 4 + 5 * 9, 3 + 5 * 9]]


def test_similar_items_share_users() -> None:
    histories = [np.array([1, 2]), np.array([2, 1]), np.array([3, 4]), np.array([5])]
    similar = similar_items(histories, 6)
    assert similar.shape == (6, 10)
    assert [set(row) for row in similar[1:].tolist()] == [{1, 2}, {1, 2}, {3, 4}, {3, 4}, {5}]


def test_operators_share_the_rows() -> None:
    items, targets = windows([4] * 900, 8)
    mixed, _ = augment(["none", "reppad"], items, targets, draw())
    assert ((mixed != items).any(1)).mean() == pytest.approx(0.25, abs=0.04), "half of reppad's rows stay one"
