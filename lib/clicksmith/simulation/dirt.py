"""What goes wrong on the way of an event into the log, and the truth about it."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import DirtConfig, SimulationConfig
from clicksmith.simulation.behaviour import SEARCH, Events
from clicksmith.simulation.catalogue import MS_PER_DAY
from clicksmith.simulation.draws import Flags, Floats, Ints, exponential, uniform
from clicksmith.simulation.lines import json_lines, time_text

KINDS = tuple(DirtConfig.model_fields)
"""Names of the kinds; each event has at most one."""

VARIANTS = {
    "malformed": ("cut_off", "bad_time", "unknown_type", "negative_price", "bad_position"),
    "null_field": ("user", "request", "item", "price"),
}
"""How a kind shows; the others show in one way."""

_MEAN_DELIVERY_MS = 2_000.0
_HOUR_MS = 3_600_000
_MAX_SKEW_MS = 2 * _HOUR_MS
_WRONG_YEARS = (10, 30)
_DAYS_A_YEAR = 365.25
_LATE_HOURS = (1, 72)
_NEAR_MS = 50


@dataclass(frozen=True)
class Spoilt:
    """Lines of the log, N of them, in order of arrival.

    Attributes:
        line: JSON text, or what is left of it.
        day: shape (N,), of the arrival, since the stream's start.
        event_id: as sent.
        source: shape (N,), row in `Events`.
        kind: shape (N,), number in `KINDS`, -1: clean. Of a duplicate, the second line is the dirt.
        variant: shape (N,), number in `VARIANTS`, 0 where a kind has none.
    """

    line: pa.Array
    day: Ints
    event_id: pa.Array
    source: Ints
    kind: Ints
    variant: Ints


def spoil(seed: int, events: Events, columns: dict[str, pa.Array], settings: SimulationConfig) -> Spoilt:
    """The log's lines: dirt is drawn per event, so it depends on no other event."""
    chance = uniform(seed, "dirt", events.key, 4)
    edges = np.cumsum([getattr(settings.dirt, kind) for kind in KINDS])
    kind = np.searchsorted(edges, chance[:, 0], side="right").astype(np.int64)
    searches = events.type == SEARCH
    kind[(kind == len(KINDS)) | (searches & (kind == KINDS.index("unknown_item")))] = -1
    variant = _variants(kind, chance[:, 1], searches)
    # A duplicate is a second line; the rows of all other events stand once.
    again = np.flatnonzero(_is(kind, "exact_duplicate") | _is(kind, "near_duplicate"))
    near = _is(kind[again], "near_duplicate")
    source = np.concatenate([np.arange(len(kind)), again])
    kinds = np.concatenate([kind, kind[again]])
    kinds[again] = -1
    variants = np.where(kinds >= 0, variant[source], 0)

    time_ms = events.time_ms[source]
    shift = np.where(chance[again, 2] < 0.5, 0, 1 + (chance[again, 3] * _NEAR_MS).astype(np.int64))
    shown_ms = time_ms + _skew(kinds, chance[source, 2])
    shown_ms[len(kind) :] += np.where(near, shift, 0)
    received = time_ms + _delay(kinds, chance[source, 2:])
    received[len(kind) :] = received[again]  # a duplicate follows its original on the same day
    taken = {name: values.take(pa.array(source)) for name, values in columns.items()}
    suffix = np.concatenate([np.zeros(len(kind), bool), near])
    taken["id"] = pc.if_else(pa.array(suffix), _append(taken["id"], "-again"), taken["id"])
    taken["time"] = time_text(shown_ms, settings)
    _spoil_fields(taken, kinds, variants)
    lines = json_lines(taken)
    cut = pc.utf8_slice_codeunits(lines, 0, -15)
    lines = pc.if_else(pa.array(_shows(kinds, variants, "malformed", "cut_off")), cut, lines)
    order = np.argsort(received, kind="stable")
    return Spoilt(
        line=lines.take(pa.array(order)),
        day=received[order] // MS_PER_DAY,
        event_id=taken["id"].take(pa.array(order)),
        source=source[order],
        kind=kinds[order],
        variant=variants[order],
    )


def _is(kind: Ints, name: str) -> Flags:
    result: Flags = kind == KINDS.index(name)
    return result


def _shows(kind: Ints, variant: Ints, name: str, how: str) -> Flags:
    result: Flags = _is(kind, name) & (variant == VARIANTS[name].index(how))
    return result


def _variants(kind: Ints, chance: Floats, searches: Flags) -> Ints:
    variant = np.zeros(len(kind), np.int64)
    for name, ways in VARIANTS.items():
        # A search has neither item nor price to lose; user and request come first.
        count = np.where(searches & (name == "null_field"), 2, len(ways))
        variant = np.where(_is(kind, name), (chance * count).astype(np.int64), variant)
    return variant


def _skew(kind: Ints, chance: Floats) -> Ints:
    side = 2.0 * chance - 1.0
    skew = (side * _MAX_SKEW_MS).astype(np.int64)
    shortest, longest = _WRONG_YEARS
    years = np.sign(side) * (shortest + (longest - shortest) * np.abs(side))
    wrong = (years * _DAYS_A_YEAR * MS_PER_DAY).astype(np.int64)
    return np.where(_is(kind, "clock_skew"), skew, np.where(_is(kind, "wrong_clock"), wrong, 0))


def _delay(kind: Ints, chance: Floats) -> Ints:
    """From an event to its arrival, in ms: seconds, or hours where it is late."""
    usual = exponential(chance[:, 0]) * _MEAN_DELIVERY_MS
    shortest, longest = _LATE_HOURS
    late = (shortest + (longest - shortest) * chance[:, 1]) * _HOUR_MS
    return np.where(_is(kind, "late"), late, usual).astype(np.int64)


def _spoil_fields(columns: dict[str, pa.Array], kind: Ints, variant: Ints) -> None:
    """Change the fields of malformed records, of unknown items and of nulls, in place."""
    wrong = {
        "bad_time": ("time", "yesterday"),
        "unknown_type": ("type", "hover"),
        "negative_price": ("price", "-1.0"),
        "bad_position": ("position", '"first"'),
    }
    changes: list[tuple[Flags, str, str | None]] = [
        (_shows(kind, variant, "malformed", how), *change) for how, change in wrong.items()
    ]
    changes += [(_shows(kind, variant, "null_field", name), name, None) for name in VARIANTS["null_field"]]
    for rows, name, value in changes:
        columns[name] = pc.if_else(pa.array(rows), pa.scalar(value, pa.string()), columns[name])
    unknown = _append(columns["item"], "-unknown")
    columns["item"] = pc.if_else(pa.array(_is(kind, "unknown_item")), unknown, columns["item"])


def _append(values: pa.Array, suffix: str) -> pa.Array:
    return pc.binary_join_element_wise(values, suffix, "")
