"""What sequences teach about the next item: by hand, and by listing all items."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clicksmith.evaluation.sequences.coded import number_items
from clicksmith.evaluation.sequences.next_item import Transitions, taught, taught_figures
from evaluation.sequences.shop import of_items, shop, shuffled


def items_of(*sides):
    return number_items([of_items(*side) for side in sides], "item")


def test_transitions_and_then_popularity_rank_items_by_hand() -> None:
    (items,) = items_of(["abab", "ac", "cc", "d", ""])
    model = Transitions.count(items)
    a, b, c, d = (items.codes[at] for at in (0, 1, 5, 8))
    # After a: b twice, c once; a and c come three times each, b twice, d once.
    assert model.follows[[a, a, b], [b, c, a]].tolist() == [2, 1, 1]
    before, equal = model.ranks(np.array([a, a, a, a]), np.array([b, c, a, d]))
    assert before.tolist() == [0, 1, 2, 3] and equal.tolist() == [0, 0, 0, 0]
    # After d nothing is known: a and c are equally popular, then b, then d.
    before, equal = model.ranks(np.array([d, d, d, d]), np.array([a, b, c, d]))
    assert before.tolist() == [0, 2, 0, 3] and equal.tolist() == [1, 0, 1, 0]


@settings(max_examples=50, deadline=None)
@given(*[st.lists(st.text("abcd", max_size=5), min_size=1, max_size=8)] * 2)
def test_ranks_are_those_of_a_list_of_all_items(train, tests) -> None:
    items, asked = items_of(train, tests)
    model = Transitions.count(items)
    last, target = np.meshgrid(np.arange(items.num_items), np.arange(items.num_items))
    before, equal = model.ranks(last.ravel(), target.ravel())
    scores = 1000 * model.follows.toarray() + model.counts
    for i, j, b, e in zip(last.ravel(), target.ravel(), before, equal, strict=True):
        assert b == (scores[i] > scores[i, j]).sum() and e == (scores[i] == scores[i, j]).sum() - 1
    assert len(taught(items, asked)["utility.next_ndcg"]) == sum(len(test) > 1 for test in tests)


def test_a_test_is_worth_its_mean_over_items_of_equal_counts() -> None:
    items, tests = items_of(["ab", "ac", "xy"], ["zab", "qy", "ax"])
    found = taught(items, tests, num_listed=2)
    # After a: b and c once each: b is first or second. After q: a is the most popular, and y one of four
    # equals. After a: x comes behind b, c and a.
    assert found["utility.next_hit_rate"].tolist() == pytest.approx([1, 1 / 4, 0])
    second = 1 / np.log2(3)
    assert found["utility.next_ndcg"].tolist() == pytest.approx([(1 + second) / 2, second / 4, 0])


def test_order_teaches_and_the_loss_is_of_the_same_tests() -> None:
    train, tests = shop(1), shop(2)
    sides = number_items([train, shuffled(train, 4), tests, shop(3)], "item")
    real, lost, fresh = (taught(side, sides[2]) for side in (sides[0], sides[1], sides[3]))
    figures = taught_figures(lost, real)
    assert figures["utility.next_ndcg_loss", "all"].ci_low > 0.1
    assert figures["utility.next_ndcg_loss", "all"].value == pytest.approx(
        real["utility.next_ndcg"].mean() - figures["utility.next_ndcg", "all"].value
    )
    honest = taught_figures(fresh, real)["utility.next_ndcg_loss", "all"]
    assert abs(honest.value) < 0.03 and honest.ci_high - honest.ci_low < 0.1
    assert taught_figures(fresh, real)["utility.next_hit_rate", "all"].value > 0.7


def test_without_an_owner_of_two_events_there_is_nothing_to_tell() -> None:
    items, tests = items_of(["ab"], ["a", ""])
    found = taught(items, tests)
    assert np.isnan(taught_figures(found, found)["utility.next_ndcg", "all"].value)
