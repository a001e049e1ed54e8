"""A small joint distribution with a known truth, and how to train a preset on it."""

import numpy as np
import pyarrow as pa

from clicksmith.config import PresetOptions, generator_config
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.presets import PRESETS, build_recipe
from clicksmith.generators.recipe import Recipe, Shard
from clicksmith.tables import Column

COLUMNS = (
    Column("label", pa.bool_()),
    Column("kind", pa.string()),
    Column("shade", pa.string(), nullable=True),
    Column("price", pa.float64()),
)
KINDS = ("apple", "pear", "plum")

TABULAR = [name for name, preset in PRESETS.items() if preset.options.kind == "examples"]
"""Presets of rows of a table."""


def toy_rows(num_rows: int, seed: int = 0) -> pa.Table:
    """kind has shares .5 .3 .2; shade is its number with probability .9, else null; price follows kind."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, num_rows, p=[0.5, 0.3, 0.2])
    known = rng.random(num_rows) < 0.9
    return pa.table(
        {
            "label": rng.random(num_rows) < np.array([0.1, 0.5, 0.9])[kind],
            "kind": [KINDS[k] for k in kind],
            "shade": [f"s{k}" if n else None for k, n in zip(kind, known, strict=True)],
            "price": np.round(10.0 * (kind + 1) + rng.normal(size=num_rows), 3),
        }
    )


def toy_data(num_rows: int, seed: int = 0) -> tuple[TableCodec, Encoded]:
    rows = toy_rows(num_rows, seed)
    codec = TableCodec.fit(rows, COLUMNS, max_bins=32)
    return codec, codec.encode(rows)


def toy_config(**options: object) -> PresetOptions:
    """A preset's options; how long to train is left out of one that counts, and what is None of any."""
    known = PRESETS[str(options["preset"])].options.model_fields
    schedule = ("num_steps", "batch_size", "checkpoint_every", "max_rollbacks")
    kept = {k: v for k, v in options.items() if v is not None and (k in known or k not in schedule)}
    return generator_config(kept)


def toy_recipe(codec: TableCodec, data: Encoded, seed: int = 1, **config: object) -> Recipe:
    recipe = build_recipe(toy_config(**config), seed, codec, data)
    recipe.prepare(lambda module: module)
    return recipe


def train(recipe: Recipe, num_steps: int) -> Recipe:
    for step in range(num_steps):
        recipe.step(step, Shard())
    return recipe


def joint_distance(real: pa.Table, other: pa.Table, names: tuple[str, ...]) -> float:
    """Total variation distance of the joint distribution of some columns."""
    shares: list[dict[tuple, float]] = []
    for rows in (real, other):
        keys = list(zip(*(rows[name].to_pylist() for name in names), strict=True))
        shares.append({key: keys.count(key) / len(keys) for key in set(keys)})
    keys = set(shares[0]) | set(shares[1])
    return sum(abs(shares[0].get(k, 0.0) - shares[1].get(k, 0.0)) for k in keys) / 2
