"""The codec of sequences: an owner's columns, how many events it has and when the last was; then each event.

Times become the gap to the event before, so that they never run backwards, and are told to the second. They
are counted from the last one: no generated event comes after those that were learnt from.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.encoding.options import Options
from clicksmith.encoding.sequences import Sequences, gather, places
from clicksmith.encoding.statistics import column_of
from clicksmith.encoding.table import Encoded, TableCodec, type_name, type_named
from clicksmith.errors import ContractError
from clicksmith.seeds import counter_uniform, derive_seed
from clicksmith.tables import Column

LENGTH, END, GAP, OWNER = "__length", "__end", "__gap", "__owner"
"""Columns of the codec's own: how many events an owner has, when the last one was, how long each comes after
the one before, and, where values are protected, whose an event is."""

MAX_EVENTS = 1 << 20
"""Of one owner: an event's number is its owner's row id times this, plus its place."""

_SECONDS = pa.timestamp("s", tz="UTC")
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


@dataclass(frozen=True)
class EncodedSequences:
    """Sequences as a model reads them; N owners, E events, So and Se sub-columns.

    Attributes:
        owners: codes, shape (N, So).
        events: codes, shape (E, Se), an owner's together, in order.
        offsets: where each owner's events start, and the end of the last, shape (N + 1,).
    """

    owners: NDArray[np.int32]
    events: NDArray[np.int32]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.owners)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Events of each owner, shape (N,)."""
        return np.diff(self.offsets)

    def part(self, start: int, stop: int) -> "EncodedSequences":
        """The owners from `start` to before `stop`."""
        offsets = self.offsets[start : stop + 1]
        low, high = (offsets[0], offsets[-1]) if len(offsets) else (0, 0)
        return EncodedSequences(self.owners[start:stop], self.events[low:high], offsets - low)

    def head(self, num_owners: int) -> "EncodedSequences":
        """The first owners."""
        return self.part(0, num_owners)

    def take(self, owners: NDArray[np.integer]) -> "EncodedSequences":
        """Some owners, in the given order; one may come several times."""
        chosen, offsets = gather(self.offsets, owners)
        return EncodedSequences(self.owners[owners], self.events[chosen], offsets)


