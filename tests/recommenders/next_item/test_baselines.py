"""Baselines by hand, and lists from their scores."""

import tracemalloc

import numpy as np
import pytest

from clicksmith.errors import ContractError, TrainingError
from clicksmith.recommenders.next_item.baselines import ItemNeighbours, Popularity
from clicksmith.recommenders.next_item.ease import EASE, DualEASE, ease
from clicksmith.recommenders.next_item.recommend import recommend, top

HISTORIES = [np.array(items) for items in ([1, 2, 2], [1, 2, 3], [1, 3], [4], [4, 1])]
NUM_ITEMS = 6


def test_cosine_of_the_sets_of_users_by_hand() -> None:
    model = ItemNeighbours.fit(HISTORIES, NUM_ITEMS, num_neighbours=10, shrink=1.0)
    similarity = model.similarity.toarray()
    assert similarity[1, 2] == similarity[2, 1] == pytest.approx(2 / (np.sqrt(4 * 2) + 1))
    assert similarity[1, 4] == pytest.approx(1 / (np.sqrt(4 * 2) + 1))
    assert not similarity[5].any() and not similarity.diagonal().any()
    scores = model.score([np.array([2, 3])])
    np.testing.assert_allclose(scores[0], similarity[2] + similarity[3], rtol=1e-6)


def test_only_the_nearest_are_kept_and_ties_go_to_the_lower_index() -> None:
    model = ItemNeighbours.fit(HISTORIES, NUM_ITEMS, num_neighbours=1, shrink=0.0)
    assert [row.nonzero()[0].tolist() for row in model.similarity.toarray()] == [[], [2], [1], [1], [1], []]


def test_neighbours_of_all_items_are_never_in_memory_at_once() -> None:
    """Of 3,000 items nearly every two have a common user: 9 million pairs, of which 5 an item are kept."""
    random = np.random.default_rng(0)
    histories = [random.integers(1, 3000, 600) for _ in range(60)]
    tracemalloc.start()
    try:
        model = ItemNeighbours.fit(histories, 3000, num_neighbours=5)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert model.similarity.nnz == 5 * 2999
    assert peak < 150e6


def test_further_back_counts_less() -> None:
    model = ItemNeighbours.fit(HISTORIES, NUM_ITEMS, half_life=1.0)
    similarity = model.similarity.toarray()
    scores = model.score([np.array([4, 3, 2])])
    np.testing.assert_allclose(scores[0], similarity[4] / 4 + similarity[3] / 2 + similarity[2], rtol=1e-6)


def test_ease_solves_each_items_ridge_regression() -> None:
    """Column j is the ridge regression of item j on the others, solved one by one."""
    weights = EASE.fit(HISTORIES, NUM_ITEMS, regularisation=2.0).weights
    taken = np.zeros((len(HISTORIES), NUM_ITEMS))
    for row, history in enumerate(HISTORIES):
        taken[row, history] = 1
    for item in range(1, 5):
        others = [i for i in range(NUM_ITEMS) if i != item]
        x, y = taken[:, others], taken[:, item]
        expected = np.linalg.solve(x.T @ x + 2.0 * np.eye(len(others)), x.T @ y)
        np.testing.assert_allclose(weights[others, item], expected, atol=1e-6)
    assert not weights.diagonal().any()


def test_both_forms_of_ease_give_the_same_scores() -> None:
    random = np.random.default_rng(1)
    histories = [random.integers(1, 60, random.integers(1, 30)) for _ in range(40)]
    asked = [np.array([3, 3, 7]), np.array([59]), *histories[:5]]
    primal, dual = (kind.fit(histories, 60, 3.0) for kind in (EASE, DualEASE))
    np.testing.assert_allclose(dual.score(asked), primal.score(asked), atol=2e-5)
    assert np.abs(primal.score(asked)).max() > 0.1


def test_the_smaller_form_of_ease_is_chosen() -> None:
    assert isinstance(ease(HISTORIES, 4 + 1), EASE)
    assert isinstance(ease(HISTORIES, NUM_ITEMS), DualEASE)
    few_users = ease(HISTORIES, 1_000_000)
    assert few_users.score([np.array([2])])[0].argmax() == 1


def test_ease_refuses_what_fits_no_memory() -> None:
    histories = [np.array([1])] * 26_000
    with pytest.raises(TrainingError, match=r"1,000,000 items and 26,000 users, and at most 25,000"):
        ease(histories, 1_000_000)


def test_what_was_viewed_can_be_left_out_and_lists_end_with_0() -> None:
    model = Popularity(np.array([0.0, 5, 4, 3, 3, 1]))
    history = [np.array([1, 3])]
    assert recommend(model, history, 3, filter_viewed=False).tolist() == [[1, 2, 3]]
    assert recommend(model, history, 4, filter_viewed=True).tolist() == [[2, 4, 5, 0]]
    personal = Popularity(np.array([0.0, 5, 4, 3, 3, 1]), personal=True)
    assert recommend(personal, [np.array([5, 4, 5])], 3, filter_viewed=False).tolist() == [[5, 4, 1]]


@pytest.mark.parametrize(
    ("history", "problem"),
    [
        ([], "History number 1 is empty"),
        ([2, 9], "History number 1 holds the item 9; the model knows 1 to 3"),
        ([0], "holds the item 0"),
        ([1, 2, 3], "1 of 2 users have no candidates, the first is number 1: they took all 3 items"),
    ],
)
def test_bad_histories_are_errors_that_say_which(history: list[int], problem: str) -> None:
    with pytest.raises(ContractError, match=problem):
        recommend(Popularity(np.arange(4.0)), [np.array([1]), np.array(history, int)], 2, filter_viewed=True)


def test_top_is_a_stable_sort() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 6, (50, 20)).astype(np.float32)
    expected = np.argsort(-scores[:, 1:], axis=1, kind="stable")[:, :7] + 1
    assert top(scores, 7).tolist() == expected.tolist()
