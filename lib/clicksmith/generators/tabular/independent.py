"""The control that knows no dependence: each column is drawn from its own distribution.

A generator that does not beat it on pairs of columns has learnt shares, not rows.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import Recipe, Sampler, Shard, Wrap
from clicksmith.generators.tabular.fixing import check_fixed
from clicksmith.generators.tabular.layout import Layout
from clicksmith.seeds import counter_uniform


class IndependentSampler(Sampler[Encoded]):
    """Shares of all codes; nothing else is kept of the training rows."""

    def __init__(self, codec: TableCodec) -> None:
        super().__init__()
        self.layout = Layout(codec)
        self.cardinalities = codec.cardinalities
        self.shares: Tensor
        self.register_buffer("shares", torch.zeros(sum(self.cardinalities), dtype=torch.float64))

    def fit(self, codes: NDArray[np.int64]) -> None:
        """Count the codes, shape (N, C)."""
        counts = [np.bincount(codes[:, k], minlength=c) for k, c in enumerate(self.cardinalities)]
        self.shares.copy_(torch.from_numpy(np.concatenate(counts) / len(codes)))

    @torch.inference_mode()
    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        """By inverse cumulated shares. A condition changes its own column alone; see `Sampler.sample`."""
        fixed = fixed or {}
        seen = [torch.bincount(self._modes(k), shares) > 0 for k, shares in enumerate(self.columns())]
        check_fixed(self.layout, torch.cat(seen), fixed)
        num_columns = len(self.cardinalities)
        uniform = counter_uniform(seed, row_ids, 2 * num_columns)
        codes = np.empty((len(row_ids), num_columns), dtype=np.int64)
        for column, shares in enumerate(self.columns()):
            total = np.cumsum(shares.numpy())
            found = np.searchsorted(total, uniform[:, column] * total[-1], side="right")
            codes[:, column] = np.minimum(found, len(total) - 1)
        for column, wanted in fixed.items():
            codes[:, column] = wanted
        return Encoded(codes, uniform[:, num_columns:].astype(np.float32))

    def _modes(self, column: int) -> Tensor:
        """The mode of each of a column's codes."""
        return torch.from_numpy(self.layout.modes_of(column, np.arange(self.cardinalities[column])))

    def columns(self) -> tuple[Tensor, ...]:
        """Shares of each column's codes."""
        return torch.split(self.shares, self.cardinalities)


class Independent(Recipe[Encoded]):
    """Fitted when it is made: its steps only tell the training rows' nats.

    Args:
        data: encoded training rows.
        codec: their codec.
    """

    def __init__(self, data: Encoded, codec: TableCodec) -> None:
        self.sampler = self._independent = IndependentSampler(codec)
        self._independent.fit(data.codes)
        self._nats = self.row_nats(data).mean()

    def prepare(self, wrap: Wrap) -> None:
        """Nothing is trained: there is no gradient to make parallel."""

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        return {"nats": self._nats}

    def row_nats(self, rows: Encoded) -> Tensor:
        """See `Recipe.row_nats`; a code never seen costs as much as one seen a millionth of the time."""
        nats = torch.zeros(len(rows), dtype=torch.float64)
        for column, shares in enumerate(self._independent.columns()):
            nats -= shares.clamp(min=1e-6).log()[torch.from_numpy(rows.codes[:, column])]
        return nats

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {"sampler": self.sampler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self.sampler.load_state_dict(state["sampler"])
