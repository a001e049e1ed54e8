"""What a caller may decide about the codecs of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field

MIN_USERS = 5
"""For real data: a value that fewer users have could point at one of them."""

MAX_CATEGORIES = 4096
"""More distinct strings than a soft-max should have; they are coded as identifiers."""

KINDS = ("category", "number", "identifier", "moment", "list", "gap:")


@dataclass(frozen=True)
class Options:
    """How to fit codecs.

    Attributes:
        max_bins: quantile bins of a number.
        min_users: a category, or a number at either end, must belong to so many distinct users; 1: any.
        user_column: whose values tell users apart; needed where `min_users` is above 1. Rows with a
            null in it count as one user together.
        public: columns whose values are nobody's, such as the ids of a catalogue: all are kept.
        kinds: column to one of `KINDS`, where its type and statistics shall not decide. "gap:NAME"
            codes a timestamp by its distance from the timestamp column NAME.
        max_categories: a string column with more distinct values is coded as identifiers.
        max_elements: values of a list that are kept, the most frequent ones.
    """

    max_bins: int = 64
    min_users: int = 1
    user_column: str | None = None
    public: frozenset[str] = frozenset()
    kinds: Mapping[str, str] = field(default_factory=dict)
    max_categories: int = MAX_CATEGORIES
    max_elements: int = 8

    def users_of(self, column: str) -> int:
        """How many users a value of a column must have."""
        return 1 if column in self.public else self.min_users
