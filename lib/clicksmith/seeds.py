"""One seed tree for a whole run, and counter-based random numbers.

Every random stream is derived from the run's seed by name, so that adding a
stream never shifts another, and every per-row number is a pure function of
(seed, row id), so that rows do not depend on partitioning.
"""

import hashlib
import zlib
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
SILVER = 0x6A09E667F3BCC909
"""The fraction of the square root of 2, times 2**64: a step of `even_uniform` of which golden ones tell
nothing."""
_CACHED_NUMBERS = 8_192
"""So many are made at a time, which a core's own cache holds."""


def derive_seed(seed: int, *names: str | int) -> int:
    """Derive a child seed by name.

    Args:
        seed: the parent seed.
        names: the path of the stream, e.g. ``("train_generator", "ctgan")``.

    Returns:
        A seed in [0, 2**63), stable across machines and Python versions.
    """
    path = "\x1f".join([str(seed), *(str(name) for name in names)])
    digest = hashlib.blake2b(path.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def _splitmix64(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's finalizer (Steele, Lea, Flood 2014), element-wise."""
    z = x + _GOLDEN
    shifted = z >> np.uint64(30)
    z ^= shifted
    z *= _MIX1
    z ^= np.right_shift(z, np.uint64(27), out=shifted)
    z *= _MIX2
    z ^= np.right_shift(z, np.uint64(31), out=shifted)
    return z


def counter_uniform(seed: int, row_ids: NDArray[np.integer], num_columns: int) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1), a pure function of (seed, row id, column).

    Args:
        seed: the stream's seed, from `derive_seed`.
        row_ids: shape (N,).
        num_columns: numbers per row, M.

    Returns:
        Shape (N, M). The same row id yields the same M numbers in any batch.
    """
    ids: NDArray[np.uint64] = np.asarray(row_ids).astype(np.uint64)
    uniform = np.empty((len(ids), num_columns))
    size = max(1, _CACHED_NUMBERS // max(1, num_columns))
    with np.errstate(over="ignore"):
        columns = _splitmix64(np.arange(num_columns, dtype=np.uint64))
        for start in range(0, len(ids), size):
            rows = _splitmix64(_splitmix64(ids[start : start + size]) ^ np.uint64(seed))
            bits = _splitmix64(rows[:, None] ^ columns[None, :])
            # 53 random bits, centred in their cell so that 0 and 1 never occur.
            bits >>= np.uint64(11)
            np.add(bits, 0.5, out=uniform[start : start + size])
    uniform *= 2.0**-53
    return uniform


def even_uniform(seed: int, row_ids: NDArray[np.integer], step: int = int(_GOLDEN)) -> NDArray[np.float64]:
    """Uniform numbers in [0, 1) that consecutive row ids spread evenly, (N,): multiples of the golden ratio.

    Each is a function of (seed, row id), and uniform over seeds; but a share of consecutive rows is met to
    within a few of them, where independent draws would miss it by the square root of their number.

    Two sequences of one step are the same but for a shift: one tells the other. What is drawn of rows that
    were themselves chosen by such numbers needs another step, `SILVER`.
    """
    with np.errstate(over="ignore"):
        place = np.asarray(row_ids).astype(np.uint64) * np.uint64(step) + (
            np.uint64(seed) << np.uint64(1)
        )  # 63 bits
    return np.asarray((place >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def counter_normal(seed: int, row_ids: NDArray[np.integer], num_columns: int) -> NDArray[np.float64]:
    """Standard normal numbers by Box-Muller, shape (N, M); see `counter_uniform`."""
    uniform = counter_uniform(seed, row_ids, 2 * num_columns)
    radius = np.sqrt(-2.0 * np.log(uniform[:, :num_columns]))
    normal: NDArray[np.float64] = radius * np.cos(2.0 * np.pi * uniform[:, num_columns:])
    return normal


def hash_buckets(ids: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """CRC-32 of each id's UTF-8 bytes, the same as Spark's ``crc32``: orders and samples rows stably.

    Shape (N,). Rows are sampled by taking the smallest (hash, id) first, so a smaller sample is always
    contained in a larger one, whatever the files' layout.
    """
    binary = ids.cast(pa.string()).cast(pa.binary())
    return np.fromiter(map(zlib.crc32, binary.to_pylist()), dtype=np.int64, count=len(ids))


HOLDOUT_MODULUS = 10
"""One user of so many is held out."""


@dataclass(frozen=True)
class Holdout:
    """Which training rows are never shown to a generator.

    They are the real side of every real-against-real figure, of early stopping and of privacy attacks. Whole
    users are held out, since a user's rows are alike: were rows held out one by one, a generator that gives
    away the profile of each user would come as near to them as to the rows that it has seen. A row without a
    user stands for one of its own.

    Attributes:
        key: columns, of which the first that is not null says whose row it is.
    """

    key: tuple[str, ...] = ("user_id", "example_id")

    def owners(self, rows: pa.Table) -> NDArray[np.int64]:
        """A number of each row's user, shape (N,); by hash, so that their order is a random one."""
        return hash_buckets(pc.coalesce(*(rows.column(name) for name in self.key)))

    def mask(self, rows: pa.Table) -> NDArray[np.bool_]:
        """Which rows are held out, shape (N,)."""
        return np.asarray(self.owners(rows) % HOLDOUT_MODULUS == 0)

    @property
    def condition(self) -> str:
        """The same in Spark's SQL."""
        return f"crc32(coalesce({', '.join(self.key)})) % {HOLDOUT_MODULUS} = 0"


HOLDOUT_BY_ROW = Holdout(("example_id",))
"""For a log whose user ids are not of persons: to hold out a group of people would be to hold out a kind."""
