"""A trained next-item model's folder: weights.safetensors, codec.json and, written last, card.json."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load as load_weights

from clicksmith.config import Config, SequentialConfig
from clicksmith.errors import ContractError, NotFittedError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Snapshot, models_root
from clicksmith.lakehouse.lineage import Lineage, trace
from clicksmith.recommenders.export import CHECKED_ROWS, NextItemScores, to_onnx
from clicksmith.recommenders.next_item.context import EventContext
from clicksmith.recommenders.next_item.nearest import NearestItems
from clicksmith.recommenders.next_item.recommend import recommend
from clicksmith.recommenders.next_item.sequence import Attributes, SequenceNetwork

WEIGHTS, CODEC, CARD = "weights.safetensors", "codec.json", "card.json"
SEQUENTIAL = "sequential"


def trace_sequential(
    config: Config, inputs: Mapping[str, Snapshot], augmented: Mapping[str, Any] | None = None
) -> Lineage:
    """The lineage of training the next-item model; known before it is trained.

    Args:
        config: its section sequential.
        inputs: see `steps.sequential_inputs`.
        augmented: the arm that it is trained with, by whose word; None: as the configuration stands.
    """
    sections: dict[str, Any] = {"sequential": config.sequential}
    if augmented is not None:
        sections["augmented"] = dict(augmented)
    return trace(f"train_recommender/{SEQUENTIAL}", config, sections, inputs)


def recommender_folder(root: str, name: str, lineage: Lineage) -> str:
    """URI of a recommender's folder below the root of the models."""
    return storage.join(root, "recommenders", f"{name}-{lineage.run_id}")


def trained_folder(folder: str, what: str) -> str:
    """The folder, if its model is complete.

    Raises:
        NotFittedError: it is not trained.
    """
    if not storage.exists(storage.join(folder, CARD)):
        raise NotFittedError(f"The {what} is not trained for {folder}.", "Run train_recommender first.")
    return folder


def build_network(
    config: SequentialConfig,
    log_popularity: torch.Tensor,
    seed: int,
    attributes: Attributes | None = None,
    context: EventContext | None = None,
) -> SequenceNetwork:
    """The network that a configuration describes, with weights drawn from a seed."""
    return SequenceNetwork(
        config.model,
        log_popularity=log_popularity,
        max_length=config.max_length,
        dim=config.embedding_dim,
        num_blocks=config.num_blocks,
        num_heads=config.num_heads,
        dropout=config.dropout,
        seed=seed,
        attributes=attributes,
        context_sizes=(EventContext(config.event_features) if context is None else context).sizes,
    )


