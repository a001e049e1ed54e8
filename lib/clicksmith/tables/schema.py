"""What a table's declaration consists of."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: the only place where this name is spelled; suffixes as in the README.
        type: the Arrow type.
        nullable: whether a null is a legal value.
        minimum: smallest legal value, inclusive, or None.
        maximum: largest legal value, inclusive, or None.
        allowed: legal values of a closed set, or None.
        doc: what it means, with its unit.
    """

    name: str
    type: pa.DataType
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    doc: str = ""


@dataclass(frozen=True)
class Table:
    """One Delta table.

    Attributes:
        name: ``layer.table``.
        columns: in their order on disk.
        key: columns that identify a row.
        partition_by: columns of the physical layout, few values each.
        layout: why it lies as it does.
        doc: what one row is.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    layout: str = ""
    doc: str = ""
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        unknown = [name for name in (*self.key, *self.partition_by) if name not in self._by_name]
        assert not unknown, f"{self.name}: key or partition columns {unknown} are not declared"

    @property
    def column_names(self) -> list[str]:
        """Names in their order on disk."""
        return [column.name for column in self.columns]

    @property
    def arrow_schema(self) -> pa.Schema:
        """The table's Arrow schema."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @property
    def skipping_columns(self) -> list[str]:
        """Columns whose least and greatest values each file keeps, so that readers can pass over files.

        Keys, times, and the run by which rows are replaced. Of all columns, to gather them takes as long
        as the rest of the writing.
        """
        found = [
            c.name for c in self.columns if c.name in self.key or c.type == TIMESTAMP or c.name == "ingest_id"
        ]
        return [name for name in found if name not in self.partition_by]

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]


def columns(*parts: Column | Iterable[Column]) -> tuple[Column, ...]:
    """Concatenate columns and groups of columns, so that tables can share groups."""
    flat: list[Column] = []
    for part in parts:
        flat.extend([part] if isinstance(part, Column) else part)
    return tuple(flat)
