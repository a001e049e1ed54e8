"""The control that learns nothing: rows between a training row and one of its neighbours.

SMOTE (Chawla et al. 2002), in its form for mixed columns. Its "weights" are training rows, so what it
samples is NOT private: a row may equal a training row, or lie on a line that gives two of them away.
It is there to be beaten, and for tables that hold no one's data.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.recipe import Recipe, Sampler, Shard, Wrap
from clicksmith.generators.tabular.fixing import Fixed, check_fixed, redraw, require
from clicksmith.generators.tabular.layout import Layout
from clicksmith.seeds import counter_uniform

NEIGHBOURS = 5
MAX_ROWS = 20_000
"""Training rows that are kept; neighbours are found among them by comparing all pairs."""


class NeighbourSampler(Sampler[Encoded]):
    """Training rows, and which of them are neighbours: K of each."""

    def __init__(self, codec: TableCodec) -> None:
        super().__init__()
        self.layout = Layout(codec)
        self.codes: Tensor
        self.positions: Tensor
        self.neighbours: Tensor
        self.seen: Tensor
        num_columns = self.layout.num_columns
        self.register_buffer("codes", torch.zeros(0, num_columns, dtype=torch.int32))
        self.register_buffer("positions", torch.zeros(0, num_columns))
        self.register_buffer("neighbours", torch.zeros(0, NEIGHBOURS, dtype=torch.int32))
        self.register_buffer("seen", torch.zeros(self.layout.num_flat, dtype=torch.bool))

    def fit(self, rows: Encoded, label: int) -> float:
        """Keep the first `MAX_ROWS` rows and find the neighbours of each among those of its label.

        Args:
            rows: in random order, as training rows are.
            label: column that a row and its neighbours have in common.

        Returns:
            The mean distance to a neighbour.
        """
        self.seen[self.layout.split(rows)[0].flatten()] = True
        kept = rows.head(MAX_ROWS)
        neighbours = np.tile(np.arange(len(kept))[:, None], NEIGHBOURS)  # a lone row has only itself
        distances = np.zeros(len(kept))
        for code in np.unique(kept.codes[:, label]):
            mine = np.flatnonzero(kept.codes[:, label] == code)
            if len(mine) > 1:
                distance, found = self._nearest(Encoded(kept.codes[mine], kept.positions[mine]))
                neighbours[mine] = mine[found[:, np.arange(NEIGHBOURS) % found.shape[1]]]
                distances[mine] = distance.mean(1)
        self.codes, self.positions = (
            torch.from_numpy(kept.codes.astype(np.int32)),
            torch.from_numpy(kept.positions),
        )
        self.neighbours = torch.from_numpy(neighbours.astype(np.int32))
        return float(distances.mean())

    def _nearest(self, rows: Encoded) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances and row numbers of each row's nearest others, shapes (N, K) or less wide.

        Two values of a category lie as far apart as the numbers' median standard deviation (Chawla et al.).
        """
        flat, scalars = self.layout.split(rows)
        dense = self.layout.dense(flat, scalars).numpy()
        apart = float(np.median(scalars.std(0).numpy())) if self.layout.num_scalars else 1.0
        dense[:, : self.layout.num_flat] *= apart / 2**0.5
        num_neighbours = min(NEIGHBOURS, len(rows) - 1)
        # At the top of the module it would cost every process of every generator's training two seconds.
        from sklearn.neighbors import NearestNeighbors

        found = NearestNeighbors(n_neighbors=num_neighbours, algorithm="brute").fit(dense).kneighbors()
        return found[0], found[1]

    @torch.inference_mode()
    def sample(
        self, seed: int, row_ids: NDArray[np.int64], fixed: dict[int, NDArray[np.int64]] | None = None
    ) -> Encoded:
        """A point between a row that has the fixed codes and a neighbour: numbers by their quantiles.

        A category is the neighbour's with the probability of the point's place. Where that leaves a fixed
        code behind, points are drawn anew, see `redraw`. See `Sampler.sample`.
        """
        fixed = fixed or {}
        check_fixed(self.layout, self.seen, fixed)
        group, rows, starts = self._having(fixed, len(row_ids))

        def draw(attempt: int, purpose: NDArray[np.int64]) -> Encoded:
            uniform = counter_uniform(attempt, row_ids, 3 + self.layout.num_columns)
            mine = group[purpose]
            place = uniform[:, 0] * (starts[mine + 1] - starts[mine])
            return self._between(torch.from_numpy(rows[starts[mine] + place.astype(np.int64)]), uniform)

        return require(redraw(draw, seed, len(row_ids), fixed, group), fixed)

    def _between(self, base: Tensor, uniform: NDArray[np.float64]) -> Encoded:
        """Rows between those of the numbers `base` (N,) and a neighbour of each."""
        layout = self.layout
        pick = self.neighbours[base, torch.from_numpy((uniform[:, 1] * NEIGHBOURS).astype(np.int64))].long()
        place, choice = torch.from_numpy(uniform[:, 2:3]).float(), torch.from_numpy(uniform[:, 3:])
        (flat, scalars), (other_flat, other_scalars) = (
            layout.split(self._rows(rows)) for rows in (base, pick)
        )
        take = choice < place
        numeric = torch.from_numpy(layout.numeric)
        last = layout.last[numeric]
        between = (flat[:, numeric] == last) & (other_flat[:, numeric] == last)
        chosen = torch.where(take[:, numeric], other_scalars, scalars)
        scalars = torch.where(between, scalars.lerp(other_scalars, place), chosen)
        modes = torch.where(take, other_flat, flat) - layout.offsets
        return layout.join(modes.numpy(), scalars.numpy())

    def _rows(self, numbers: Tensor) -> Encoded:
        return Encoded(self.codes[numbers].long().numpy(), self.positions[numbers].numpy())

    def _having(
        self, fixed: Fixed, num_rows: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Rows to start from: the group of each sampled row (N,), and rows and starts of the groups.

        A group is of rows with the same fixed codes, and starts from kept rows that have them, or from any
        row where none has.
        """
        every = np.arange(len(self.codes))
        if not fixed:
            return np.zeros(num_rows, dtype=np.int64), every, np.array([0, len(every)])
        wishes, group = np.unique(np.stack(list(fixed.values()), axis=1), axis=0, return_inverse=True)
        codes = self.codes[:, list(fixed)].numpy()
        found = [np.flatnonzero((codes == wish).all(axis=1)) for wish in wishes]
        having = [rows if len(rows) else every for rows in found]
        return group.reshape(-1), np.concatenate(having), np.cumsum([0, *map(len, having)])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Take as many rows as there are in the state."""
        for name, mine in list(self.named_buffers(recurse=False)):
            saved = state_dict.get(prefix + name)
            if saved is not None and saved.shape[1:] == mine.shape[1:]:
                setattr(self, name, torch.empty_like(saved, dtype=mine.dtype))
        super()._load_from_state_dict(state_dict, prefix, *rest)


class Smote(Recipe[Encoded]):
    """Fitted when it is made: its steps only tell how near neighbours are.

    Args:
        data: encoded training rows.
        codec: their codec.
        label: column that a row and its neighbours have in common.
    """

    def __init__(self, data: Encoded, codec: TableCodec, label: int) -> None:
        self.sampler = sampler = NeighbourSampler(codec)
        self._distance = torch.tensor(sampler.fit(data, label))

    def prepare(self, wrap: Wrap) -> None:
        """Nothing is trained: there is no gradient to make parallel."""

    def step(self, step: int, shard: Shard) -> dict[str, Tensor]:
        """See `Recipe.step`."""
        return {"neighbour_distance": self._distance}

    def state_dict(self) -> dict[str, Any]:
        """See `Recipe.state_dict`."""
        return {"sampler": self.sampler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Recipe.load_state_dict`."""
        self.sampler.load_state_dict(state["sampler"])
