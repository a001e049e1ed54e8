"""Owners as whole rows of codes that training owners have, drawn by how many have them.

A row is as it was: nothing of an owner is made up. What that means for privacy: a generated owner has the
columns, the number of events and the hour of the last one that some real owner has, all at once. Where few
real owners share such a row, who sees the samples learns that one of them was trained on, and knowing some of
its columns, the others. Events are not part of it. Values that fewer than `min_users` owners have are
protected column by column; their combinations are not.
"""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import LENGTH, EncodedSequences, SequenceCodec
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.sequence.counts import (
    CountTable,
    Floats,
    Index,
    Ints,
    cumulate,
    draw,
    kept_evenly,
    row_keys,
    sizes,
)

MAX_OWNERS = 1 << 20
"""Rows are kept of so many training owners."""

KEPT_INDICES = 4
"""Conditions on so many combinations of columns are looked up without a sort."""

_LAST = np.nextafter(1.0, 0.0)


class OwnerTable(CountTable):
    """Distinct rows of owners' codes; U of them, So sub-columns.

    Attributes:
        rows: codes, shape (U, So), in the order of their keys.
        cumulated: owners before each row, and all, shape (U + 1,).
        longest: events that an owner with these codes may have, shape (U,).
    """

    def __init__(self, codec: SequenceCodec) -> None:
        super().__init__()
        self.codec = codec
        self.cardinalities = codec.owners.cardinalities
        self.length_slot = codec.owners.slots[codec.owners.names.index(LENGTH)]
        self.rows: Tensor
        self.cumulated: Tensor
        self.longest: Tensor
        self.register_buffer("rows", torch.zeros(0, len(self.cardinalities), dtype=torch.int32))
        self.register_buffer("cumulated", torch.zeros(1, dtype=torch.float64))
        self.register_buffer("longest", torch.zeros(0, dtype=torch.int64))

    def fit(self, data: EncodedSequences) -> Ints:
        """Count rows.

        Returns:
            Which training owners were kept, by the rows in order: those of row u stand from
            `cumulated[u]` to `cumulated[u + 1]`.
        """
        kept = kept_evenly(len(data), MAX_OWNERS)
        codes = data.owners[kept]
        keys = row_keys(codes, sizes(codes))
        order = np.argsort(keys, kind="stable")
        _, first, counts = np.unique(keys[order], return_index=True, return_counts=True)
        rows = codes[order[first]]
        longest = self.codec.lengths(rows, np.full(len(rows), _LAST))
        self.keep(rows=rows, cumulated=cumulate(counts), longest=longest)
        return kept[order]

    @property
    def differ(self) -> bool:
        """Whether there are owners of several kinds."""
        return len(self.rows) > 1

    def draw(
        self, uniform: Floats, wanted: Mapping[int, Ints], lengths: Ints | None, at_least: Ints
    ) -> tuple[Ints, NDArray[np.int32], Ints]:
        """Rows with the codes that are wanted, by their counts.

        An owner is drawn among those of its length, or of lengths that suffice. Where there is none, it is
        one of any length: its other columns are as they were, and its length is what was asked for.

        Args:
            uniform: shape (N, 2).
            wanted: sub-column to the code that each owner must have, shape (N,).
            lengths: how many events each has, shape (N,); None: as many as its row says.
            at_least: the fewest events that each may have, shape (N,).

        Returns:
            Numbers of the rows, shape (N,); the owners' codes, shape (N, So); and their lengths, shape (N,).

        Raises:
            NotFittedError: no training owner has such codes.
            ConfigError: such codes say another length than was asked for.
        """
        coded = {} if lengths is None else self.length_codes(lengths)
        self._agree(wanted, coded)
        at_least = at_least if lengths is None else np.zeros_like(at_least)
        rows = np.full(len(uniform), -1, dtype=np.int64)
        for columns, fewest in (({**coded, **wanted}, at_least), (wanted, 0 * at_least)):
            missing = np.flatnonzero(rows < 0)
            if len(missing):
                some = {column: codes[missing] for column, codes in columns.items()}
                rows[missing] = self._draw(uniform[missing, 0], some, fewest[missing])
        if len(wrong := np.flatnonzero(rows < 0)):
            wish = ", ".join(f"code {codes[wrong[0]]} in column {c}" for c, codes in wanted.items())
            raise NotFittedError(
                f"Owners with {wish} were asked for, which no training owner has."
                if wanted
                else "Owners were asked for, but none was trained on.",
                "Ask for values that occur together in the training owners.",
            )
        codes = self.array("rows")[rows]
        drawn = self.codec.lengths(codes, uniform[:, 1])
        found = np.maximum(drawn, at_least) if lengths is None else lengths
        other = np.flatnonzero(found != drawn)
        for column, values in self.length_codes(found[other]).items():
            if column in wanted and len(wrong := np.flatnonzero(wanted[column][other] != values)):
                raise ConfigError(
                    f"Owners with code {wanted[column][other[wrong[0]]]} in column {column}, their length, "
                    f"cannot have the {found[other[wrong[0]]]:,} events that were asked for.",
                    "Leave the length out of the owner's columns, or ask for fewer events.",
                )
            codes[other, column] = values
        return rows, codes, found

    def length_codes(self, lengths: Ints) -> dict[int, Ints]:
        """Sub-columns of owners that say their length, with their codes."""
        codec = self.codec.owners.columns[self.codec.owners.names.index(LENGTH)]
        slot = self.length_slot
        codes = codec.encode(pa.array(lengths, pa.int64()))[0].reshape(len(lengths), slot.stop - slot.start)
        return {slot.start + level: codes[:, level] for level in range(codes.shape[1])}

    def _draw(self, uniform: Floats, wanted: Mapping[int, Ints], at_least: Ints) -> Ints:
        """Rows that have the codes and suffice, -1 where there is none; each by its own wish alone."""
        total, rows = len(self.rows), np.full(len(uniform), -1, dtype=np.int64)
        if not total:
            return rows
        plain = np.flatnonzero(at_least == 0) if not wanted else np.empty(0, dtype=np.int64)
        zeros = np.zeros(len(plain), dtype=np.int64)
        rows[plain] = draw(self.array("cumulated"), zeros, zeros + total, uniform[plain])
        if len(plain) == len(rows):
            return rows
        columns = tuple(sorted(wanted))
        index = self._index(columns)
        codes = (
            np.stack([wanted[c] for c in columns], axis=1) if columns else np.zeros((len(uniform), 0), int)
        )
        low, high = index.ranges(codes, at_least)
        some = np.flatnonzero((low < high) & (rows < 0))
        rows[some] = index.draw(low[some], high[some], uniform[some])
        return rows

    def _index(self, columns: tuple[int, ...]) -> Index:
        """The rows by some columns; the last few asked for are kept."""
        if columns not in self.derived:
            if len(self.derived) == KEPT_INDICES:
                self.derived.clear()
            counts = np.diff(self.array("cumulated"))
            codes = self.array("rows")[:, list(columns)]
            self.derived[columns] = Index.of(codes, counts, self.array("longest"))
        found: Index = self.derived[columns]
        return found

    def _agree(self, wanted: Mapping[int, Ints], coded: Mapping[int, Ints]) -> None:
        """Refuse owners' codes that say another length than the lengths."""
        for column, codes in coded.items():
            if column in wanted and len(wrong := np.flatnonzero(wanted[column] != codes)):
                raise ConfigError(
                    f"The length of owner {wrong[0]} is given twice: as code {wanted[column][wrong[0]]} in "
                    f"column {column}, and as {codes[wrong[0]]}.",
                    "Give it once.",
                )
