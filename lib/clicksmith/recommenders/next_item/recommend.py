"""Lists of items from any next-item model: the one way from scores to recommendations."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from clicksmith.errors import ContractError

USERS_AT_ONCE = 256
Histories = Sequence[NDArray[np.integer]]


class NextItemModel(Protocol):
    """What every next-item model does once it is fitted, a network or a baseline."""

    @property
    def num_items(self) -> int:
        """V, index 0 included."""

    @property
    def num_events(self) -> int:
        """A history's numbers lie below it: V where a model knows items alone, see `context`."""

    def score(self, histories: Histories) -> NDArray[np.floating]:
        """Scores of all items, the higher the better.

        Args:
            histories: events of B users (see `context`; items are events), oldest first, at least one each,
                none of them 0.

        Returns:
            Shape (B, V); that of index 0, which stands for unknown items, means nothing.
        """


def recommend(model: NextItemModel, histories: Histories, k: int, filter_viewed: bool) -> NDArray[np.int64]:
    """The k best items for each user, best first; ties go to the lower index, the more frequent item.

    Args:
        model: which scores.
        histories: see `NextItemModel.score`.
        k: length of the lists.
        filter_viewed: leave out what is in the history.

    Returns:
        Shape (U, k); 0 where a list ends early: there is no other item.

    Raises:
        ContractError: a history is empty or holds an item that the model does not know, or nothing is left to
            recommend to its user.
    """
    check_histories(histories, model)
    lists = np.zeros((len(histories), k), np.int64)
    for start in range(0, len(histories), USERS_AT_ONCE):
        part = histories[start : start + USERS_AT_ONCE]
        scores = np.array(model.score(part), np.float32)
        if filter_viewed:
            for row, history in enumerate(part):
                scores[row, np.asarray(history) % model.num_items] = -np.inf
        best = top(scores, k)
        lists[start : start + len(part), : best.shape[1]] = best
    without = np.flatnonzero(lists[:, 0] == 0)
    if len(without):
        raise ContractError(
            f"{len(without)} of {len(histories)} users have no candidates, the first is number {without[0]}: "
            f"they took all {model.num_items - 1} items.",
            "Set filter_viewed to false.",
        )
    return lists


def check_histories(histories: Histories, model: NextItemModel) -> None:
    """Refuse what a model cannot score.

    Raises:
        ContractError: a history is empty or holds an item that the model does not know.
    """
    for row, history in enumerate(histories):
        _check(row, np.asarray(history), model)


def _check(row: int, history: NDArray[np.integer], model: NextItemModel) -> None:
    if len(history) == 0:
        raise ContractError(
            f"History number {row} is empty.", "Recommend the most popular items to users without a history."
        )
    is_known = (history > 0) & (history < model.num_events) & (history % model.num_items > 0)
    if not is_known.all():
        raise ContractError(
            f"History number {row} holds the item {history[~is_known][0]}; the model knows 1 to "
            f"{model.num_items - 1}.",
            "Leave out items that are not in the vocabulary.",
        )


def top(scores: NDArray[np.floating], k: int) -> NDArray[np.int64]:
    """The k best items of each row, best first: never index 0, ties to the lower index.

    Returns:
        Shape (B, min(k, V - 1)); 0 in the place of an item whose score is -inf.
    """
    k = min(k, scores.shape[1] - 1)
    values, found = torch.from_numpy(np.ascontiguousarray(scores[:, 1:])).topk(
        min(k + 1, scores.shape[1] - 1)
    )
    best = found.numpy()[:, :k] + 1
    # The order of ties is not defined there, and they may go on beyond the last place.
    for row in np.flatnonzero((values[:, 1:] == values[:, :-1]).any(1).numpy()):
        candidates = np.flatnonzero(scores[row, 1:] >= float(values[row, k - 1])) + 1
        best[row] = candidates[np.argsort(-scores[row, candidates], kind="stable")[:k]]
    return np.where(np.isneginf(np.take_along_axis(scores, best, 1)), 0, best)
