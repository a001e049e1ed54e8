"""From a configuration to a preset's recipe, and from its name to its sampler."""

from collections.abc import Mapping
from typing import Any

from clicksmith.config import PresetOptions
from clicksmith.config.presets import declared_presets
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import TrainingError
from clicksmith.generators.preset import Preset
from clicksmith.generators.recipe import Recipe, Sampler
from clicksmith.generators.tabular.rows import MemoryRows, Rows

PRESETS: Mapping[str, Preset[Any]] = {preset.name: preset for preset in declared_presets()}
"""By name, as `config.presets` finds them."""


def build_recipe(options: PresetOptions, seed: int, codec: TableCodec, data: Encoded) -> Recipe[Encoded]:
    """The recipe of a preset on encoded training rows in memory.

    Raises:
        TrainingError: there is no row, or no column `balance_by`.
    """
    if len(data) == 0:
        raise TrainingError(
            f"There is no row to train {options.preset} on.",
            "Ingest more data, or set features.cut_date later.",
        )
    preset = PRESETS[options.preset]
    rows = MemoryRows(data, codec.cardinalities, seed) if preset.streamed else data
    return preset.recipe(options, seed, codec, rows)


def build_streamed(options: PresetOptions, seed: int, codec: TableCodec, rows: Rows) -> Recipe[Encoded]:
    """The recipe of a preset that reads its rows batch by batch."""
    return PRESETS[options.preset].recipe(options, seed, codec, rows)


def build_sampler(preset: str, codec: TableCodec) -> Sampler[Encoded]:
    """A preset's sampler, its weights still to be loaded."""
    return PRESETS[preset].sampler(codec)


def check_config(name: str, options: PresetOptions, num_workers: int) -> None:
    """Refuse settings that a preset cannot follow, before anything is started.

    Raises:
        TrainingError: the batch does not divide.
    """
    batch_size = options.schedule.batch_size
    multiple = max(1, num_workers) * PRESETS[options.preset].batch_multiple(options)
    if hasattr(options, "batch_size") and batch_size % multiple:
        raise TrainingError(
            f"generators.{name}.batch_size is {batch_size}; {options.preset} on {num_workers} workers "
            f"needs a multiple of {multiple}.",
            f"Set it to {max(multiple, batch_size // multiple * multiple)}.",
        )
