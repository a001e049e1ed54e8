"""Bounded samples of real and generated rows, as Spark has drawn them: what a kind of data is judged by."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from clicksmith.seeds import Holdout


@dataclass(frozen=True)
class Samples:
    """Rows in the order of the hashes of their ids: a smaller sample is the beginning of a larger one.

    Attributes:
        train: real rows that generators learnt from, with the holdout's columns.
        holdout: real rows that none has seen, likewise.
        by: which rows are held out.
        generators: names of those that made rows.
        generated: the rows of one of them.
        cards: of each, by its name; empty where there is none.
    """

    train: pa.Table
    holdout: pa.Table
    by: Holdout
    generators: Sequence[str]
    generated: Callable[[str], pa.Table]
    cards: Mapping[str, Mapping[str, Any]]
