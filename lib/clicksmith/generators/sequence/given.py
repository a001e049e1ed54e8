"""What generated sequences must have."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clicksmith.encoding.sequence_codec import EncodedSequences


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