@dataclass(frozen=True)
class SequenceCodec:
    """Codecs of owners and of events.

    Attributes:
        owners: of the owner's columns, `LENGTH`, and `END` where events have a time.
        events: of the events' columns, `GAP` in place of the time.
        time: name of the column that says when an event was, or None.
        time_type: of that column, or None.
        end_seconds: within how many the last event's moment is told: where it was drawn from anew.
        newest: moment, in seconds since 1970, after which none is decoded: of the newest training event, or,
            where a value must be of several owners, the newest that so many of them have reached.
    """

    owners: TableCodec
    events: TableCodec
    time: str | None = None
    time_type: pa.DataType | None = None
    end_seconds: int = 1
    newest: int = 0

    @classmethod
    def fit(
        cls,
        sequences: Sequences,
        owner_columns: Sequence[Column],
        event_columns: Sequence[Column],
        options: Options,
        time: str | None = None,
        content: Mapping[str, pa.Table] | None = None,
        end_seconds: int = 1,
    ) -> "SequenceCodec":
        """Fit to sequences in memory.

        Args:
            sequences: training owners and their events.
            owner_columns: declarations of the owners' columns to encode, if any.
            event_columns: of the events' columns, the time among them.
            options: of the codecs. With `min_users` above 1 a value has to be of so many owners; each row of
                `sequences.owners` is one.
            time: column of events, a timestamp or a date, by which they are ordered.
            content: catalogue of each identifier column that has one, see `TableCodec.from_statistics`.
            end_seconds: tell an owner's last moment to so many seconds; told to the second, it is hardly
                anybody else's.

        Raises:
            ContractError: a column is missing or has no codec; there is no owner, or there are too few; a
                time is missing or runs backwards.
        """
        if not len(sequences):
            raise ContractError("There is no sequence to fit a codec to.", "Take in more data.")
        options = replace(options, user_column=OWNER if options.min_users > 1 else None)
        time_type = None if time is None else next(c.type for c in event_columns if c.name == time)
        newest = 0
        if time is not None:
            newest = _newest(sequences, time, options.min_users)
        codec = cls(_NOTHING, _NOTHING, time, time_type, end_seconds, newest)
        own = [Column(LENGTH, pa.int64(), minimum=0)]
        timed = [Column(END, _SECONDS, nullable=True)] if time is not None else []
        kinds = {**options.kinds, END: "moment"}
        owner_codec = TableCodec.fit(
            codec._owner_table(sequences),
            [*owner_columns, *own, *timed],
            options=replace(options, kinds=kinds),
        )
        described = [c if c.name != time else Column(GAP, pa.int64(), nullable=True) for c in event_columns]
        kinds = {name: kind for name, kind in options.kinds.items() if name != time}
        event_codec = TableCodec.fit(
            codec._event_table(sequences), described, options=replace(options, kinds=kinds), content=content
        )
        return replace(codec, owners=owner_codec, events=event_codec)

    def encode(self, sequences: Sequences) -> EncodedSequences:
        """Codes of owners and events; unknown values become code 0.

        Raises:
            ContractError: a column is missing or cannot be cast to its type; a time runs backwards.
        """
        owners = self.owners.encode(self._owner_table(sequences)).codes
        events = self.events.encode(self._event_table(sequences)).codes
        return EncodedSequences(owners.astype(np.int32), events.astype(np.int32), sequences.offsets)

    def lengths(self, owners: NDArray[np.integer], uniform: NDArray[np.floating]) -> NDArray[np.int64]:
        """How many events owners have by their codes.

        Args:
            owners: codes, shape (N, So).
            uniform: where in its bin a length lies that shares its code with others, in [0, 1), shape (N,).
        """
        column = self.owners.names.index(LENGTH)
        slot, codec = self.owners.slots[column], self.owners.columns[column]
        positions = np.asarray(uniform, dtype=np.float32).reshape(-1, 1)
        codes = np.asarray(owners[:, slot], dtype=np.int64)
        shape = (len(codes),) if slot.stop - slot.start == 1 else codes.shape
        lengths = codec.decode(codes.reshape(shape), positions.reshape(shape), pa.int64())
        return np.asarray(lengths.to_numpy(zero_copy_only=False), dtype=np.int64)

    def decode(self, encoded: EncodedSequences, seed: int, row_ids: NDArray[np.int64]) -> Sequences:
        """Owners without a key, and events; functions of the codes, the seed and the owner's row id alone.

        Args:
            encoded: codes below the cardinalities.
            seed: of the sampling run: says where in its bin a number lies, and which rare value a code means.
            row_ids: of the owners, shape (N,).
        """
        owners = self.owners.decode(_placed(encoded.owners, derive_seed(seed, "owners"), row_ids))
        numbers = np.repeat(row_ids, encoded.lengths) * MAX_EVENTS + places(encoded.offsets)
        events = self.events.decode(_placed(encoded.events, derive_seed(seed, "events"), numbers))
        if self.time is not None:
            uniform = counter_uniform(derive_seed(seed, "end"), row_ids, 1)[:, 0]
            last = pc.fill_null(owners.column(END).cast(pa.int64()), self.newest).to_numpy()
            last = np.minimum(last + (uniform * self.end_seconds).astype(np.int64), self.newest)
            events = self._timed(events, last, encoded.offsets)
        own = [name for name in owners.column_names if name not in (LENGTH, END)]
        kept = owners.select(own) if own else pa.table({OWNER: row_ids})
        return Sequences(kept, events, encoded.offsets)

    def _timed(self, events: pa.Table, last: NDArray[np.int64], offsets: NDArray[np.int64]) -> pa.Table:
        """The events with their times in place of the gaps, given each owner's last one in seconds, (N,)."""
        lengths = np.diff(offsets)
        has_any = lengths > 0
        gaps = pc.fill_null(events.column(GAP), 0).to_numpy().copy()
        gaps[offsets[:-1][has_any]] = 0
        passed = np.cumsum(gaps)
        shift = last[has_any] - passed[offsets[1:][has_any] - 1]
        times = pa.array(passed + np.repeat(shift, lengths[has_any]))
        index = events.column_names.index(GAP)
        return events.set_column(index, self.time, times.cast(_SECONDS).cast(self.time_type, safe=False))

    def _owner_table(self, sequences: Sequences) -> pa.Table:
        owners = sequences.owners.append_column(LENGTH, pa.array(sequences.lengths))
        owners = owners.append_column(OWNER, pa.array(np.arange(len(sequences))))
        if self.time is None:
            return owners
        times = _seconds(sequences.events, self.time)
        last = pa.array(sequences.offsets[1:] - 1, mask=sequences.lengths == 0)
        ends = pc.multiply(pc.divide(times.take(last), self.end_seconds), self.end_seconds)
        return owners.append_column(END, ends.cast(_SECONDS))

    def _event_table(self, sequences: Sequences) -> pa.Table:
        events = sequences.events.append_column(OWNER, pa.array(sequences.owner_of))
        if self.time is None:
            return events
        seconds = _seconds(sequences.events, self.time).to_numpy()
        first = sequences.steps == 0
        gaps = np.diff(seconds, prepend=0)
        if (backwards := (gaps < 0) & ~first).any():
            where = int(np.flatnonzero(backwards)[0])
            raise ContractError(
                f"Events are not in the order of {self.time!r}: {backwards.sum():,} come before the one that "
                f"stands ahead of them, the first in row {where}.",
                "Sort each owner's events by time.",
            )
        return events.append_column(GAP, pa.array(gaps, mask=first))

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_json` reads; `inline=False` leaves to `to_parts` what is too long for JSON text."""
        return {
            "owners": self.owners.to_json(inline),
            "events": self.events.to_json(inline),
            "time": self.time,
            "time_type": None if self.time_type is None else type_name(self.time_type),
            "end_seconds": self.end_seconds,
            "newest": self.newest,
        }

    def to_parts(self) -> dict[str, bytes]:
        """File name to bytes: what is too long for JSON text where there are many items."""
        sides = {"owners": self.owners, "events": self.events}
        return {
            f"{side}-{name}": part for side, codec in sides.items() for name, part in codec.to_parts().items()
        }

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], parts: Mapping[str, bytes]) -> "SequenceCodec":
        """The inverse of `to_json` and `to_parts`.

        Raises:
            ContractError: the value or a part is missing, damaged, or they do not belong together.
        """
        owners, events = (
            TableCodec.from_parts(
                value[side], {n.removeprefix(f"{side}-"): part for n, part in parts.items()}
            )
            for side in ("owners", "events")
        )
        type_ = None if value["time_type"] is None else type_named(value["time_type"])
        return cls(owners, events, value["time"], type_, value["end_seconds"], value["newest"])


def _newest(sequences: Sequences, time: str, min_users: int) -> int:
    """The newest moment that `min_users` owners have reached; 0 where there are fewer with events."""
    last = sequences.offsets[1:][sequences.lengths > 0] - 1
    moments = np.sort(_seconds(sequences.events, time).take(pa.array(last)).to_numpy())
    return int(moments[-min_users]) if len(moments) >= min_users else 0


_NOTHING = TableCodec((), (), ())


def _placed(codes: NDArray[np.integer], seed: int, numbers: NDArray[np.int64]) -> Encoded:
    """Codes with uniform positions: where a bin or a rare value's code stands for many."""
    uniform = counter_uniform(seed, numbers, codes.shape[1]).astype(np.float32)
    return Encoded(codes.astype(np.int64), np.minimum(uniform, _BELOW_ONE))


def _seconds(events: pa.Table, time: str) -> pa.Array:
    """Times as whole seconds since 1970.

    Raises:
        ContractError: one is missing, or the column holds no times.
    """
    column = column_of(events, time)
    if not (pa.types.is_timestamp(column.type) or pa.types.is_date(column.type)):
        raise ContractError(
            f"Column {time!r}, the time of events, is of type {column.type}.",
            "Make it a timestamp or a date.",
        )
    if column.null_count:
        raise ContractError(
            f"Column {time!r}, the time of events, is null in {column.null_count:,} of {len(column):,} rows.",
            "Leave these events out.",
        )
    unit = pa.timestamp("s", tz=getattr(column.type, "tz", None))
    return column.cast(unit, safe=False).cast(pa.int64())
