"""What users truly want, as formulas: the oracle that recommenders and lifts can be checked against.

For user u and item i, of taste t and vector v (both of length 1) and price levels p and q,

    affinity(u, i)       = <t, v> - 0.1 (p - q)^2
    relevance(u, i)      = sigmoid(click_bias + taste_strength * affinity)
    P(examined at k)     = (k + 1)^-position_exponent          positions k from 0
    P(click at k)        = P(examined at k) * relevance
    P(cart | click)      = sigmoid(-2 + taste_strength / 2 * affinity)
    P(purchase | cart)   = sigmoid(-1 + taste_strength / 2 * affinity)

the position-based model of Richardson, Dominowska and Ragno (2007) and Craswell et al. (2008). Bots
click blindly. Popularity is exposure alone: which items are shown, not how much they are liked.
"""

import numpy as np
import pyarrow as pa

from clicksmith.config import SimulationConfig
from clicksmith.simulation.catalogue import Catalogue, item_ids
from clicksmith.simulation.draws import Floats, Ints
from clicksmith.simulation.users import KINDS, Users, user_ids

_PRICE_WEIGHT = 0.1
_CART_BIAS = -2.0
_PURCHASE_BIAS = -1.0


def sigmoid(log_odds: Floats) -> Floats:
    """From log-odds to probabilities, element-wise."""
    result: Floats = 1.0 / (1.0 + np.exp(-log_odds))
    return result


def affinity(taste: Floats, price_level: Floats, vector: Floats, item_price_level: Floats) -> Floats:
    """How well items fit users, pair by pair.

    Args:
        taste: the users', shape (N, D) or (N, 1, D).
        price_level: the users', shape (N,) or (N, 1).
        vector: the items', shape (N, D) or (M, D).
        item_price_level: the items', shape (N,) or (M,).

    Returns:
        Shape (N,) or (N, M).
    """
    distance = price_level - item_price_level
    result: Floats = (taste * vector).sum(axis=-1) - _PRICE_WEIGHT * distance * distance
    return result


def relevance(affinities: Floats, settings: SimulationConfig) -> Floats:
    """Probability of a click on an examined item."""
    return sigmoid(settings.click_bias + settings.taste_strength * affinities)


def examination(positions: Ints, settings: SimulationConfig) -> Floats:
    """Probability that a position, from 0, is looked at."""
    result: Floats = (positions.astype(np.float64) + 1.0) ** -settings.position_exponent
    return result


def cart_probability(affinities: Floats, settings: SimulationConfig) -> Floats:
    """Probability that a clicked item goes into the cart."""
    return sigmoid(_CART_BIAS + settings.taste_strength / 2 * affinities)


def purchase_probability(affinities: Floats, settings: SimulationConfig) -> Floats:
    """Probability that an item in the cart is bought."""
    return sigmoid(_PURCHASE_BIAS + settings.taste_strength / 2 * affinities)


def user_truth(users: Users) -> pa.Table:
    """One row a user: kind, taste, price level, life."""
    return pa.table(
        {
            "user_id": user_ids(users.number),
            "kind": pa.array(KINDS).take(pa.array(users.kind)),
            "vector": _lists(users.vector),
            "price_level": users.price_level,
            "first_day": users.first_day,
            "last_day": users.last_day,
            "activity": users.activity,
        }
    )


def item_truth(catalogue: Catalogue) -> pa.Table:
    """One row an item: vector, price level, share of exposure, launch."""
    return pa.table(
        {
            "item_id": item_ids(np.arange(len(catalogue.weight), dtype=np.int64)),
            "vector": _lists(catalogue.vector),
            "price_level": catalogue.price_level,
            "exposure": catalogue.weight,
            "launch_ms": catalogue.launch_ms,
        }
    )


def _lists(vectors: Floats) -> pa.Array:
    ends = np.arange(0, vectors.size + 1, vectors.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(ends, vectors.ravel())
