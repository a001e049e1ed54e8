"""The data that generators are compared on: rows that they learn, and rows that they never see.

Not called `datasets`: a peer's process, which runs `fit_peer.py` from here, imports a package of that name.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from clicksmith.evaluation.samples.sample import columns_of
from clicksmith.generators.tabular.example_codec import GENERATED_COLUMNS, MAX_BINS
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reading.snapshot import load_shown
from clicksmith.seeds import Holdout
from clicksmith.tables import TRAINING_EXAMPLES, Column

ADULT_SEED = 0
ADULT_BINS = 256
JOURNEY_ROWS = 44_000, 100_000
"""Rows with the smallest hashes of their ids: what generators may see, and of what the rest is held out."""


@dataclass(frozen=True)
class Dataset:
    """A table, split once.

    Attributes:
        train: the rows that generators learn.
        test: as many as a quarter of them, that they never see.
        columns: declarations of all columns.
        label: a two-valued column that the others predict.
        max_bins: of the codec.
    """

    train: pa.Table
    test: pa.Table
    columns: tuple[Column, ...]
    label: str
    max_bins: int

    @classmethod
    def adult(cls, path: Path) -> "Dataset":
        """One 80/20 split of the adult data.

        Raises:
            SystemExit: the file is not there.
        """
        if not path.is_file():
            sys.exit(f"The adult data is not at {path}; pass --data FILE.")
        rows = pyarrow.csv.read_csv(path)
        order = np.random.default_rng(ADULT_SEED).permutation(rows.num_rows)
        border = round(0.8 * rows.num_rows)
        train, test = rows.take(order[:border]), rows.take(order[border:])
        return cls(train, test, tuple(columns_of(rows.schema)), "income", ADULT_BINS)

    @classmethod
    def journey(cls, lake: Path) -> "Dataset":
        """gold.training_examples of a lake that `make demo` has filled: Complete Journey."""
        examples = Lake(str(lake)).get(TRAINING_EXAMPLES)
        names = [column.name for column in GENERATED_COLUMNS]
        train, test = (
            load_shown(examples, names, num_rows, Holdout(), held_out)
            for num_rows, held_out in zip(JOURNEY_ROWS, (False, True), strict=True)
        )
        return cls(train, test, GENERATED_COLUMNS, "label_purchase", MAX_BINS)
