"""Statistics of columns whose values are names: how often each occurs, and among how many users."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.users import smallest_users


@dataclass(frozen=True, eq=False)
class ValueStatistics:
    """Exact counts of the values of a column, and of the elements of a multi-valued one.

    Attributes:
        values: the distinct ones, rising, none null; shape (V,).
        counts: rows of each, shape (V,).
        owners: index of a value, rising, shape (P,).
        users: hash of a user of it, rising within a value, shape (P,): the k smallest of each value.
        num_null: rows without a value.
        num_rare: rows whose value has been taken out, as too few users have it.
        protected: whether `protect` has been applied; users are forgotten then.
    """

    values: pa.Array
    counts: NDArray[np.int64]
    owners: NDArray[np.int64]
    users: NDArray[np.uint64]
    num_null: int = 0
    num_rare: int = 0
    protected: bool = False

    @classmethod
    def of(cls, array: pa.Array, users: NDArray[np.uint64], k: int) -> "ValueStatistics":
        """Statistics of some rows.

        Args:
            array: the column, shape (N,).
            users: hash of each row's user, shape (N,).
            k: distinct users are counted up to so many.
        """
        encoded = array.dictionary_encode()
        known = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
        index = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)[known]
        counts = np.bincount(index, minlength=len(encoded.dictionary))
        part = cls(
            encoded.dictionary, counts, *_users_of(index, users[known], k), int(len(known) - known.sum())
        )
        return part._sorted()

    @classmethod
    def merge(cls, parts: Sequence["ValueStatistics"], k: int) -> "ValueStatistics":
        """Statistics of all rows of the parts; at least one part."""
        if len(parts) == 1:
            return parts[0]
        shift = np.cumsum([0, *(len(part.values) for part in parts)])
        return cls(
            pa.concat_arrays([part.values for part in parts]),
            np.concatenate([part.counts for part in parts]),
            np.concatenate([part.owners + s for part, s in zip(parts, shift, strict=False)]),
            np.concatenate([part.users for part in parts]),
            sum(part.num_null for part in parts),
            sum(part.num_rare for part in parts),
            any(part.protected for part in parts),
        ).normalized(k)

    def normalized(self, k: int) -> "ValueStatistics":
        """Each value once, rising; from entries in any order, in which values may repeat."""
        encoded = self.values.dictionary_encode()
        index = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        counts = np.zeros(len(encoded.dictionary), dtype=np.int64)
        np.add.at(counts, index, self.counts)
        owners, users = _users_of(index[self.owners], self.users, k)
        whole = replace(self, values=encoded.dictionary, counts=counts, owners=owners, users=users)
        return whole._sorted()

    def protect(self, k: int) -> "ValueStatistics":
        """Without the values that fewer than k users have; users are forgotten."""
        if self.protected:
            return self
        kept = np.bincount(self.owners, minlength=len(self.values)) >= (k if k > 1 else 0)
        rare = int(self.counts[~kept].sum())
        nobody = np.empty(0, np.int64), np.empty(0, np.uint64)
        values = self.values.filter(pa.array(kept))
        return ValueStatistics(
            values, self.counts[kept], *nobody, self.num_null, self.num_rare + rare, protected=True
        )

    def take(self, index: NDArray[np.int64]) -> "ValueStatistics":
        """Some of the values, without the counts of nulls and rare rows."""
        place = np.full(len(self.values), -1, dtype=np.int64)
        place[index] = np.arange(len(index))
        mine = place[self.owners] >= 0
        owners, users = place[self.owners[mine]], self.users[mine]
        order = np.lexsort((users, owners))
        values = self.values.take(pa.array(index))
        return ValueStatistics(
            values, self.counts[index], owners[order], users[order], protected=self.protected
        )

    @property
    def num_entries(self) -> int:
        """What its memory grows with."""
        return len(self.values) + len(self.users)

    def equals(self, other: "ValueStatistics") -> bool:
        """Whether all attributes are the same."""
        return (
            self.values.equals(other.values)
            and np.array_equal(self.counts, other.counts)
            and np.array_equal(self.owners, other.owners)
            and np.array_equal(self.users, other.users)
            and (self.num_null, self.num_rare) == (other.num_null, other.num_rare)
        )

    def by_frequency(self) -> "ValueStatistics":
        """The values by falling count, ties by value."""
        return self._reordered(np.lexsort((np.arange(len(self.values)), -self.counts)))

    def _sorted(self) -> "ValueStatistics":
        return self._reordered(pc.sort_indices(self.values).to_numpy().astype(np.int64))

    def _reordered(self, order: NDArray[np.int64]) -> "ValueStatistics":
        return replace(self.take(order), num_null=self.num_null, num_rare=self.num_rare)


def _users_of(
    index: NDArray[np.int64], users: NDArray[np.uint64], k: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    if k <= 1:  # nobody needs protection: nothing to count
        return np.empty(0, np.int64), np.empty(0, np.uint64)
    return smallest_users(index, users, k)
