"""The items: latent vectors, Zipf popularity, categories, brands, prices, launches."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import SimulationConfig
from clicksmith.simulation import words
from clicksmith.simulation.draws import Floats, Ints, normal, uniform, unit_rows

MS_PER_DAY = 86_400_000

_ITEM_SPREAD = 0.6
_PRICE_SPREAD = 0.6


@dataclass(frozen=True)
class Catalogue:
    """All items, ordered by category; N items, C categories, D dimensions.

    Attributes:
        vector: shape (N, D), of length 1: an item's place in the space of tastes.
        weight: shape (N,), exposure, summing to 1: the item of popularity rank r has r^-zipf_exponent.
        edge: shape (N + 1,), sums of `weight` before each item, for draws by inversion.
        category: shape (N,).
        first: shape (C + 1,), where each category's items start.
        subcategory: shape (N,), number within the category.
        brand: shape (N,).
        price_level: shape (N,), standard normal: an item's price within its category.
        price: shape (N,), to the cent.
        launch_ms: shape (N,), since the stream's start; below 0: before it.
        category_vector: shape (C, D), of length 1.
    """

    vector: Floats
    weight: Floats
    edge: Floats
    category: Ints
    first: Ints
    subcategory: Ints
    brand: Ints
    price_level: Floats
    price: Floats
    launch_ms: Ints
    category_vector: Floats

    def draw(self, points: Floats) -> Ints:
        """The items that points in (0, 1) of the cumulated weight lie in, any shape."""
        found = np.searchsorted(self.edge, points, side="right") - 1
        return np.clip(found, 0, len(self.weight) - 1).astype(np.int64)


@lru_cache(maxsize=1)
def build_catalogue(seed: int, settings: SimulationConfig) -> Catalogue:
    """The catalogue, a pure function of its arguments; kept for the process's next blocks."""
    items = np.arange(settings.num_items, dtype=np.int64)
    categories = np.arange(settings.num_categories, dtype=np.int64)
    centre = unit_rows(normal(seed, "category vector", categories, settings.num_dimensions))
    category = items * settings.num_categories // settings.num_items
    spread = _ITEM_SPREAD / np.sqrt(settings.num_dimensions)
    noise = spread * normal(seed, "item vector", items, settings.num_dimensions)
    rank = np.argsort(np.argsort(uniform(seed, "item rank", items, 1)[:, 0], kind="stable"), kind="stable")
    weight: Floats = np.power(rank + 1.0, -settings.zipf_exponent, dtype=np.float64)
    weight /= weight.sum()
    chance = uniform(seed, "item attributes", items, 4)
    level = normal(seed, "item price", items, 1)[:, 0]
    typical = np.exp(2.5 + normal(seed, "category price", categories, 1)[:, 0])
    launched = chance[:, 2] < settings.launched_share
    return Catalogue(
        vector=unit_rows(centre[category] + noise),
        weight=weight,
        edge=np.concatenate([[0.0], np.cumsum(weight)]),
        category=category,
        first=np.searchsorted(category, np.arange(settings.num_categories + 1)).astype(np.int64),
        subcategory=(chance[:, 0] * words.NUM_SUBCATEGORIES).astype(np.int64),
        brand=category * words.BRANDS_PER_CATEGORY
        + (chance[:, 1] * words.BRANDS_PER_CATEGORY).astype(np.int64),
        price_level=level,
        price=np.round(typical[category] * np.exp(_PRICE_SPREAD * level), 2),
        launch_ms=np.where(launched, chance[:, 3] * settings.num_days * MS_PER_DAY, -1.0).astype(np.int64),
        category_vector=centre,
    )


def item_ids(items: Ints) -> pa.Array:
    """The ids in the log."""
    return pc.binary_join_element_wise("i", pa.array(items).cast(pa.string()), "")


def item_records(catalogue: Catalogue) -> pa.Table:
    """The items as a shop would export them: the file that `ingest_events` reads."""
    category, subcategory = catalogue.category.tolist(), catalogue.subcategory.tolist()
    brands = [words.brand_name(brand) for brand in catalogue.brand.tolist()]
    fine = [words.subcategory_name(*pair) for pair in zip(category, subcategory, strict=True)]
    return pa.table(
        {
            "item": item_ids(np.arange(len(category), dtype=np.int64)),
            "title": [f"{brand} {name}" for brand, name in zip(brands, fine, strict=True)],
            "category": [words.category_name(number) for number in category],
            "subcategory": fine,
            "brand": brands,
            "price": catalogue.price,
        }
    )
