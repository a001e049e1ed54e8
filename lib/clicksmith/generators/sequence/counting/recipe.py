"""The recipe of generators that count: fitted when they are made, their steps train nothing."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import TrainingError
from clicksmith.generators.recipe import Recipe, Sampler, Shard, Wrap

Nats = Callable[[EncodedSequences], Tensor]


class Counting(Recipe[EncodedSequences]):
    """A sampler that has counted; its steps only tell what it found.

    Args:
        sampler: fitted.
        figures: what it found, by name.
        nats: nats of each owner, where there is a likelihood.
    """

    def __init__(
        self, sampler: Sampler[EncodedSequences], figures: Mapping[str, float], nats: Nats | None = None
    ) -> None:
        self.sampler = sampler
        self._figures = {name: torch.tensor(float(value)) for name, value in figures.items()}
        self._nats = nats

    def prepare(self, wrap: Wrap) -> None:
        """Nothing is trained: there is no gradient to make parallel."""

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        return dict(self._figures)

    def row_nats(self, rows: EncodedSequences) -> Tensor | None:
        """See `Recipe.row_nats`."""
        return None if self._nats is None else self._nats(rows)

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {"sampler": self.sampler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self.sampler.load_state_dict(state["sampler"])


def require_owners(data: EncodedSequences) -> None:
    """Refuse to count nothing.

    Raises:
        TrainingError: there is no owner.
    """
    if not len(data):
        raise TrainingError("There is no sequence to count.", "Take in more data.")
