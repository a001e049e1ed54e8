"""Random numbers of the simulation: pure functions of (seed, name of the stream, row id)."""

import numpy as np
from numpy.typing import NDArray

from clicksmith.seeds import counter_normal, counter_uniform, derive_seed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


def uniform(seed: int, stream: str, row_ids: Ints, num_columns: int) -> Floats:
    """Uniform in (0, 1), shape (N, M); the same row id yields the same numbers in any batch."""
    return counter_uniform(derive_seed(seed, "simulate", stream), row_ids, num_columns)


def normal(seed: int, stream: str, row_ids: Ints, num_columns: int) -> Floats:
    """Standard normal, shape (N, M)."""
    return counter_normal(derive_seed(seed, "simulate", stream), row_ids, num_columns)


def exponential(uniforms: Floats) -> Floats:
    """From uniform numbers to exponential ones of mean 1."""
    result: Floats = -np.log(uniforms)
    return result


def unit_rows(vectors: Floats) -> Floats:
    """Rows scaled to length 1."""
    result: Floats = vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return result
