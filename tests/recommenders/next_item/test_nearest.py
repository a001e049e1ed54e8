"""Approximate nearest neighbours beside the ranking of all items."""

import sys

import numpy as np
import pytest
import torch

from clicksmith.errors import ContractError, TrainingError
from clicksmith.recommenders.next_item.nearest import NearestItems
from clicksmith.recommenders.next_item.recommend import recommend
from clicksmith.recommenders.next_item.sequence import Kind, SequenceNetwork

NUM_ITEMS = 4000
K = 10


def network_of(kind: Kind = "sasrec", num_items: int = NUM_ITEMS, repeat: float = 0.0) -> SequenceNetwork:
    log_popularity = -torch.arange(num_items).float().log1p()
    network = SequenceNetwork(kind, log_popularity, 8, 16, 1, 1, 0.0, seed=5)
    with torch.no_grad():
        network.items.ids.weight.mul_(20)
        network.repeat.fill_(repeat)
    return network.eval()


def histories_of(num_users: int, num_items: int = NUM_ITEMS) -> list[np.ndarray]:
    random = np.random.default_rng(2)
    return [random.integers(1, num_items, random.integers(1, 12)) for _ in range(num_users)]


def shared(exact: np.ndarray, found: np.ndarray) -> float:
    """Mean share of the exact lists' items that were found."""
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(exact, found, strict=True)]))


@pytest.mark.parametrize("kind", ["sasrec", "bert4rec"])
@pytest.mark.parametrize("filter_viewed", [False, True])
def test_nearly_all_of_the_exact_lists_are_found(kind: Kind, filter_viewed: bool) -> None:
    network, histories = network_of(kind), histories_of(300)
    exact = recommend(network, histories, K, filter_viewed)
    found = NearestItems.of(network).recommend(histories, K, filter_viewed)
    assert shared(exact, found) > 0.97
    scores = network.score(histories)
    for row, history in enumerate(histories):
        assert (np.diff(scores[row, found[row]]) <= 1e-4).all(), "best first, by exact scores"
        if filter_viewed:
            assert not np.isin(found[row], history).any()


@pytest.mark.parametrize("repeat", [5.0, -5.0])
def test_what_items_gain_from_having_been_taken_counts(repeat: float) -> None:
    network, histories = network_of(repeat=repeat), histories_of(50)
    exact = recommend(network, histories, K, filter_viewed=False)
    found = NearestItems.of(network).recommend(histories, K, filter_viewed=False)
    assert shared(exact, found) > 0.97
    taken = np.mean([np.isin(row, history).mean() for row, history in zip(found, histories, strict=True)])
    assert taken > 0.3 if repeat > 0 else taken == 0


def test_a_small_catalogue_is_searched_whole_and_the_index_is_always_the_same() -> None:
    network, histories = network_of(num_items=9), histories_of(20, num_items=9)
    exact = recommend(network, histories, 5, filter_viewed=False)
    for _ in range(2):
        assert (NearestItems.of(network).recommend(histories, 5, filter_viewed=False) == exact).all()
    took_all = [np.arange(1, 9)]
    assert NearestItems.of(network).recommend(took_all, 5, filter_viewed=True).tolist() == [[0] * 5]


def test_bad_histories_and_a_missing_package_are_clear_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(num_items=9)
    with pytest.raises(ContractError, match="History number 0 is empty"):
        NearestItems.of(network).recommend([np.zeros(0, int)], 5, filter_viewed=False)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(TrainingError, match="An index of items needs the package faiss") as error:
        NearestItems.of(network)
    assert "clicksmith[nearest]" in str(error.value)
