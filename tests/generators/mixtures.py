"""Mixtures with planted modes in two numeric columns, and how many of them a sample covers.

A generator that has collapsed loses modes: the toys of Srivastava et al. (2017) and Lin et al. (2018). The
grid is turned by 45 degrees, so that its columns depend on each other.
"""

import numpy as np
import pyarrow as pa

from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.tables import Column

COLUMNS = (Column("x", pa.float64()), Column("y", pa.float64()))
SPREAD = 0.05
"""Standard deviation around each centre, where neighbouring centres lie about 1 apart."""

MAX_BINS = 64


def centres(name: str) -> np.ndarray:
    """Of the modes, shape (M, 2): `ring` has 8, `grid` 25."""
    if name == "ring":
        angles = np.arange(8) * np.pi / 4
        return 1.3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    step = np.arange(5.0) - 2
    u, v = (part.ravel() for part in np.meshgrid(step, step))
    return np.stack([u + v, u - v], axis=1) / np.sqrt(2)


def mixture_rows(name: str, num_rows: int, seed: int = 0) -> pa.Table:
    """Rows around the centres, each as often."""
    rng = np.random.default_rng(seed)
    points = centres(name)[rng.integers(len(centres(name)), size=num_rows)]
    points = points + SPREAD * rng.normal(size=points.shape)
    return pa.table({"x": points[:, 0], "y": points[:, 1]})


def mixture_data(name: str, num_rows: int, seed: int = 0) -> tuple[TableCodec, Encoded]:
    rows = mixture_rows(name, num_rows, seed)
    codec = TableCodec.fit(rows, COLUMNS, MAX_BINS)
    return codec, codec.encode(rows)


def covered_modes(rows: pa.Table, name: str) -> tuple[int, float]:
    """How a sample covers the planted modes.

    A row belongs to a mode when it lies within four standard deviations of its centre; a mode is covered
    when it has at least a quarter of the rows that it has in the truth.

    Returns:
        The number of modes covered, and the share of rows that belong to any.
    """
    points = np.stack([rows["x"].to_numpy(), rows["y"].to_numpy()], axis=1)
    distance = np.linalg.norm(points[:, None] - centres(name)[None], axis=2)
    inside = distance.min(1) < 4 * SPREAD
    counts = np.bincount(distance.argmin(1)[inside], minlength=len(centres(name)))
    return int((counts >= len(points) / len(counts) / 4).sum()), float(inside.mean())
