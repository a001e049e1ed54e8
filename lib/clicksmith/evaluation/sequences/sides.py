"""Three sides of a comparison: checked, and of equally many owners."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.sequences import Sequences
from clicksmith.errors import ContractError
from clicksmith.evaluation.samples.sample import columns_of
from clicksmith.evaluation.sequences.coded import Coded, Codings, Items, number_items
from clicksmith.seeds import counter_uniform, derive_seed
from clicksmith.tables import Column

MIN_OWNERS = 4
"""Of half of them stands in for generated ones; what so few cannot show, intervals tell."""
_NUMBERS = {"whole numbers", "numbers"}


@dataclass(frozen=True)
class Sides:
    """Coded alike, each of as many owners, drawn at random.

    Attributes:
        codings: fitted on both real sides.
        train: owners that the generator was trained on.
        holdout: owners that it never saw.
        synthetic: its own.
        shown: the items of all that it was trained on; None where no column names them.
    """

    codings: Codings
    train: Coded
    holdout: Coded
    synthetic: Coded
    shown: Items | None

    @classmethod
    def of(
        cls,
        sides: Mapping[str, Sequences],
        columns: Sequence[Column],
        owner_columns: Sequence[Column],
        item: str | None,
        max_owners: int,
        seed: int,
    ) -> "Sides":
        """Check, draw and code `sides`: train, holdout and synthetic.

        Raises:
            ContractError: there are too few owners, no events, or columns that are not alike.
        """
        size = min(max_owners, *(len(side) for side in sides.values()))
        if size < MIN_OWNERS:
            found = ", ".join(f"{len(side):,} {name}" for name, side in sides.items())
            raise ContractError(
                f"Sequences cannot be judged by {found} owners: at least {MIN_OWNERS} of each are needed, "
                f"and {max_owners:,} of each may be taken.",
                "Take in more owners, or generate more.",
            )
        for name, side in sides.items():
            for part, wanted in (("events", columns), ("owners", owner_columns)):
                _require_alike(getattr(side, part), getattr(sides["train"], part), wanted, f"{name} {part}")
        alike = {
            name: _as_declared(side, sides["train"], columns, owner_columns) for name, side in sides.items()
        }
        drawn = {name: side.take(_draw(len(side), size, seed)) for name, side in alike.items()}
        for name, side in drawn.items():
            if not side.events.num_rows:
                raise ContractError(f"No {name} owner has an event.", "Judge sequences that have some.")
        items: dict[str, Items | None] = dict.fromkeys((*drawn, "shown"))
        if item is not None:
            named = {**drawn, "shown": alike["train"]}
            items |= dict(zip(named, number_items(list(named.values()), item), strict=True))
        codings = Codings.fit([drawn["train"], drawn["holdout"]], columns, owner_columns)
        coded = {name: codings.encode(side, items[name]) for name, side in drawn.items()}
        return cls(codings, coded["train"], coded["holdout"], coded["synthetic"], items["shown"])


def declared(
    train: Sequences,
    key: str,
    item: str | None,
    columns: Sequence[Column] | None,
    owners: Sequence[Column] | None,
) -> tuple[list[Column], list[Column]]:
    """The columns of events and of owners: those that were named, or all but the key; items are categories.

    Raises:
        ContractError: a column is of both, or the item is none of them.
    """
    found = list(columns_of(train.events.schema) if columns is None else columns)
    if item is not None and item not in [column.name for column in found]:
        raise ContractError(f"The item {item!r} is no column of events; these are {[c.name for c in found]}.")
    found = [replace(column, type=pa.string()) if column.name == item else column for column in found]
    if owners is None:
        owners = columns_of(train.owners.drop_columns([key]).schema)
    if both := {column.name for column in found} & {column.name for column in owners}:
        raise ContractError(f"The columns {sorted(both)} are of events and of owners.", "Rename one of each.")
    return found, list(owners)


def require_apart(train: Sequences, holdout: Sequences, key: str) -> None:
    """Every owner has a key, and nobody is on both real sides.

    Raises:
        ContractError: otherwise.
    """
    keys = {}
    for name, side in (("training", train), ("holdout", holdout)):
        if key not in side.owners.column_names:
            raise ContractError(f"The {name} owners have no column {key!r}: {side.owners.column_names}.")
        keys[name] = side.owners.column(key)
        if keys[name].null_count:
            raise ContractError(f"{keys[name].null_count:,} {name} owners have no key in column {key!r}.")
    shown, unseen = (pc.cast(column, pa.string()) for column in keys.values())
    if both := pc.sum(pc.is_in(pc.unique(unseen), value_set=pc.unique(shown))).as_py():
        raise ContractError(
            f"{both:,} holdout owners, by column {key!r}, are among the training owners as well: a generator "
            "that gives its owners away would look as good as any.",
            "Hold out whole owners.",
        )


def _draw(num_owners: int, size: int, seed: int) -> NDArray[np.int64]:
    """So many at random, in random order: files are often sorted."""
    drawn = counter_uniform(derive_seed(seed, "owners"), np.arange(num_owners), 1)[:, 0]
    return np.argsort(drawn)[:size].astype(np.int64)


def _as_declared(
    side: Sequences, train: Sequences, columns: Sequence[Column], owner_columns: Sequence[Column]
) -> Sequences:
    """The declared columns alone, of equal types on all sides; and each owner's number.

    A table without columns would have no rows: owners may have none of their own.
    """

    def chosen(table: pa.Table, like: pa.Table, wanted: Sequence[Column]) -> dict[str, pa.Array]:
        found = {}
        for column in wanted:
            kind = column.type if column.type == pa.string() else like.schema.field(column.name).type
            numbers = _kind(kind) in _NUMBERS
            found[column.name] = table.column(column.name).cast(
                pa.float64() if numbers else kind, safe=not numbers
            )
        return found

    owners = {"": pa.array(np.arange(len(side))), **chosen(side.owners, train.owners, owner_columns)}
    events = chosen(side.events, train.events, columns)
    return replace(side, owners=pa.table(owners), events=pa.table(events))


def _require_alike(side: pa.Table, train: pa.Table, columns: Sequence[Column], name: str) -> None:
    """A side has the columns, and their values are of the kind of the training owners'."""
    if missing := [column.name for column in columns if column.name not in side.column_names]:
        raise ContractError(f"The {name} lack the columns {missing}; they have {side.column_names}.")
    for column in columns:
        kinds = [_kind(table.schema.field(column.name).type) for table in (side, train)]
        numbers = column.type != pa.string() and _NUMBERS.issuperset(kinds)
        if kinds[0] != kinds[1] and "nulls" not in kinds and not numbers:
            raise ContractError(
                f"Column {column.name!r} of the {name} holds {kinds[0]}, that of the train {name.split()[1]} "
                f"{kinds[1]}.",
                "Cast one of them.",
            )


def _kind(kind: pa.DataType) -> str:
    types = pa.types
    if types.is_null(kind):
        return "nulls"
    if types.is_integer(kind):
        return "whole numbers"
    if types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "moments"
    if types.is_boolean(kind):
        return "truths"
    if types.is_dictionary(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    return "text" if types.is_string(kind) else str(kind)
