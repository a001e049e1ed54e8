"""64-bit hashes of Arrow values, vectorised; the same on every machine."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.errors import ContractError

CHUNK_BYTES = 1 << 22
"""Strings are hashed so many bytes at a time: the work arrays are eight times as large."""

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def hash_values(array: pa.Array, salt: int = 0) -> NDArray[np.uint64]:
    """A hash of each value, shape (N,); nulls hash to 0.

    A string's is multilinear (Lemire & Kaser 2014): the sum over its bytes of a random number of the
    byte times a random number of the place, so that two strings meet with a chance of about 2**-63.

    Raises:
        ContractError: the values are neither strings, integers nor booleans.
    """
    if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type):
        numbers = array.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
        hashes = mix(numbers.view(np.uint64) ^ np.uint64(salt))
    elif pa.types.is_string(array.type) or pa.types.is_large_string(array.type):
        hashes = _hash_strings(array.fill_null("").cast(pa.large_binary()), salt)
    else:
        raise ContractError(
            f"Values of type {array.type} cannot be identifiers or users.", "Use strings or integers."
        )
    return np.where(array.is_null().to_numpy(zero_copy_only=False), np.uint64(0), hashes)


def mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer (Steele, Lea, Flood 2014), element-wise: a bijection."""
    with np.errstate(over="ignore"):
        z = x + _GOLDEN
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def to_unit(hashes: NDArray[np.uint64]) -> NDArray[np.float32]:
    """Hashes as numbers in [0, 1), float32."""
    return ((hashes >> np.uint64(40)).astype(np.float64) * 2.0**-24).astype(np.float32)


def _hash_strings(array: pa.Array, salt: int) -> NDArray[np.uint64]:
    _, offset_buffer, data_buffer = array.buffers()
    offsets = np.frombuffer(offset_buffer, np.int64)[array.offset : array.offset + len(array) + 1]
    data = np.frombuffer(data_buffer, np.uint8) if data_buffer is not None else np.empty(0, np.uint8)
    lengths = np.diff(offsets)
    of_byte = mix(np.arange(256, dtype=np.uint64) ^ np.uint64(salt))
    of_place = mix(np.arange(1 << 20, (1 << 20) + int(lengths.max(initial=0)), dtype=np.uint64))
    sums = np.zeros(len(lengths), dtype=np.uint64)
    start = 0
    while start < len(lengths):
        end = int(np.searchsorted(offsets, offsets[start] + CHUNK_BYTES, side="right")) - 1
        end = min(max(end, start + 1), len(lengths))
        filled = np.flatnonzero(lengths[start:end]) + start
        if len(filled):
            first = offsets[filled] - offsets[start]
            num_bytes = int(offsets[end] - offsets[start])
            place = np.arange(num_bytes) - np.repeat(first, lengths[filled])
            with np.errstate(over="ignore"):
                terms = of_byte[data[offsets[start] : offsets[end]]] * of_place[place]
                sums[filled] = np.add.reduceat(terms, first)
        start = end
    return mix(sums ^ mix(lengths.astype(np.uint64)))
