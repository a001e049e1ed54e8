"""Events as a shop's log would have them: columns of text, and JSON lines made of them."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import SimulationConfig
from clicksmith.simulation import words
from clicksmith.simulation.behaviour import CART, CLICK, IMPRESSION, SEARCH, TYPES, Events
from clicksmith.simulation.catalogue import MS_PER_DAY, Catalogue, item_ids
from clicksmith.simulation.draws import Flags, Floats, Ints, uniform
from clicksmith.simulation.requests import Requests
from clicksmith.simulation.users import Users, user_ids

NUMBERS = ("position", "price", "quantity")
"""Fields that JSON does not quote."""


def log_columns(
    seed: int,
    events: Events,
    requests: Requests,
    users: Users,
    catalogue: Catalogue,
    settings: SimulationConfig,
) -> dict[str, pa.Array]:
    """The log's fields as text, N values each, null where absent; the first is the id."""
    row, kind = events.request, events.type
    user = requests.user[row]
    user_id = user_ids(users.number).take(pa.array(user))
    ordinal = np.arange(len(user)) - np.searchsorted(user, user)
    session = _join(user_id, "s", requests.session[row])
    is_search = kind == SEARCH
    quantity = 1 + (uniform(seed, "quantity", events.key, 1)[:, 0] < 0.2)
    searched = requests.category[row] >= 0
    return {
        "id": _join(user_id, "e", ordinal),
        "time": time_text(events.time_ms, settings),
        "type": pa.array(TYPES).take(pa.array(kind)),
        "user": user_id,
        "item": _null_where(is_search, item_ids(np.maximum(events.item, 0))),
        "session": session,
        "request": _join(session, "r", requests.ordinal[row]),
        "placement": _null_where(
            kind != IMPRESSION, pa.array(["home", "search"]).take(pa.array(searched * 1))
        ),
        "query": _queries(seed, events, requests, catalogue),
        "position": _null_where((kind < IMPRESSION) | (kind > CLICK), _text(events.position)),
        "price": _null_where(is_search, _text(catalogue.price[np.maximum(events.item, 0)])),
        "quantity": _null_where(kind < CART, _text(quantity)),
    }


def time_text(time_ms: Ints, settings: SimulationConfig) -> pa.Array:
    """ISO 8601 in UTC, to the millisecond, e.g. ``2024-01-01T08:00:00.123Z``."""
    start = (settings.start_date - date(1970, 1, 1)).days * MS_PER_DAY
    text = pa.array(time_ms + start, pa.timestamp("ms")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


def json_lines(columns: dict[str, pa.Array]) -> pa.Array:
    """One JSON object a row, fields in their order without those that are null; the first is never null."""
    pieces: list[pa.Array] = []
    for name, values in columns.items():
        quote = "" if name in NUMBERS else '"'
        start = f'{"," if pieces else "{"}"{name}":{quote}'
        pieces.append(pc.binary_join_element_wise(start, values, quote, ""))
    return pc.binary_join_element_wise(*pieces, "}", "", null_handling="replace", null_replacement="")


def _queries(seed: int, events: Events, requests: Requests, catalogue: Catalogue) -> pa.Array:
    """The words of a search: a category, a subcategory, or a brand and a category."""
    rows = np.flatnonzero(events.type == SEARCH)
    category = requests.category[events.request[rows]]
    chance = uniform(seed, "query", events.key[rows], 3)
    brand = category * words.BRANDS_PER_CATEGORY + (chance[:, 0] * words.BRANDS_PER_CATEGORY).astype(np.int64)
    fine = (chance[:, 1] * words.NUM_SUBCATEGORIES).astype(np.int64)
    texts = []
    for c, b, f, u in zip(
        category.tolist(), brand.tolist(), fine.tolist(), chance[:, 2].tolist(), strict=True
    ):
        name = words.category_name(c)
        texts.append(
            name if u < 0.5 else words.subcategory_name(c, f) if u < 0.75 else f"{words.brand_name(b)} {name}"
        )
    place = np.full(len(events.type), -1)
    place[rows] = np.arange(len(rows))
    return pa.array(texts, pa.string()).take(pa.array(place, mask=place < 0))


def _join(prefix: pa.Array, letter: str, numbers: Ints) -> pa.Array:
    return pc.binary_join_element_wise(prefix, _text(numbers), f"-{letter}")


def _text(numbers: Ints | Floats) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _null_where(condition: Flags, values: pa.Array) -> pa.Array:
    return pc.if_else(pa.array(condition), pa.scalar(None, pa.string()), values)
