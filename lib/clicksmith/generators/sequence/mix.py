"""Groups of sequences that have what was asked for, each with its share of all.

Lengths come as often as training sequences of these lengths do; one of several items as often as it occurs
there, or, of rare items, each as often. Which group a sequence is of, its length and its item are nested
intervals of one number, which consecutive row ids spread evenly: shares hold to within a few sequences. All
else is generated given them. Sequences of no group are as in the data: some have what a group asks for, too.

Shapes: L lengths, I items, C sub-columns of events that say the item.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clicksmith.config import SequenceMixConfig
from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ConfigError
from clicksmith.generators.sequence.given import Given
from clicksmith.seeds import SILVER, derive_seed, even_uniform

SETTING = "synthesis.sequence_mix"
"""What errors call the groups."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Taken:
    """What training sequences are: counts of those that a generator has learnt from.

    Attributes:
        lengths: events of a sequence, rising, shape (L,).
        length_counts: sequences of each, shape (L,).
        items: ids, the least popular first and equal ones by their text; empty where none are asked for.
        item_counts: events of each.
    """

    lengths: Ints
    length_counts: Ints
    items: pa.Array
    item_counts: Ints


@dataclass(frozen=True)
class Choice:
    """Values with their shares, drawn by a number in [0, 1).

    Attributes:
        values: shape (K, ...).
        ends: cumulated shares, the last one 1, shape (K,).
    """

    values: Ints
    ends: Floats

    @classmethod
    def of(cls, values: Ints, weights: NDArray[Any]) -> "Choice":
        """Values by their weights, all above 0."""
        ends = np.cumsum(weights, dtype=np.float64)
        return cls(values, ends / ends[-1])

    def draw(self, place: Floats) -> tuple[Ints, Floats]:
        """The value of each number, and where in its interval the number lies, in [0, 1)."""
        index = np.searchsorted(self.ends, place, side="right").clip(max=len(self.ends) - 1)
        starts = np.concatenate([[0.0], self.ends[:-1]])
        rest = (place - starts[index]) / (self.ends - starts)[index]
        return self.values[index], rest.clip(0.0, np.nextafter(1.0, 0.0))


@dataclass(frozen=True)
class Group:
    """What the sequences of a group have.

    Attributes:
        lengths: shape (L,); None: as they are drawn.
        items: codes, shape (I, C), one of which an event has; None: any.
    """

    lengths: Choice | None
    items: Choice | None


