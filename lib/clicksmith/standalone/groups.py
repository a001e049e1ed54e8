"""Rows that belong together by a column, in an order: their codec, and the caller's table back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import PresetOptions
from clicksmith.encoding.options import Options
from clicksmith.encoding.sequence_codec import EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import Sequences, places
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ContractError
from clicksmith.generators.sequence.kind import SEQUENCES
from clicksmith.generators.sequence.shop_codec import END_SECONDS, MAX_ITEMS
from clicksmith.generators.tabular.kind import columns_made
from clicksmith.standalone.form import Form

_US = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Grouping:
    """How rows belong together.

    Attributes:
        group: column of the group's key.
        order: column by which a group's rows are sorted, a moment or a whole number; None: as they come.
        owner_columns: those that are the same in all rows of a group.
    """

    group: str
    order: str | None = None
    owner_columns: tuple[str, ...] = ()

    def sequences(self, rows: pa.Table) -> Sequences:
        """Groups and their rows.

        Raises:
            ContractError: a column is missing, a key is null, or a group's column differs between its rows.
        """
        return Sequences.of_rows(rows, self.group, self.order, self.owner_columns)


@dataclass(frozen=True)
class GroupsCodec:
    """Between a caller's groups of rows and what presets of sequences learn.

    Attributes:
        form: of the caller's table.
        core: of the groups' columns and of their rows'.
        grouping: which are which.
        counted_from: where the order is a whole number, which is counted anew: its first value. None: of
            another order.
    """

    form: Form
    core: SequenceCodec
    grouping: Grouping
    counted_from: int | None = None

    kind: ClassVar[str] = SEQUENCES.name
    block_rows: ClassVar[int] = SEQUENCES.block_rows

    @classmethod
    def fit(
        cls, form: Form, sequences: Sequences, grouping: Grouping, options: PresetOptions
    ) -> "GroupsCodec":
        """Fit to training groups.

        Raises:
            ContractError: the order is neither a moment nor a whole number; there are too few groups.
        """
        order, events = grouping.order, sequences.events
        counted_from, time, end_seconds = None, None, 1
        if order is not None:
            kind = form.coded[order]
            if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
                time, end_seconds = order, _end_seconds(events.column(order))
            elif pa.types.is_integer(kind):
                counted_from = int(pc.min(events.column(order)).as_py() or 0)
            else:
                raise ContractError(
                    f"The rows of a group are ordered by {order!r}, which is of type {kind}.",
                    "Order them by a moment or a whole number, or as they come (order=None).",
                )
        item = getattr(options, "item", None)
        settings = Options(
            min_users=options.min_users,
            public=frozenset([] if item is None else [item]),
            max_categories=MAX_ITEMS,
        )
        left_out = frozenset([grouping.group, *([] if counted_from is None else [str(order)])])
        known = [name for name in form.coded if name not in left_out and name not in grouping.owner_columns]
        owners = [c for c in form.columns(sequences.to_rows(), left_out) if c.name in grouping.owner_columns]
        columns = [c for c in form.columns(sequences.to_rows(), left_out) if c.name in known]
        core = SequenceCodec.fit(sequences, owners, columns, settings, time, end_seconds=end_seconds)
        return cls(form, core, grouping, counted_from)

    @property
    def conditions(self) -> tuple[TableCodec, tuple[str, ...]]:
        """The codec of the columns that conditions can be on, and their names."""
        return self.core.owners, self.grouping.owner_columns

    def encode(self, sequences: Sequences) -> EncodedSequences:
        """Codes of groups of cast rows."""
        return self.core.encode(sequences)

    def decode(
        self,
        batch: EncodedSequences,
        seed: int,
        row_ids: NDArray[np.int64],
        prefix: Sequences | None = None,
    ) -> pa.Table:
        """Generated rows with the columns and types of the caller's table.

        Args:
            batch: the groups.
            seed: of the sampling run.
            row_ids: of the groups, shape (N,).
            prefix: the groups whose rows are the first ones of these, with their own keys; they are repeated
                as they are, and moments go on from theirs.
        """
        made = self.core.decode(batch, seed, row_ids)
        group, owners = self.grouping.group, made.owners
        if prefix is None:
            owners = owners.append_column(group, self.form.new_keys(group, row_ids))
        else:
            made = _continued(made, prefix, self.core.time)
            owners = prefix.owners
        made = Sequences(owners.select([group, *self.grouping.owner_columns]), made.events, made.offsets)
        if self.counted_from is not None:
            made = self._counted(made, prefix)
        return self.form.decode(made.to_rows())

    def _counted(self, made: Sequences, prefix: Sequences | None) -> Sequences:
        """With the order's whole numbers: counted, or as they were given and on from there."""
        order, start = str(self.grouping.order), np.full(len(made), self.counted_from, dtype=np.int64)
        numbers = made.steps + np.repeat(start, made.lengths)
        if prefix is not None:
            given, has = prefix.events.column(order).to_numpy(), prefix.lengths > 0
            start[has] = given[prefix.offsets[1:][has] - 1] - prefix.lengths[has] + 1
            numbers = made.steps + np.repeat(start, made.lengths)
            numbers[_first(made, prefix)] = given
        column = pa.array(numbers).cast(self.form.coded[order])
        return Sequences(made.owners, made.events.append_column(order, column), made.offsets)

    def describe(self) -> str:
        """What it makes, in Markdown."""
        owners, events = columns_made(self.core.owners), columns_made(self.core.events)
        return f"Of each group:\n\n{owners}\n\nOf each of its rows:\n\n{events}"

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_parts` reads."""
        return {
            "kind": self.kind,
            "form": self.form.to_json(),
            "sequences": self.core.to_json(inline),
            "grouping": [self.grouping.group, self.grouping.order, list(self.grouping.owner_columns)],
            "counted_from": self.counted_from,
        }

    def to_parts(self) -> dict[str, bytes]:
        """File name to bytes: what is too long for JSON text."""
        return self.core.to_parts()

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], parts: Mapping[str, bytes]) -> "GroupsCodec":
        """The inverse of `to_json(inline=False)` and `to_parts`."""
        group, order, owner_columns = value["grouping"]
        core = SequenceCodec.from_parts(value["sequences"], parts)
        grouping = Grouping(group, order, tuple(owner_columns))
        return cls(Form.from_json(value["form"]), core, grouping, value["counted_from"])


def _end_seconds(times: pa.ChunkedArray) -> int:
    """Moments on whole hours stay there; a group's last one is otherwise told to the hour."""
    seconds = times.cast(pa.timestamp("s", tz=getattr(times.type, "tz", None)), safe=False)
    whole = np.asarray(seconds.cast(pa.int64()).drop_null().to_numpy()) % END_SECONDS == 0
    return 1 if whole.all() else END_SECONDS


def _first(made: Sequences, prefix: Sequences) -> NDArray[np.int64]:
    """Numbers of the generated rows in whose places the given ones stand."""
    return np.repeat(made.offsets[:-1], prefix.lengths) + places(prefix.offsets)


def _continued(made: Sequences, prefix: Sequences, time: str | None) -> Sequences:
    """The given rows in place of what their codes decode to; moments go on from the last given one."""
    first, events = _first(made, prefix), made.events
    if time is not None:
        events = _moved(made, prefix, time)
    index = np.arange(events.num_rows)
    index[first] = events.num_rows + np.arange(len(first))
    given = prefix.events.select(events.column_names).cast(events.schema)
    both = pa.concat_tables([events, given]).take(pa.array(index))
    return Sequences(made.owners, both, made.offsets)


def _moved(made: Sequences, prefix: Sequences, time: str) -> pa.Table:
    """Events whose moments are moved so that the last given one is where it was."""
    column = made.events.column(time)
    moments = column.cast(_US).cast(pa.int64()).to_numpy().copy()
    given = prefix.events.column(time).cast(_US).cast(pa.int64()).to_numpy()
    has = prefix.lengths > 0
    shift = np.zeros(len(made), dtype=np.int64)
    last = made.offsets[:-1][has] + prefix.lengths[has] - 1
    shift[has] = given[prefix.offsets[1:][has] - 1] - moments[last]
    moved = pa.array(moments + np.repeat(shift, made.lengths)).cast(_US).cast(column.type, safe=False)
    return made.events.set_column(made.events.column_names.index(time), time, moved)
