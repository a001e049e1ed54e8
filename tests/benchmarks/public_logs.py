"""Public data sets as users' histories of item indices, split as published."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clicksmith.training.next_items import NextItems

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Split:
    """A data set.

    Attributes:
        train: histories to fit on.
        num_items: V, index 0 being no item.
        validation, test: what to ask.
    """

    train: list[Ints]
    num_items: int
    validation: NextItems
    test: NextItems

    @property
    def popularity(self) -> NDArray[np.float64]:
        """Training events of each item, shape (V,)."""
        return np.bincount(np.concatenate(self.train), minlength=self.num_items).astype(np.float64)


def amazon_beauty() -> Split:
    """Leave one out: the last item tests, the one before it validates (the files of S3Rec)."""
    lines = (DATA / "amazon_beauty" / "sequences.txt").read_text().splitlines()
    histories = [np.array(line.split()[1:], np.int32) for line in lines]
    num_items = 1 + max(int(history.max()) for history in histories)
    return Split(
        train=[history[:-2] for history in histories],
        num_items=num_items,
        validation=_ask(histories, 2),
        test=_ask(histories, 1),
    )


def item_attributes() -> dict[int, list[int]]:
    """Amazon Beauty's item to attribute ids."""
    content = json.loads((DATA / "amazon_beauty" / "item2attributes.json").read_text())
    return {int(item): attributes for item, attributes in content.items()}


def _ask(histories: list[Ints], from_end: int) -> NextItems:
    return NextItems(
        [history[:-from_end] for history in histories],
        [history[-from_end:][:1] for history in histories],
        np.ones(len(histories), np.int64),
    )