@dataclass(frozen=True)
class TrainedSequence:
    """A next-item model, ready to recommend.

    Attributes:
        network: in evaluation mode.
        ids: the item id of index 1, 2, ...
        num_outcomes: how often each was taken in training.
        filter_viewed: whether users are spared what they took before.
        context: what the network knows of events besides their items.
    """

    network: SequenceNetwork
    ids: NDArray[np.object_]
    num_outcomes: NDArray[np.int64]
    filter_viewed: bool
    context: EventContext = field(default_factory=EventContext)

    @classmethod
    def find(
        cls, config: Config, inputs: Mapping[str, Snapshot], augmented: Mapping[str, Any] | None = None
    ) -> str:
        """The folder of the model that a configuration describes; see `trace_sequential`.

        Raises:
            NotFittedError: it is not trained.
        """
        lineage = trace_sequential(config, inputs, augmented)
        return trained_folder(recommender_folder(models_root(config), SEQUENTIAL, lineage), "next-item model")

    @classmethod
    def load(cls, folder: str) -> "TrainedSequence":
        """From a folder.

        Raises:
            LakeError: a file is missing.
            ContractError: the weights are damaged, or are not of this vocabulary.
        """
        codec: Mapping[str, Any] = storage.read_json(storage.join(folder, CODEC))
        ids = codec["items"]["ids"]
        config = SequentialConfig.model_validate(codec["sequential"])
        attributes = None
        if codec["cardinalities"]:
            cardinalities = tuple(codec["cardinalities"])
            attributes = Attributes(np.zeros((len(ids) + 1, len(cardinalities)), np.int64), cardinalities)
        # JSON's keys are sorted; codes of contexts are in the order of the configuration.
        values: dict[str, list[str]] = {name: codec["user_values"][name] for name in config.user_features}
        context = EventContext(config.event_features, values)
        network = build_network(config, torch.zeros(len(ids) + 1), 0, attributes, context)
        try:
            network.load_state_dict(load_weights(storage.read_bytes(storage.join(folder, WEIGHTS))))
        except (SafetensorError, RuntimeError) as error:
            raise ContractError(
                f"The weights in {folder} do not fit its codec of {len(ids):,} items: "
                f"{str(error).splitlines()[-1].strip()}",
                "Delete the folder and run train_recommender again.",
            ) from error
        num_outcomes = np.array(codec["items"]["num_outcomes"], np.int64)
        return cls(network.eval(), np.array(ids, object), num_outcomes, config.filter_viewed, context)

    def export(self) -> bytes:
        """As an ONNX model from "events" (rows, L) to "scores" (rows, V); see `export.NextItemScores`.

        Raises:
            TrainingError: the packages of the extra 'export' are not installed.
            ContractError: the exported model's scores differ from the network's.
        """
        random, width = np.random.default_rng(0), self.network.room
        items = random.integers(1, self.network.num_items, (CHECKED_ROWS, width))
        items += self.network.num_items * random.integers(
            0, self.network.num_events // self.network.num_items, items.shape
        )
        items[np.arange(width) >= random.integers(1, width + 1, CHECKED_ROWS)[:, None]] = 0
        model = NextItemScores(self.network).eval()
        return to_onnx(model, torch.from_numpy(items), names=("events", "scores"))

    def recommend(
        self,
        histories: list[list[str]],
        k: int,
        approximate: bool = False,
        types: pa.ListArray | None = None,
        times: pa.ListArray | None = None,
        users: Mapping[str, pa.Array] | None = None,
    ) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        """Item ids for each user, best first.

        Args:
            histories: item ids, oldest first; unknown ones are left out.
            k: length of the lists.
            approximate: look near the user's state in an index of items instead of scoring them all.
            types: of the histories' events, for a network that knows event features.
            times: timestamps of the histories' events, likewise.
            users: for a network that knows features of users: each one's value of each user.

        Returns:
            Ids, shape (U, k), None where a list ends early (at once where a user took all items and is
            spared them); and which users are cold: without any known item, who get those taken most.
        """
        known = self._events(histories, types, times, users)
        is_cold = np.array([len(history) == 0 for history in known], bool)
        lists = np.zeros((len(known), k), np.int64)
        # Ids are in the order in which they were shown most: of those taken as often, the first ones.
        popular = 1 + np.argsort(-self.num_outcomes, kind="stable")[:k]
        lists[is_cold, : len(popular)] = popular
        can_choose = ~is_cold
        if self.filter_viewed:
            num_taken = [len(np.unique(history % self.network.num_items)) for history in known]
            can_choose &= np.array(num_taken) < len(self.ids)
        asked = [history for history, chooses in zip(known, can_choose, strict=True) if chooses]
        if asked and approximate:
            lists[can_choose] = self._nearest.recommend(asked, k, self.filter_viewed)
        elif asked:
            lists[can_choose] = recommend(self.network, asked, k, self.filter_viewed)
        return np.concatenate([[None], self.ids])[lists], is_cold

    def _events(
        self,
        histories: list[list[str]],
        types: pa.ListArray | None,
        times: pa.ListArray | None,
        users: Mapping[str, pa.Array] | None,
    ) -> list[NDArray[np.int64]]:
        """Known events of each history."""
        starts = np.concatenate([[0], np.cumsum([len(history) for history in histories])]).astype(np.int64)
        flat = np.array([self._indices.get(item, 0) for history in histories for item in history], np.int64)
        if self.context.sizes:
            kinds = None if types is None else types.flatten()
            us = None if times is None else times.flatten().cast(pa.int64()).to_numpy(zero_copy_only=False)
            flat = self.context.events(flat, self.network.num_items, starts, kinds, us, users)
        return [events[events > 0] for events in np.split(flat, starts[1:-1])] if len(histories) else []

    @cached_property
    def _nearest(self) -> NearestItems:
        return NearestItems.of(self.network)

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {item: index for index, item in enumerate(self.ids, start=1)}
