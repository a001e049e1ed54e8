"""One block of users, from their tastes to the lines of the log: a pure function of (seed, block, settings).

A block is the same in whatever task it is made, so neither partitions nor retries change a byte.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import SimulationConfig
from clicksmith.simulation.behaviour import Events, make_events
from clicksmith.simulation.catalogue import MS_PER_DAY, build_catalogue
from clicksmith.simulation.dirt import KINDS, VARIANTS, Spoilt, spoil
from clicksmith.simulation.draws import Ints
from clicksmith.simulation.lines import json_lines, log_columns, time_text
from clicksmith.simulation.requests import Requests, make_requests
from clicksmith.simulation.users import Users, make_users

BLOCK_USERS = 256
"""Users of a block: some 30,000 events by default, which take about 50 MB."""

EVENTS, DIRT = "events", "dirt"
OUTPUT_SCHEMA = pa.schema([("table", pa.string()), ("day", pa.string()), ("value", pa.string())])

_CALIBRATION_BLOCKS = 8


def simulate_block(seed: int, block: int, num_users: int, settings: SimulationConfig) -> pa.Table:
    """The log of users ``block * BLOCK_USERS`` to the next block's, below `num_users`.

    Returns:
        Lines of text with the table that they belong to, `EVENTS` or `DIRT`, and the day of their
        arrival, e.g. ``2024-01-31``. A line of `DIRT` tells of one dirty line of `EVENTS`: its event_id
        (as sent), dirt, variant (or absent), user_id and event_ts (both true).
    """
    numbers = np.arange(block * BLOCK_USERS, min((block + 1) * BLOCK_USERS, num_users), dtype=np.int64)
    users, requests, events = _simulate(seed, numbers, settings)
    columns = log_columns(seed, events, requests, users, build_catalogue(seed, settings), settings)
    spoilt = spoil(seed, events, columns, settings)
    dirty = np.flatnonzero(spoilt.kind >= 0)
    days = day_texts(spoilt.day, settings)
    tables = pa.array([EVENTS, DIRT]).take(pa.array(np.repeat([0, 1], [len(spoilt.day), len(dirty)])))
    truth = _dirt_lines(spoilt, dirty, events, columns, settings)
    values = pa.concat_arrays([spoilt.line, truth])
    return pa.table([tables, pa.concat_arrays([days, days.take(pa.array(dirty))]), values], OUTPUT_SCHEMA)


def count_users(seed: int, settings: SimulationConfig) -> int:
    """Users whose lines are about `settings.num_events`, by those of the first few thousand."""
    numbers = np.arange(_CALIBRATION_BLOCKS * BLOCK_USERS, dtype=np.int64)
    _, requests, events = _simulate(seed, numbers, settings)
    per_user = np.bincount(requests.user[events.request], minlength=len(numbers))
    twice = settings.dirt.exact_duplicate + settings.dirt.near_duplicate
    total = np.cumsum(per_user) * (1.0 + twice)
    if total[-1] >= settings.num_events:
        return int(np.searchsorted(total, settings.num_events)) + 1
    return int(np.ceil(settings.num_events / (total[-1] / len(numbers))))


def day_texts(days: Ints, settings: SimulationConfig) -> pa.Array:
    """Days since the stream's start as ``2024-01-31``."""
    return pc.utf8_slice_codeunits(time_text(days * MS_PER_DAY, settings), 0, 10)


def _simulate(seed: int, numbers: Ints, settings: SimulationConfig) -> tuple[Users, Requests, Events]:
    catalogue = build_catalogue(seed, settings)
    users = make_users(seed, numbers, catalogue, settings)
    requests = make_requests(seed, users, catalogue, settings)
    return users, requests, make_events(seed, users, requests, catalogue, settings)


def _dirt_lines(
    spoilt: Spoilt,
    dirty: Ints,
    events: Events,
    columns: dict[str, pa.Array],
    settings: SimulationConfig,
) -> pa.Array:
    source, kind = spoilt.source[dirty], spoilt.kind[dirty]
    variant = np.full(len(dirty), None, object)
    for name, ways in VARIANTS.items():
        rows = kind == KINDS.index(name)
        variant[rows] = np.array(ways, object)[spoilt.variant[dirty][rows]]
    return json_lines(
        {
            "event_id": spoilt.event_id.take(pa.array(dirty)),
            "dirt": pa.array(KINDS).take(pa.array(kind)),
            "variant": pa.array(variant, pa.string()),
            "user_id": columns["user"].take(pa.array(source)),
            "event_ts": time_text(events.time_ms[source], settings),
        }
    )
