"""Mixtures with planted modes in two numeric columns, and how many of them a sample covers.

A generator that has collapsed loses modes: the toys of Srivastava et al. (2017) and Lin et al. (2018). The
columns of the ring depend on each other, those of the grid do not: independent columns cover the grid.
"""

import numpy as np
import pyarrow as pa

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.tables import Column

COLUMNS = (Column("label", pa.bool_()), Column("x", pa.float64()), Column("y", pa.float64()))
SPREAD = 0.05
"""Standard deviation around each centre, where neighbouring centres lie about 1 apart."""

MAX_BINS = 64


def centres(name: str) -> np.ndarray:
    """Of the modes, shape (M, 2): `ring` has 8, `grid` 25."""
    if name == "ring":
        angles = np.arange(8) * np.pi / 4
        return 1.3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    step = np.arange(5.0) - 2
    return np.stack([part.ravel() for part in np.meshgrid(step, step)], axis=1)


def mixture_rows(name: str, num_rows: int, seed: int = 0, positives: float | None = None) -> pa.Table:
    """Rows around the centres, each as often.

    Args:
        name: of the mixture.
        num_rows: of them.
        seed: of all that is random.
        positives: adds a label, true for the odd modes, and makes it so rare.
    """
    rng = np.random.default_rng(seed)
    num_modes = len(centres(name))
    mode = rng.integers(num_modes, size=num_rows)
    if positives is not None:
        odd = rng.random(num_rows) < positives
        mode = 2 * rng.integers(np.where(odd, num_modes // 2, num_modes - num_modes // 2)) + odd
    points = centres(name)[mode] + SPREAD * rng.normal(size=(num_rows, 2))
    columns = {"x": points[:, 0], "y": points[:, 1]}
    return pa.table(columns if positives is None else {"label": mode % 2 == 1, **columns})


def mixture_data(
    name: str, num_rows: int, seed: int = 0, positives: float | None = None
) -> tuple[TableCodec, Encoded]:
    rows = mixture_rows(name, num_rows, seed, positives)
    codec = TableCodec.fit(rows, COLUMNS[positives is None :], MAX_BINS)
    return codec, codec.encode(rows)


def covered_modes(rows: pa.Table, name: str, modes: slice = slice(None)) -> tuple[int, float]:
    """How a sample covers the planted modes, or some of them.

    A row belongs to a mode when it lies within four standard deviations of its centre; a mode is covered
    when it has at least a quarter of an equal share of the rows.

    Returns:
        The number of modes covered, and the share of rows that belong to any.
    """
    points = np.stack([rows["x"].to_numpy(), rows["y"].to_numpy()], axis=1)
    distance = np.linalg.norm(points[:, None] - centres(name)[modes][None], axis=2)
    inside = distance.min(1) < 4 * SPREAD
    counts = np.bincount(distance.argmin(1)[inside], minlength=distance.shape[1])
    return int((counts >= len(points) / len(counts) / 4).sum()), float(inside.mean())
