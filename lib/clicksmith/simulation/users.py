"""The users: tastes, life cycles, activity, and which of them are bots."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import SimulationConfig
from clicksmith.simulation.catalogue import Catalogue
from clicksmith.simulation.draws import Flags, Floats, Ints, exponential, normal, uniform, unit_rows

HUMAN, SCRAPER, IMITATOR = 0, 1, 2
KINDS = ("human", "scraper", "imitator")
"""A scraper asks for a list every second or so; an imitator keeps people's pace. Both click blindly."""

_TASTE_SPREAD = 0.5
_ACTIVITY_SPREAD = 0.8
_AGES = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
_GENDERS = ("f", "m", "x")
_INCOMES = ("low", "middle", "high", "top")
_HOUSEHOLDS = ("single", "couple", "family", "shared")


@dataclass(frozen=True)
class Users:
    """N users of consecutive numbers.

    Attributes:
        number: shape (N,), from 0 over the whole stream.
        kind: shape (N,), one of HUMAN, SCRAPER, IMITATOR.
        vector: shape (N, D), of length 1: the taste.
        price_level: shape (N,), standard normal: the price that the user likes.
        first_day: shape (N,), of the life, from 0.
        last_day: shape (N,), included; at most the stream's last.
        activity: shape (N,), of mean 1.
    """

    number: Ints
    kind: Ints
    vector: Floats
    price_level: Floats
    first_day: Ints
    last_day: Ints
    activity: Floats

    @property
    def is_bot(self) -> Flags:
        """Shape (N,)."""
        result: Flags = self.kind != HUMAN
        return result


def make_users(seed: int, numbers: Ints, catalogue: Catalogue, settings: SimulationConfig) -> Users:
    """The users of these numbers; a user depends on no other, nor on how many there are.

    A taste is the sum of two categories' vectors and noise. Users that do not arrive meanwhile are
    there from the first day on; a life's length is exponential, so their churn does not differ.
    """
    chance = uniform(seed, "user", numbers, 6)
    num_categories, num_dimensions = catalogue.category_vector.shape
    favourite = (chance[:, 0] * num_categories).astype(np.int64)
    second = (chance[:, 1] * num_categories).astype(np.int64)
    noise = _TASTE_SPREAD / np.sqrt(num_dimensions) * normal(seed, "user vector", numbers, num_dimensions)
    taste = catalogue.category_vector[favourite] + 0.5 * catalogue.category_vector[second] + noise
    level, activity = normal(seed, "user level", numbers, 2).T
    arrival = np.where(
        chance[:, 2] < settings.newcomer_share, chance[:, 2] / max(settings.newcomer_share, 1e-9), 0.0
    )
    first_day = (arrival * settings.num_days).astype(np.int64)
    life = (exponential(chance[:, 3]) * settings.mean_life_days).astype(np.int64)
    bot = np.where(chance[:, 4] < settings.bots / 2, SCRAPER, IMITATOR)
    return Users(
        number=numbers,
        kind=np.where(chance[:, 4] < settings.bots, bot, HUMAN).astype(np.int64),
        vector=unit_rows(taste),
        price_level=level,
        first_day=first_day,
        last_day=np.minimum(first_day + life, settings.num_days - 1),
        activity=np.exp(_ACTIVITY_SPREAD * activity - 0.5 * _ACTIVITY_SPREAD**2),
    )


def user_ids(numbers: Ints) -> pa.Array:
    """The ids in the log."""
    return pc.binary_join_element_wise("u", pa.array(numbers).cast(pa.string()), "")


def user_records(seed: int, users: Users) -> pa.Table:
    """The users as a shop would export them; income tells something of the price level, the rest nothing."""
    chance = uniform(seed, "user record", users.number, 3)
    income = np.searchsorted([-0.7, 0.3, 1.3], users.price_level)
    return pa.table(
        {
            "user": user_ids(users.number),
            "age": _pick(_AGES, chance[:, 0]),
            "gender": _pick(_GENDERS, chance[:, 1]),
            "income": pa.array(_INCOMES).take(pa.array(income)),
            "household": _pick(_HOUSEHOLDS, chance[:, 2]),
        }
    )


def _pick(values: tuple[str, ...], chance: Floats) -> pa.Array:
    return pa.array(values).take(pa.array((chance * len(values)).astype(np.int64)))
