"""What every adapter returns."""

from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True)
class RawTables:
    """Records as a source has them, under the contract's column names, not yet checked.

    Each frame may lack nullable columns, may hold them in any type that casts to the contract's, and
    may carry ``_raw`` (the row as received) and ``_problem`` (why it could not be read, or null).

    Attributes:
        events: one row an event.
        items: one row a catalogue record, or None where the source has none.
        users: one row a user record, or None where the source has none.
    """

    events: DataFrame
    items: DataFrame | None = None
    users: DataFrame | None = None
