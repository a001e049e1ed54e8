"""When users come, and what they ask for: sessions with a daily rhythm, and the requests in them."""

from dataclasses import dataclass

import numpy as np

from clicksmith.config import SimulationConfig
from clicksmith.simulation.catalogue import MS_PER_DAY, Catalogue
from clicksmith.simulation.draws import Floats, Ints, exponential, uniform
from clicksmith.simulation.users import HUMAN, SCRAPER, Users

RHYTHM = np.array(
    [8, 5, 3, 2, 2, 3, 6, 12, 20, 26, 30, 33, 36, 34, 32, 32, 34, 38, 44, 52, 58, 54, 38, 20], np.float64
)
"""Relative number of sessions that start in each hour of the day, UTC."""

_MAX_SESSIONS = 2_000
_MAX_REQUESTS = 500
_SCRAPER_REQUESTS = 30.0
_PAUSE_MS = (20_000.0, 60_000.0)
_SCRAPER_PAUSE_MS = (300.0, 1_000.0)
_MAX_PAUSE_MS = 25 * 60_000
"""Shorter than the silence that ends a session for cleaning, 30 minutes by default."""


@dataclass(frozen=True)
class Requests:
    """R requests, each answered by one list of items.

    Attributes:
        key: shape (R,), unique over the whole stream.
        ordinal: shape (R,), number within the session.
        session: shape (R,), number of the user's session.
        user: shape (R,), row in `Users`.
        time_ms: shape (R,), since the stream's start.
        category: shape (R,), searched for; -1: the user browses.
    """

    key: Ints
    ordinal: Ints
    session: Ints
    user: Ints
    time_ms: Ints
    category: Ints


def make_requests(seed: int, users: Users, catalogue: Catalogue, settings: SimulationConfig) -> Requests:
    """All requests of the users' lives."""
    user, session = _sessions(seed, users, settings)
    session_key = users.number[user] * _MAX_SESSIONS + session
    start_ms, num_requests = _starts(seed, session_key, user, users, settings)
    row = np.repeat(np.arange(len(user)), num_requests)
    first = np.cumsum(num_requests) - num_requests
    ordinal = np.arange(len(row)) - first[row]
    key = session_key[row] * _MAX_REQUESTS + ordinal
    chance = uniform(seed, "request", key, 3)
    kind = users.kind[user[row]]
    shortest, mean = np.where((kind == SCRAPER)[:, None], _SCRAPER_PAUSE_MS, _PAUSE_MS).T
    pause = np.minimum(shortest + exponential(chance[:, 0]) * mean, _MAX_PAUSE_MS).astype(np.int64)
    elapsed = np.cumsum(np.where(ordinal == 0, 0, pause))
    wanted = _wanted_category(users, user[row], chance[:, 1], catalogue, settings)
    return Requests(
        key=key,
        ordinal=ordinal,
        session=session[row],
        user=user[row],
        time_ms=start_ms[row] + elapsed - elapsed[first][row],
        category=np.where(chance[:, 2] < settings.search_share, wanted, -1),
    )


def _sessions(seed: int, users: Users, settings: SimulationConfig) -> tuple[Ints, Ints]:
    """The user's row and the number within the user, of each session; geometric in a user's life."""
    chance = uniform(seed, "number of sessions", users.number, 1)[:, 0]
    days = users.last_day - users.first_day + 1
    mean = settings.sessions_per_day * users.activity * days
    count = np.minimum(1 + (exponential(chance) * mean).astype(np.int64), _MAX_SESSIONS)
    user = np.repeat(np.arange(len(count)), count)
    return user, np.arange(len(user)) - (np.cumsum(count) - count)[user]


def _starts(
    seed: int, session_key: Ints, user: Ints, users: Users, settings: SimulationConfig
) -> tuple[Ints, Ints]:
    """Start in ms and number of requests of each session; bots keep no rhythm."""
    chance = uniform(seed, "session", session_key, 3)
    days = users.last_day - users.first_day + 1
    day = users.first_day[user] + (chance[:, 0] * days[user]).astype(np.int64)
    edges = np.concatenate([[0.0], np.cumsum(RHYTHM)]) / RHYTHM.sum()
    kind = users.kind[user]
    hour = np.where(kind == HUMAN, np.interp(chance[:, 1], edges, np.arange(25)), 24 * chance[:, 1])
    mean = np.where(kind == SCRAPER, _SCRAPER_REQUESTS, settings.requests_per_session) - 1.0
    count = 1 + _geometric(chance[:, 2], mean)
    start = day * MS_PER_DAY + (hour * 3_600_000).astype(np.int64)
    return start, np.minimum(count, _MAX_REQUESTS)


def _geometric(chance: Floats, mean: Floats) -> Ints:
    """Whole numbers from 0 with the given means, by inversion."""
    positive = np.maximum(mean, 1e-9)
    result: Ints = (np.log(chance) / np.log(positive / (1.0 + positive))).astype(np.int64)
    return result


def _wanted_category(
    users: Users, user: Ints, chance: Floats, catalogue: Catalogue, settings: SimulationConfig
) -> Ints:
    """What a search is for: a category by soft-max of the user's taste."""
    liking = settings.taste_strength * users.vector @ catalogue.category_vector.T
    share = np.exp(liking - liking.max(axis=1, keepdims=True))
    edge = np.cumsum(share, axis=1) / share.sum(axis=1, keepdims=True)
    # One search for all: user r's edges lie in (r, r + 1].
    found = np.searchsorted((edge + np.arange(len(edge))[:, None]).ravel(), chance + user)
    num_categories = edge.shape[1]
    result: Ints = np.minimum(found - user * num_categories, num_categories - 1).astype(np.int64)
    return result