@dataclass(frozen=True)
class SequenceMix:
    """Groups with their shares.

    Attributes:
        columns: sub-columns of events that say the item, shape (C,).
        groups: of the configuration.
        ends: their cumulated shares, shape (G,); the rest is of no group.
    """

    columns: tuple[int, ...]
    groups: tuple[Group, ...]
    ends: Floats

    @classmethod
    def of(
        cls,
        codec: TableCodec,
        item: str,
        groups: Sequence[SequenceMixConfig],
        taken: Taken,
        min_users: int = 1,
    ) -> "SequenceMix":
        """What the configuration asks for, as codes.

        Args:
            codec: of events.
            item: its column of items.
            groups: of the configuration.
            taken: of the generator's training sequences.
            min_users: a length that fewer users have is not told of.

        Raises:
            ConfigError: an item is unknown, or no training sequence is of such a length.
        """
        shared = taken.length_counts >= min_users
        lengths, counts = taken.lengths[shared], taken.length_counts[shared]
        found = []
        for number, group in enumerate(groups):
            where, called = group.where, f"{SETTING}[{number}].where"
            some = None
            if where.num_events is not None:
                inside = lengths >= where.num_events.min
                if where.num_events.max is not None:
                    inside &= lengths <= where.num_events.max
                if not inside.any():
                    raise _no_length(called, group, lengths, min_users)
                some = Choice.of(lengths[inside], counts[inside])
            items = None
            if where.item_ids is not None:
                items = _named(codec, item, where.item_ids, taken, f"{called}.item_ids")
            elif where.rare_items is not None:
                rare = taken.items[: max(1, round(where.rare_items * len(taken.items)))]
                items = Choice.of(_codes(codec, item, rare)[0], np.ones(len(rare)))
            found.append(Group(some, items))
        slot = codec.slots[codec.names.index(item)]
        ends = np.cumsum([group.share for group in groups])
        ends[ends > 1 - 1e-9] = 1.0
        return cls(tuple(range(slot.start, slot.stop)), tuple(found), ends)

    def choose(self, seed: int, row_ids: Ints) -> tuple[Ints, Floats]:
        """The group of each sequence, G where it is of none, and where in its share it lies; shapes (N,)."""
        # Samplers draw what owners are by golden steps, of which a group must be no interval.
        uniform = even_uniform(derive_seed(seed, "mix"), row_ids, SILVER)
        ends = np.append(self.ends, 1.0)
        number = np.searchsorted(self.ends, uniform, side="right")
        starts = np.concatenate([[0.0], self.ends])[number]
        return number, (uniform - starts) / np.maximum(ends[number] - starts, np.finfo(np.float64).tiny)

    def given(self, number: int, place: Floats) -> Given | None:
        """What sequences of a group must have; None: they are of no group.

        Args:
            number: of the group.
            place: where in its share each lies, shape (N,).
        """
        if number == len(self.groups):
            return None
        group, lengths, required = self.groups[number], None, {}
        if group.lengths is not None:
            lengths, place = group.lengths.draw(place)
        if group.items is not None:
            codes, _ = group.items.draw(place)
            required = {column: codes[:, level] for level, column in enumerate(self.columns)}
        return Given(lengths=lengths, required=required)

    def sample(self, sampler: Any, stream: int, seed: int, row_ids: Ints) -> EncodedSequences:
        """A block, group by group; see `generators.artefact.Wish`."""
        numbers, place = self.choose(seed, row_ids)
        rows = [np.flatnonzero(numbers == number) for number in np.unique(numbers)]
        parts = [
            sampler.sample(stream, row_ids[mine], self.given(int(numbers[mine[0]]), place[mine]))
            for mine in rows
        ]
        return _together(parts).take(np.argsort(np.concatenate(rows)))


def _together(parts: Sequence[EncodedSequences]) -> EncodedSequences:
    lengths = np.concatenate([part.lengths for part in parts])
    return EncodedSequences(
        np.concatenate([part.owners for part in parts]),
        np.concatenate([part.events for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]),
    )


def _codes(codec: TableCodec, item: str, ids: pa.Array) -> tuple[Ints, NDArray[np.bool_]]:
    """Codes of items, shape (I, C), and which of them stand for the item alone, shape (I,)."""
    index = codec.names.index(item)
    column, type_ = codec.columns[index], codec.types[index]
    codes, positions = column.encode(ids.cast(type_))
    back = column.decode(codes, positions, type_)
    own = pc.fill_null(pc.equal(back, ids.cast(type_)), False).to_numpy(zero_copy_only=False)
    return codes.reshape(len(ids), -1), own


def _named(codec: TableCodec, item: str, ids: Sequence[str], taken: Taken, called: str) -> Choice:
    """Items that were asked for by name, as often as they occur."""
    wanted = pa.array(list(dict.fromkeys(ids)), pa.string())
    codes, own = _codes(codec, item, wanted)
    place = pc.fill_null(pc.index_in(wanted, value_set=taken.items), -1).to_numpy(zero_copy_only=False)
    if len(unknown := np.flatnonzero(~own | (place < 0))):
        raise ConfigError(
            f"{called} asks for {wanted[int(unknown[0])].as_py()!r}, which the generator has not learnt.",
            "It may be misspelt, or occur in no training sequence but those of held-out users or beyond "
            "max_rows. Ask for an item that occurs.",
        )
    return Choice.of(codes, taken.item_counts[place])


def _no_length(called: str, group: SequenceMixConfig, lengths: Ints, min_users: int) -> ConfigError:
    wanted = group.where.num_events
    assert wanted is not None
    upper = "or more" if wanted.max is None else f"to {wanted.max:,}"
    asked = f"{wanted.min:,}" if wanted.min == wanted.max else f"{wanted.min:,} {upper}"
    known = f"{lengths[0]:,} to {lengths[-1]:,}" if len(lengths) else "none"
    return ConfigError(
        f"{called}.num_events asks for {asked} events; training sequences have {known}, and none has what "
        f"was asked for (a length that fewer than {min_users} users have does not count).",
        "Ask for lengths that occur: nothing is known of others.",
    )
