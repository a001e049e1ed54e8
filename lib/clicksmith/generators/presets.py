"""From a configuration to a preset's recipe, and from its name to its sampler."""

from collections.abc import Mapping, Sized
from typing import Any

from clicksmith.config import PresetOptions
from clicksmith.config.presets import declared_presets
from clicksmith.errors import TrainingError
from clicksmith.generators.preset import Preset
from clicksmith.generators.recipe import Recipe

PRESETS: Mapping[str, Preset[Any]] = {preset.name: preset for preset in declared_presets()}
"""By name, as `config.presets` finds them."""


def build_recipe(options: PresetOptions, seed: int, codec: Any, rows: Any) -> Recipe[Any]:
    """The recipe of a preset on its training rows.

    Args:
        options: of the preset.
        seed: of the training.
        codec: that the kind's presets know, see `kind.Codec.core`.
        rows: a batch of all of them, or, of a preset that can stream, what reads them batch by batch.

    Raises:
        TrainingError: there is no row, or what an option names is not there.
    """
    if isinstance(rows, Sized) and len(rows) == 0:
        raise TrainingError(
            f"There is no row to train {options.preset} on.",
            "Ingest more data, or set features.cut_date later.",
        )
    return PRESETS[options.preset].recipe(options, seed, codec, rows)


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
