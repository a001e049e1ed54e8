"""What is shown and what users do: impressions by position, clicks, carts, purchases, searches."""

from dataclasses import dataclass

import numpy as np

from clicksmith.config import SimulationConfig
from clicksmith.simulation.catalogue import Catalogue
from clicksmith.simulation.draws import Flags, Floats, Ints, exponential, uniform
from clicksmith.simulation.requests import Requests
from clicksmith.simulation.truth import (
    affinity,
    cart_probability,
    examination,
    purchase_probability,
    relevance,
)
from clicksmith.simulation.users import Users

SEARCH, IMPRESSION, CLICK, CART, PURCHASE = range(5)
TYPES = ("search", "impression", "click", "cart", "purchase")

_MAX_LIST = 64
_BOT_CLICK = 0.03
_BOT_CART = 0.1
_READ_MS = 1_500.0
_MEAN_WAIT_MS = (10_000.0, 30_000.0, 90_000.0)
_MAX_WAIT_MS = 600_000


@dataclass(frozen=True)
class Events:
    """N events, by user and time; what truly happened, without dirt.

    Attributes:
        request: shape (N,), row in `Requests`.
        type: shape (N,), one of SEARCH .. PURCHASE.
        item: shape (N,), -1 for a search.
        position: shape (N,), from 0; -1 for a search.
        time_ms: shape (N,), since the stream's start.
        key: shape (N,), unique over the whole stream.
    """

    request: Ints
    type: Ints
    item: Ints
    position: Ints
    time_ms: Ints
    key: Ints


@dataclass(frozen=True)
class _Shown:
    """Impressions: row in `Requests`, item and position, each of shape (M,)."""

    request: Ints
    item: Ints
    position: Ints


def make_events(
    seed: int, users: Users, requests: Requests, catalogue: Catalogue, settings: SimulationConfig
) -> Events:
    """All events of the requests."""
    shown = _lists(seed, requests, catalogue, settings)
    clicked, carted, bought = _outcomes(seed, shown, users, requests, catalogue, settings)
    chosen = np.flatnonzero(clicked)
    wait = _waits(seed, requests.key[shown.request[chosen]] * _MAX_LIST + shown.position[chosen])
    wait[0] += (_READ_MS * shown.position[chosen]).astype(np.int64)
    searches = np.flatnonzero(requests.category >= 0)
    nothing = np.full(len(searches), -1)
    parts = [(searches, nothing, nothing, SEARCH, np.zeros(len(searches), np.int64))]
    parts.append((shown.request, shown.item, shown.position, IMPRESSION, np.zeros_like(shown.item)))
    for kind, happened in ((CLICK, clicked), (CART, carted), (PURCHASE, bought)):
        kept = happened[chosen]
        row = chosen[kept]
        delay = wait[: kind - IMPRESSION].sum(axis=0)[kept]
        parts.append((shown.request[row], shown.item[row], shown.position[row], kind, delay))
    request, item, position, delay = (np.concatenate([part[n] for part in parts]) for n in (0, 1, 2, 4))
    kinds = np.repeat([part[3] for part in parts], [len(part[0]) for part in parts])
    time_ms = requests.time_ms[request] + delay
    key = (requests.key[request] * _MAX_LIST + np.maximum(position, 0)) * len(TYPES) + kinds
    order = np.lexsort((key, time_ms, requests.user[request]))
    columns = (request, kinds, item, position, time_ms, key)
    return Events(*[column[order].astype(np.int64) for column in columns])


def _lists(seed: int, requests: Requests, catalogue: Catalogue, settings: SimulationConfig) -> _Shown:
    """The list of each request, from all items or from those of the category searched for.

    Items are drawn with probability proportional to their weight, by systematic sampling: one random
    shift for L equally spaced points. An item that is hit twice is shown once, and one that is not
    launched not at all: such lists are shorter. Positions follow Plackett and Luce: by
    ranking_strength * log(weight) + Gumbel noise.
    """
    length = settings.list_length
    searched = np.maximum(requests.category, 0)
    browses = requests.category < 0
    low = np.where(browses, 0.0, catalogue.edge[catalogue.first[searched]])
    high = np.where(browses, catalogue.edge[-1], catalogue.edge[catalogue.first[searched + 1]])
    chance = uniform(seed, "list", requests.key, 1 + length)
    point = (np.arange(length) + chance[:, :1]) / length
    # The last points of a category must not round over its edge.
    item = catalogue.draw(np.minimum(low[:, None] + (high - low)[:, None] * point, high[:, None] - 1e-12))
    hidden = catalogue.launch_ms[item] > requests.time_ms[:, None]
    hidden[:, 1:] |= item[:, 1:] == item[:, :-1]
    score = settings.ranking_strength * np.log(catalogue.weight[item]) - np.log(-np.log(chance[:, 1:]))
    order = np.argsort(np.where(hidden, np.inf, -score), axis=1, kind="stable")
    item = np.take_along_axis(item, order, axis=1)
    row, position = np.nonzero(np.arange(length) < length - hidden.sum(axis=1, keepdims=True))
    return _Shown(row, item[row, position], position)


def _outcomes(
    seed: int,
    shown: _Shown,
    users: Users,
    requests: Requests,
    catalogue: Catalogue,
    settings: SimulationConfig,
) -> tuple[Flags, Flags, Flags]:
    """Which impressions are clicked, put into the cart and bought, each of shape (M,)."""
    user = requests.user[shown.request]
    fit = affinity(
        users.vector[user],
        users.price_level[user],
        catalogue.vector[shown.item],
        catalogue.price_level[shown.item],
    )
    blind = users.is_bot[user]
    key = requests.key[shown.request] * _MAX_LIST + shown.position
    click = relevance(fit, settings) * examination(shown.position, settings)
    clicked = uniform(seed, "click", key, 1)[:, 0] < np.where(blind, _BOT_CLICK, click)
    carted, bought = np.zeros_like(clicked), np.zeros_like(clicked)
    row = np.flatnonzero(clicked)
    chance = uniform(seed, "outcome", key[row], 2)
    cart = np.where(blind[row], _BOT_CART, cart_probability(fit[row], settings))
    carted[row] = chance[:, 0] < cart
    purchase = np.where(blind[row], 0.0, purchase_probability(fit[row], settings))
    bought[row] = carted[row] & (chance[:, 1] < purchase)
    return clicked, carted, bought


def _waits(seed: int, keys: Ints) -> Ints:
    """From impression to click, click to cart, cart to purchase, in ms, shape (3, N)."""
    waits: Floats = exponential(uniform(seed, "wait", keys, 3)) * np.array(_MEAN_WAIT_MS)
    return np.minimum(waits, _MAX_WAIT_MS).astype(np.int64).T.copy()
