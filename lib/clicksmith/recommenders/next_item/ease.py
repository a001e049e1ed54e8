"""EASE, a linear model in closed form: hard to beat where users are few."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from clicksmith.errors import TrainingError
from clicksmith.recommenders.next_item.histories import Floats, history_matrix, history_sets
from clicksmith.recommenders.next_item.recommend import Histories

MAX_DENSE = 25_000
"""EASE inverts a matrix of items by items, or of users by users: this many take 5 GB."""
_ITEMS_AT_ONCE = 4096


@dataclass(frozen=True)
class EASE:
    """Ridge regression of each item on all others, in closed form (Steck 2019).

    Attributes:
        weights: shape (V, V), 0 on the diagonal.
    """

    weights: Floats

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.weights)

    @classmethod
    def fit(cls, histories: Histories, num_items: int, regularisation: float = 500.0) -> "EASE":
        """Invert the Gram matrix of items; see `ease`."""
        taken = history_sets(histories, num_items)
        gram = (taken.T @ taken).toarray().astype(np.float64)
        gram[np.diag_indices(num_items)] += regularisation
        inverse = np.linalg.inv(gram)
        weights = inverse / -np.diag(inverse)
        np.fill_diagonal(weights, 0.0)
        return cls(weights.astype(np.float32))

    @property
    def num_events(self) -> int:
        """See `NextItemModel`."""
        return self.num_items

    def score(self, histories: Histories) -> Floats:
        """See `NextItemModel`."""
        return np.asarray(history_matrix(histories, len(self.weights)) @ self.weights)


@dataclass(frozen=True)
class DualEASE:
    """The same regression where users are fewer than items, by way of a matrix of users by users.

    With X users by items, (X'X + c)^-1 = (1 - X' (XX' + c)^-1 X) / c (Woodbury), of which scores need only
    products with sparse X.

    Attributes:
        taken: X, shape (U, V).
        kernel: (XX' + c)^-1, shape (U, U).
        scale: 1 over the diagonal of 1 - X' kernel X, shape (V,).
    """

    taken: sparse.csr_array
    kernel: Floats
    scale: Floats

    @property
    def num_items(self) -> int:
        """V."""
        return len(self.scale)

    @property
    def num_events(self) -> int:
        """See `NextItemModel`."""
        return self.num_items

    @classmethod
    def fit(cls, histories: Histories, num_items: int, regularisation: float = 500.0) -> "DualEASE":
        """Invert the Gram matrix of users; see `ease`."""
        taken = history_sets(histories, num_items)
        gram = (taken @ taken.T).toarray().astype(np.float64)
        gram[np.diag_indices(len(histories))] += regularisation
        kernel = np.linalg.inv(gram)
        columns = taken.tocsc()
        explained = np.zeros(num_items)
        for start in range(0, num_items, _ITEMS_AT_ONCE):
            some = columns[:, start : start + _ITEMS_AT_ONCE]
            explained[start : start + _ITEMS_AT_ONCE] = some.multiply(kernel @ some).sum(0)
        return cls(taken, kernel.astype(np.float32), (1 / (1 - explained)).astype(np.float32))

    def score(self, histories: Histories) -> Floats:
        """See `NextItemModel`."""
        asked = history_matrix(histories, self.num_items)
        counts = asked.toarray()
        rest = counts - ((asked @ self.taken.T) @ self.kernel) @ self.taken
        return np.asarray(counts - rest * self.scale, np.float32)


def ease(histories: Histories, num_items: int, regularisation: float = 500.0) -> EASE | DualEASE:
    """EASE in the form that is smaller: scores are the same up to rounding.

    Raises:
        TrainingError: there are too many items, and too many users, for a dense matrix.
    """
    if min(num_items, len(histories)) > MAX_DENSE:
        raise TrainingError(
            f"EASE needs a dense matrix of items or of users; there are {num_items:,} items and "
            f"{len(histories):,} users, and at most {MAX_DENSE:,} of either are allowed.",
            "Raise features.min_item_events, or leave this baseline out.",
        )
    kind: type[EASE | DualEASE] = DualEASE if len(histories) < num_items else EASE
    return kind.fit(histories, num_items, regularisation)
