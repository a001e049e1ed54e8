"""What generated sequences must have."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.errors import ConfigError


@dataclass(frozen=True)
class Given:
    """Conditions on N owners; each holds exactly on every sample.

    Attributes:
        owners: sub-column of owners to the code that each must have, shape (N,).
        lengths: how many events each has in all, shape (N,); None: as they are drawn.
        prefix: the first events of each, if any; its owners' codes do not count. The sample repeats them.
        suffix: the last events of each, likewise; what is generated came before.
        required: sub-columns of events to codes, shape (N,): one event of each owner has them all.
    """

    owners: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)
    lengths: NDArray[np.int64] | None = None
    prefix: EncodedSequences | None = None
    suffix: EncodedSequences | None = None
    required: Mapping[int, NDArray[np.int64]] = field(default_factory=dict)

    def lacks_required(self, num_owners: int) -> NDArray[np.bool_]:
        """Whether something is required that no event has which is given anyway, shape (N,)."""
        lacks = np.full(num_owners, bool(self.required))
        for part in (self.prefix, self.suffix):
            if part is None or not self.required:
                continue
            owner = np.repeat(np.arange(num_owners), part.lengths)
            has = np.ones(len(owner), dtype=bool)
            for column, codes in self.required.items():
                has &= part.events[:, column] == codes[owner]
            lacks[owner[has]] = False
        return lacks

    def least_lengths(self, num_owners: int) -> NDArray[np.int64]:
        """How many events each owner must have to hold all that is given, shape (N,)."""
        given = sizes_of(self.prefix, num_owners) + sizes_of(self.suffix, num_owners)
        return given + self.lacks_required(num_owners)

    def require_room(self, fewest: NDArray[np.int64]) -> None:
        """Refuse lengths that what else is given does not fit into.

        Args:
            fewest: events that each owner has at least, shape (N,).

        Raises:
            ConfigError: a length is below that.
        """
        if self.lengths is not None and len(wrong := np.flatnonzero(self.lengths < fewest)):
            raise ConfigError(
                f"Owner {wrong[0]} is to have {self.lengths[wrong[0]]:,} events, but {fewest[wrong[0]]:,} "
                "were asked for in its prefix, its suffix and what is required.",
                "Ask for a greater length, or for fewer events.",
            )


def sizes_of(part: EncodedSequences | None, num_owners: int) -> NDArray[np.int64]:
    """Events of each owner that are given, shape (N,)."""
    return np.zeros(num_owners, dtype=np.int64) if part is None else part.lengths
