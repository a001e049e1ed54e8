"""What a kind of data is: all that training, writing, judging and reporting need to know of it.

One file a kind; they are listed in `kinds`. Imports neither torch nor Ray.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.config import Config, PresetOptions
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.drawn import Samples
from clicksmith.seeds import Holdout
from clicksmith.tables import Twin

Figures = dict[str, float]


class Event(NamedTuple):
    """What a reader sees of an event: what it was about, its type, and the seconds since the one before."""

    item: str
    type: str
    seconds: float | None


Shown = list[Event]
"""A row for a reader: the events of a sequence."""

Scan = Callable[[], Iterable[pa.Table]]


class Codec(Protocol):
    """Between rows of a kind's table and what its presets learn."""

    @property
    def core(self) -> Any:
        """The codec that presets know: of the columns that they make."""
        ...

    @property
    def columns(self) -> Sequence[str]:
        """Of the source, that `encode` needs."""
        ...

    def encode(self, rows: pa.Table, /) -> Any:
        """Rows of the source table as the kind's batch."""
        ...

    def decode(self, batch: Any, seed: int, row_ids: NDArray[np.int64], /) -> pa.Table:
        """Generated columns of the twin: functions of codes, seed and row id."""
        ...

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `Kind.read_codec` reads; without what `to_parts` has, where not `inline`."""
        ...

    def to_parts(self) -> dict[str, bytes]:
        """File name to bytes: what is too long for JSON text."""
        ...


@dataclass(frozen=True)
class Kind:
    """One kind of data that is generated.

    Attributes:
        name: as `tables.TWINS` has it.
        twin: the tables.
        columns: of the source that a codec is fitted to.
        block_rows: rows are generated in whole blocks of so many consecutive row ids.
        task_rows: to start a task of the writer costs as much as so many rows: fewer keep no other core busy.
        makes: columns of the twin that differ from one generated row to the next.
        constants: those that are the same in all of them.
        own_id: those that hold the sample's own id. All others are null.
        holdout: of the source's rows, given that of training examples.
        fit: the codec, of training rows and a preset's options.
        fit_batches: the codec, of rows read twice batch by batch, and the rows of each code of each
            sub-column; None: the kind is not streamed yet.
        read_codec: the inverse of `Codec.to_json` and `to_parts`.
        signs: of collapse in a sample, beside real rows: figures, and "diversity" where these are enough.
        describe: what it makes, for the model card, in Markdown.
        show: some rows for a reader to look at; None: they cannot be read one by one.
        judged: columns of the source and its twin that are measured before anything is published.
        judge: every figure of generated rows, and the gate's decisions.
    """

    name: str
    twin: Twin
    columns: tuple[str, ...]
    block_rows: int
    task_rows: int
    makes: tuple[str, ...]
    constants: Mapping[str, Any]
    own_id: tuple[str, ...]
    holdout: Callable[[Holdout], Holdout]
    fit: Callable[[pa.Table, PresetOptions], Codec]
    fit_batches: Callable[[Scan, PresetOptions], tuple[Codec, list[NDArray[np.int64]]]] | None
    read_codec: Callable[[Mapping[str, Any], Mapping[str, bytes]], Codec]
    signs: Callable[[Any, Any], Figures]
    describe: Callable[[Codec], str]
    show: Callable[[pa.Table], list[Shown]] | None
    judged: tuple[str, ...]
    judge: Callable[[Config, Samples], list[Metric]]
