"""The sampler of `sequence_ar`: owners, then their events, with whatever is given.

A sequence is drawn forwards, from the first event to the last. What came before given last events is drawn
backwards from them. An event that must be somewhere is put at a place that is drawn uniformly; what came
before it is drawn backwards from it, what follows forwards from the first.

Shapes: N owners, M events of all, So and Se sub-columns of owners and of events.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor

from clicksmith.encoding.sequence_codec import LENGTH, EncodedSequences, SequenceCodec
from clicksmith.encoding.sequences import places
from clicksmith.errors import ConfigError
from clicksmith.generators.recipe import Sampler
from clicksmith.generators.sequence.autoregressive.drawing import UNKNOWN, Draft, Drawer
from clicksmith.generators.sequence.autoregressive.network import EventNetwork
from clicksmith.generators.sequence.autoregressive.reading import Reading
from clicksmith.generators.sequence.given import Given, sizes_of
from clicksmith.generators.sequence.rows import Windows
from clicksmith.generators.tabular.autoregressive_network import AutoregressiveNetwork
from clicksmith.generators.tabular.fixing import check_codes
from clicksmith.seeds import counter_uniform, derive_seed

BLOCK_EVENTS = 1 << 15
"""Events, padding included, that are read at a time for their likelihood."""


class SequenceNetwork(Sampler[EncodedSequences]):
    """Both networks; the forward pass is the training loss.

    Args:
        codec: of the sequences.
        mixed_precision: see `EventNetwork`.
    """

    def __init__(self, codec: SequenceCodec, mixed_precision: bool = True) -> None:
        super().__init__()
        self.codec = codec
        self.owners = AutoregressiveNetwork(codec.owners, mixed_precision)
        self.events = EventNetwork(codec, mixed_precision)
        self._length = codec.owners.slots[codec.owners.names.index(LENGTH)].start

    @property
    def device(self) -> torch.device:
        """Where it lives."""
        return self.events.device

    def set_frequencies(self, data: EncodedSequences) -> None:
        """Start each head at the log frequencies of its column in training data."""
        self.owners.set_frequencies(code_counts(data.owners, self.owners.cardinalities))
        self.events.set_frequencies(code_counts(data.events, self.events.cardinalities))

    def forward(
        self,
        reading: Reading,
        owner_order: Tensor | None,
        owner_keep: Tensor | None,
        event_order: Tensor | None,
        event_keep: Tensor | None,
    ) -> Tensor:
        """Mean nats of the owners and of the events that are read of them, shape (2,).

        See `AutoregressiveNetwork.forward` and `EventNetwork.nats`.
        """
        owners = self.owners(reading.owners, owner_order, owner_keep).sum()
        return torch.stack([owners, self.events.nats(reading, event_order, event_keep).mean()])

    @torch.no_grad()
    def calibrate(self, batches: Callable[[], Iterable[Windows]], data: EncodedSequences) -> None:
        """Shift biases so that codes become as probable on average as they are frequent.

        Args:
            batches: this rank's part of a sample of the training sequences; called twice.
            data: all of them.
        """
        self.eval()
        counts = code_counts(data.owners, self.owners.cardinalities)
        self.owners.calibrate((windows.owners for windows in batches()), counts)
        self.events.calibrate(whole(windows) for windows in batches())

    def row_nats(self, rows: EncodedSequences, backward: bool = False) -> Tensor:
        """Of whole sequences, owners included, shape (N,).

        Args:
            rows: the sequences.
            backward: whether events are read from the last to the first.
        """
        nats = torch.zeros(len(rows), device=self.device)
        for chosen in _blocks(rows.lengths):
            windows = Windows.of(rows, chosen, int(rows.lengths[chosen].max()), np.zeros((len(chosen), 2)))
            reading = whole(windows, backward)
            found = self.owners.row_nats(windows.owners) + self.events.nats(reading)
            nats[torch.from_numpy(chosen).to(self.device)] = found
        return nats

    @torch.inference_mode()
    def sample(self, seed: int, row_ids: NDArray[np.int64], given: Given | None = None) -> EncodedSequences:
        """See `Sampler.sample` and `Given`.

        Owners are drawn given the owners' codes and the length alone, not the events that are given. Where
        both first and last events are given, those between follow the first; the last stand as they are.

        Raises:
            ConfigError: what is given contradicts itself, or is of unlike sizes.
            NotFittedError: a code is given that was never seen in training.
        """
        self.eval()
        given = given or Given()
        check(given, len(row_ids), self.events)
        owners, lengths = self._draw_owners(seed, row_ids, given)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        codes = np.full((offsets[-1], len(self.events.cardinalities)), UNKNOWN)
        place = lay_out(codes, offsets, given, derive_seed(seed, "place"), row_ids)
        terms = self.events.owner_terms(torch.from_numpy(owners).to(self.device))
        draft = Draft(terms, torch.from_numpy(codes).to(self.device), offsets, row_ids)
        drawer, stream = Drawer(self.events, sorted(given.required)), derive_seed(seed, "events")
        back = np.flatnonzero(place >= 0)
        drawer.walk(draft, stream, back, place[back], -1)
        on = np.flatnonzero(place < lengths - 1)
        drawer.walk(draft, stream, on, np.zeros_like(on), 1)
        events = draft.codes.cpu().numpy().astype(np.int32)
        return EncodedSequences(owners.astype(np.int32), events, offsets)

    def _draw_owners(
        self, seed: int, row_ids: NDArray[np.int64], given: Given
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Owners' codes, and how many events each has: enough for those that are given."""
        fixed, needed = dict(given.owners), given.least_lengths(len(row_ids))
        allowed = {}
        if given.lengths is not None:
            column = self.codec.owners.columns[self.codec.owners.names.index(LENGTH)]
            fixed.setdefault(self._length, column.encode(pa.array(given.lengths))[0].reshape(-1))
        elif needed.any():
            allowed[self._length] = self._long_enough(needed)
            self._check_length(fixed.get(self._length), allowed[self._length], needed)
        found = self.owners.sample(derive_seed(seed, "owners"), row_ids, fixed, allowed).codes
        if given.lengths is not None:
            return found, given.lengths
        uniform = counter_uniform(derive_seed(seed, "lengths"), row_ids, 1)[:, 0]
        lengths = np.maximum(self.codec.lengths(found, uniform), needed)
        return found, lengths

    def _check_length(
        self, fixed: NDArray[np.int64] | None, allowed: NDArray[np.bool_], needed: NDArray[np.int64]
    ) -> None:
        """Refuse a code of the length that is too short for what else is given."""
        if fixed is not None and len(short := np.flatnonzero(~allowed[np.arange(len(needed)), fixed])):
            raise ConfigError(
                f"Owner {short[0]} shall have code {fixed[short[0]]} of {LENGTH}, which is of fewer events "
                f"than the {needed[short[0]]} that are given.",
                "Ask for more events, or give fewer.",
            )

    def _long_enough(self, needed: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which codes of the length have enough events, shape (N, codes); the longest where none has."""
        size = self.owners.cardinalities[self._length]
        seen = torch.split(self.owners.seen.cpu(), self.owners.cardinalities)[self._length].numpy()
        owners = np.zeros((size, len(self.owners.cardinalities)), dtype=np.int64)
        owners[:, self._length] = np.arange(size)
        longest = np.where(seen, self.codec.lengths(owners, np.full(size, 1 - 2**-24)), -1)
        enough: NDArray[np.bool_] = longest >= np.minimum(needed, longest.max())[:, None]
        return enough


def whole(windows: Windows, backward: bool = False) -> Reading:
    """All events of windows, in one direction."""
    num_owners = len(windows.sizes)
    none = torch.zeros(num_owners, dtype=torch.int64)
    return Reading.of(windows, torch.full((num_owners,), backward), none)


def lay_out(
    codes: NDArray[np.int64], offsets: NDArray[np.int64], given: Given, seed: int, row_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Write what is given among codes that are unknown; say from where each sequence is drawn backwards.

    Args:
        codes: of events, all unknown, shape (M, Se).
        offsets: where each owner's events start, shape (N + 1,).
        given: the conditions.
        seed: of the places of required events.
        row_ids: shape (N,).

    Returns:
        The place from which events are drawn backwards, shape (N,); -1 where none are.
    """
    num_owners, lengths = len(row_ids), np.diff(offsets)
    first, last = sizes_of(given.prefix, num_owners), sizes_of(given.suffix, num_owners)
    for part, sizes, starts in (
        (given.prefix, first, offsets[:-1]),
        (given.suffix, last, offsets[1:] - last),
    ):
        if part is not None:
            codes[np.repeat(starts, sizes) + places(part.offsets)] = part.events
    middle = np.full(num_owners, -1)
    if given.required:
        free = lengths - first - last
        uniform = counter_uniform(seed, row_ids, 1)[:, 0]
        place = first + np.minimum((uniform * free).astype(np.int64), free - 1)
        wanted = np.flatnonzero(given.lacks_required(num_owners))
        for column, values in given.required.items():
            codes[offsets[wanted] + place[wanted], column] = values[wanted]
        middle[wanted] = place[wanted]
    return np.where(first > 0, -1, np.where(last > 0, lengths - 1, middle))


def check(given: Given, num_owners: int, network: EventNetwork) -> None:
    """Refuse what no sequence can have.

    Raises:
        ConfigError: what is given contradicts itself, or is of unlike sizes.
        NotFittedError: a code of a required event was never seen in training.
    """
    sizes = {"prefix": given.prefix, "suffix": given.suffix, "lengths": given.lengths}
    parts = {name: part for name, part in sizes.items() if part is not None} | {
        f"required[{column}]": values for column, values in given.required.items()
    }
    for name, part in parts.items():
        if len(part) != num_owners:
            raise ConfigError(
                f"{name} is given for {len(part)} owners, but {num_owners} are sampled.",
                "Give it for each of them.",
            )
    needed = given.least_lengths(num_owners)
    if given.lengths is not None and len(short := np.flatnonzero(given.lengths < needed)):
        raise ConfigError(
            f"Owner {short[0]} shall have {given.lengths[short[0]]} events, but {needed[short[0]]} are "
            "given.",
            "Ask for more events, or give fewer.",
        )
    seen = torch.split(network.seen.cpu(), network.cardinalities)
    for column, values in given.required.items():
        check_codes(column, values, seen[column].numpy())
    for events in (part.events for part in (given.prefix, given.suffix) if part is not None):
        for column, size in enumerate(network.cardinalities):
            check_codes(column, events[:, column].astype(np.int64), np.ones(size, dtype=bool))


def code_counts(codes: NDArray[np.integer], cardinalities: list[int]) -> list[NDArray[np.int64]]:
    """Rows of each code of each sub-column."""
    return [np.bincount(codes[:, k], minlength=size).astype(np.int64) for k, size in enumerate(cardinalities)]


def _blocks(lengths: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Owners of similar lengths, so many that they fill `BLOCK_EVENTS` when padded; one at least."""
    order = np.argsort(-lengths, kind="stable")
    at = 0
    while at < len(order):
        size = max(1, BLOCK_EVENTS // max(int(lengths[order[at]]), 8))
        yield order[at : at + size]
        at += size
