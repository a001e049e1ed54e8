"""Between gold.sequences and what generators of sequences learn."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences
from clicksmith.errors import TrainingError
from clicksmith.tables import SEQUENCES, Column

ITEM, TYPE, TIME = "item_ids", "event_types", "event_ts"
EVENT_COLUMNS = (ITEM, TYPE, TIME)
"""Of gold.sequences, each a list with a value an event: what is generated."""
OWNER = "user_id"
MAX_ITEMS = 256
"""With more of them an item has a code on two or three levels, so that those of few events are learnt of
together, and no soft-max is over all of them."""

END_SECONDS = 3600
"""A user's last moment is told to the hour: told to the second it would be that of one user."""


@dataclass(frozen=True)
class ShopCodec:
    """All codecs of a generator of users' sequences.

    Attributes:
        core: of the events, and of how many a user has and when the last one was.
    """

    core: SequenceCodec

    @classmethod
    def fit(cls, rows: pa.Table, min_users: int = 1) -> "ShopCodec":
        """Fit on training rows in memory.

        Args:
            rows: with `OWNER` and `EVENT_COLUMNS`.
            min_users: a type of event, or an extreme of a number, must belong to so many users. Item ids are
                those of the catalogue, not of users, and all kept.

        Raises:
            TrainingError: there are none.
            ContractError: there are fewer users than `min_users`.
        """
        if rows.num_rows == 0:
            raise TrainingError(
                "There is no training sequence for a generator (split 'train', holdout taken out).",
                "Ingest users with clicks, carts or purchases, or set features.cut_date later.",
            )
        options = Options(min_users=min_users, public=frozenset([ITEM]), max_categories=MAX_ITEMS)
        columns = [Column(name, SEQUENCES[name].type.value_type) for name in EVENT_COLUMNS]
        return cls(SequenceCodec.fit(sequences_of(rows), [], columns, options, TIME, end_seconds=END_SECONDS))

    @property
    def columns(self) -> tuple[str, ...]:
        """What `encode` needs."""
        return (OWNER, *EVENT_COLUMNS)

    def encode(self, rows: pa.Table) -> EncodedSequences:
        """Rows of the table as codes."""
        return self.core.encode(sequences_of(rows))

    def decode(self, encoded: EncodedSequences, seed: int, row_ids: NDArray[np.int64]) -> pa.Table:
        """A row an owner, with `EVENT_COLUMNS`."""
        return self.core.decode(encoded, seed, row_ids).to_lists().select(list(EVENT_COLUMNS))

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_parts` reads."""
        return {"sequences": self.core.to_json(inline)}

    def to_parts(self) -> dict[str, bytes]:
        """File name to bytes: what is too long for JSON text where there are many items."""
        return self.core.to_parts()

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], parts: Mapping[str, bytes]) -> "ShopCodec":
        """The inverse of `to_json(inline=False)` and `to_parts`."""
        return cls(SequenceCodec.from_parts(value["sequences"], parts))


def sequences_of(rows: pa.Table) -> Sequences:
    """Users and their events."""
    return Sequences.of_lists(rows.select([OWNER, *EVENT_COLUMNS]), EVENT_COLUMNS)
