"""Which tables belong to a kind of data that generators make."""

from collections.abc import Mapping
from dataclasses import dataclass

from clicksmith.tables.gold import (
    SEQUENCES,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    SYNTHETIC_SEQUENCE_CANDIDATES,
    SYNTHETIC_SEQUENCES,
    TRAINING_EXAMPLES,
)
from clicksmith.tables.schema import Table


@dataclass(frozen=True)
class Twin:
    """A table and what is generated in its likeness.

    Attributes:
        source: what generators learn from.
        candidates: what they made, until the gate has judged it.
        published: what passed.
    """

    source: Table
    candidates: Table
    published: Table

    @property
    def source_name(self) -> str:
        """The source without its layer, as lineages name it."""
        return self.source.name.split(".")[1]


TWINS: Mapping[str, Twin] = {
    "examples": Twin(TRAINING_EXAMPLES, SYNTHETIC_CANDIDATES, SYNTHETIC_EXAMPLES),
    "sequences": Twin(SEQUENCES, SYNTHETIC_SEQUENCE_CANDIDATES, SYNTHETIC_SEQUENCES),
}
"""By the name of the kind."""
