"""Owners as they are in training: whole rows of codes with exact lengths, as often as they occur.

Shapes: N owners asked for, R distinct rows, So sub-columns of owners.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.sequence.given import Given

Codes = NDArray[np.int64]


class OwnerTable(nn.Module):
    """Distinct rows of owners' codes and their numbers of events, with counts; kept as buffers.

    Args:
        num_columns: So.
    """

    def __init__(self, num_columns: int) -> None:
        super().__init__()
        self.rows: Tensor
        self.counts: Tensor
        self.register_buffer("rows", torch.zeros(0, num_columns + 1, dtype=torch.int32))
        self.register_buffer("counts", torch.zeros(0, dtype=torch.int64))

    def fit(self, data: EncodedSequences) -> None:
        """Count the rows of training owners."""
        rows = np.column_stack([data.owners, data.lengths.astype(np.int32)])
        distinct, counts = np.unique(rows, axis=0, return_counts=True)
        self.rows, self.counts = torch.from_numpy(distinct), torch.from_numpy(counts)

    @property
    def varies(self) -> bool:
        """Whether owners differ at all."""
        return len(self.rows) > 1

    def draw(self, uniform: NDArray[np.float64], given: Given) -> tuple[Codes, Codes]:
        """A row for each owner asked for.

        Rows must have the given codes. Of these, the ones count whose length is nearest to a given one, or
        not below that of a given beginning.

        Args:
            uniform: in (0, 1), shape (N,).
            given: `owners`, `lengths` and `prefix` are met; a given length is exact also where no training
                owner has it.

        Returns:
            Codes, shape (N, So), and numbers of events, shape (N,).

        Raises:
            NotFittedError: no training owner has the given codes.
            ConfigError: a given length is below that of the beginning given.
        """
        rows, counts = self.rows.cpu().numpy().astype(np.int64), self.counts.cpu().numpy()
        shortest = np.zeros(len(uniform), dtype=np.int64) if given.prefix is None else given.prefix.lengths
        if not given.owners and given.lengths is None and given.prefix is None:
            drawn = rows[_pick(counts, uniform)]
            return drawn[:, :-1], drawn[:, -1]
        if given.lengths is not None and (short := given.lengths < shortest).any():
            where = int(np.flatnonzero(short)[0])
            raise ConfigError(
                f"A sequence of {given.lengths[where]} events was asked for that begins with "
                f"{shortest[where]} given ones.",
                "Ask for at least as many events as are given.",
            )
        target = shortest if given.lengths is None else given.lengths
        columns = list(given.owners)
        wishes = np.column_stack([*(given.owners[column] for column in columns), target])
        index = np.empty(len(uniform), dtype=np.int64)
        distinct, group = np.unique(wishes, axis=0, return_inverse=True)
        for number, wish in enumerate(distinct):
            mine = np.flatnonzero(group.reshape(-1) == number)
            found = np.flatnonzero((rows[:, columns] == wish[:-1]).all(1))
            if not len(found):
                asked = " and ".join(
                    f"code {code} in column {c}" for c, code in zip(columns, wish, strict=False)
                )
                raise NotFittedError(
                    f"Owners with {asked} were asked for; no training owner has that.",
                    "Ask for values that occur together in the training data.",
                )
            apart = wish[-1] - rows[found, -1]
            apart = np.maximum(apart, 0) if given.lengths is None else np.abs(apart)
            found = found[apart == apart.min()]
            index[mine] = found[_pick(counts[found], uniform[mine])]
        lengths = np.maximum(rows[index, -1], shortest) if given.lengths is None else given.lengths
        return rows[index, :-1], lengths

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        # How many rows there are is known from what is loaded alone.
        for name in ("rows", "counts"):
            if prefix + name in state_dict:
                setattr(self, name, torch.empty_like(state_dict[prefix + name], device=self.rows.device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _pick(counts: NDArray[np.int64], uniform: NDArray[np.float64]) -> NDArray[np.int64]:
    """Row numbers, each as probable as its count."""
    total = counts.cumsum()
    return np.asarray(np.searchsorted(total, (uniform * total[-1]).astype(np.int64), side="right"))
