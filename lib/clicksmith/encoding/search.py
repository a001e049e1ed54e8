"""Looking up millions of distinct values by their hashes."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.hashing import hash_values
from clicksmith.errors import ContractError

MAX_SALTS = 4


@dataclass(frozen=True, eq=False)
class HashIndex:
    """Sorted hashes of distinct values, and where each value stands.

    As hashes are uniform, their upper bits say almost exactly where in the sorted array one lies: a
    look-up is two memory accesses and a few comparisons, ten times faster than a binary search.

    Attributes:
        hashes: rising, shape (V,).
        places: index of the value with each hash, shape (V,).
        starts: the first hash of each cell of upper bits, shape (2**bits + 1,).
        salt: of the hashes.
    """

    hashes: NDArray[np.uint64]
    places: NDArray[np.int64]
    starts: NDArray[np.int64]
    salt: int

    @classmethod
    def build(cls, values: pa.Array) -> "HashIndex":
        """The index of distinct values, none null.

        Raises:
            ContractError: values repeat.
        """
        for salt in range(MAX_SALTS):
            hashes = hash_values(values, salt)
            places = np.argsort(hashes)
            hashes = hashes[places]
            if not (hashes[1:] == hashes[:-1]).any():
                bits = max(len(values).bit_length(), 1)
                cells = np.arange(2**bits, dtype=np.uint64) << np.uint64(64 - bits)
                starts = np.append(np.searchsorted(hashes, cells), len(hashes))
                return cls(hashes, places, starts, salt)
        raise ContractError("The ids of a column repeat.", "Fit the codec again.")

    def find(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """The index of the value with each hash, -1 where there is none; shape (N,)."""
        bits = (len(self.starts) - 1).bit_length() - 1
        cell = (hashes >> np.uint64(64 - bits)).astype(np.int64)
        at, end = self.starts[cell], self.starts[cell + 1]
        found = np.full(len(hashes), -1, dtype=np.int64)
        open_rows = np.flatnonzero(at < end)
        while len(open_rows):  # as often as the fullest cell has hashes: a dozen times for 10 million
            here = at[open_rows]
            hit = self.hashes[here] == hashes[open_rows]
            found[open_rows[hit]] = self.places[here[hit]]
            open_rows = open_rows[~hit]
            at[open_rows] += 1
            open_rows = open_rows[at[open_rows] < end[open_rows]]
        return found
