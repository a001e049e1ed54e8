"""Lists from a network by approximate nearest neighbours: for catalogues too large to score each item."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clicksmith.recommenders.next_item.recommend import USERS_AT_ONCE, Histories, check_histories
from clicksmith.recommenders.next_item.sequence import SequenceNetwork
from clicksmith.recommenders.optional import require

NUM_LINKS = 32
BUILD_BREADTH = 128
"""HNSW's M and efConstruction (Malkov and Yashunin 2018)."""

SPARE = 100
"""Neighbours asked for beyond the list and the history; what is asked for is also how far a search looks."""


@dataclass(frozen=True)
class NearestItems:
    """A network with an index of its items.

    An item's score is an inner product of (state, 1) and (its vector, its bias), but for what it gains from
    having been taken before. So the nearest items of the index and those of the history are candidates,
    their scores are exact, and only an item that the index misses is missing.

    Vectors get one more coordinate that makes them all as long, states a 0 there: the largest inner product
    is then the smallest distance (Bachrach et al. 2014), which graphs of neighbours find far better.

    Attributes:
        network: in evaluation mode.
        index: of faiss, over (vector, bias, rest); item i at place i - 1.
    """

    network: SequenceNetwork
    index: Any

    @classmethod
    @torch.inference_mode()
    def of(cls, network: SequenceNetwork) -> "NearestItems":
        """Index all items; on one thread, so that the index is always the same.

        Raises:
            TrainingError: faiss is not installed.
        """
        faiss = require("faiss", "An index of items needs", "nearest")
        bias = network.bias[1:, None] - network.bias[1:].mean()
        vectors = torch.cat([network.outputs[1:], bias], dim=1).float()
        norms = vectors.norm(dim=1, keepdim=True)
        rest = (norms.max() ** 2 - norms**2).clamp_min(0).sqrt()
        points = torch.cat([vectors, rest], dim=1).cpu().numpy()
        index = faiss.IndexHNSWFlat(points.shape[1], NUM_LINKS)
        index.hnsw.efConstruction = BUILD_BREADTH
        threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)
        try:
            index.add(np.ascontiguousarray(points))
        finally:
            faiss.omp_set_num_threads(threads)
        return cls(network, index)

    @torch.inference_mode()
    def recommend(self, histories: Histories, k: int, filter_viewed: bool) -> NDArray[np.int64]:
        """The k best items found for each user, best first, ties to the lower index; see `recommend`.

        Returns:
            Shape (U, k); 0 where a list ends early.

        Raises:
            ContractError: a history is empty or holds an item that the model does not know.
        """
        check_histories(histories, self.network)
        lists = np.zeros((len(histories), k), np.int64)
        for start in range(0, len(histories), USERS_AT_ONCE):
            part = histories[start : start + USERS_AT_ONCE]
            for row, best in enumerate(self._lists(part, k, filter_viewed), start):
                lists[row, : len(best)] = best
        return lists

    def _lists(self, histories: Histories, k: int, filter_viewed: bool) -> Iterator[NDArray[np.int64]]:
        states_BD, items_BL = self.network.last_states(histories)
        one, zero = torch.ones_like(states_BD[:, :1]), torch.zeros_like(states_BD[:, :1])
        asked = torch.cat([states_BD, one, zero], dim=1)
        breadth = min(k + max(len(history) for history in histories) + SPARE, self.network.num_items - 1)
        self.index.hnsw.efSearch = breadth
        _, found = self.index.search(asked.float().cpu().numpy(), breadth)
        # The index says -1 where it has no more, which becomes 0 here.
        candidates_BC = torch.cat([torch.from_numpy(found + 1).to(items_BL), items_BL], dim=1)
        scores_BC = self.network.scores_of(states_BD, items_BL, candidates_BC).cpu().numpy()
        for history, candidates, scores in zip(
            histories, candidates_BC.cpu().numpy(), scores_BC, strict=True
        ):
            items, first = np.unique(candidates, return_index=True)
            allowed = (items > 0) & ~(
                filter_viewed & np.isin(items, np.asarray(history) % self.network.num_items)
            )
            items, scores = items[allowed], scores[first[allowed]]
            yield items[np.argsort(-scores, kind="stable")[:k]]
