"""From a configuration to a preset's recipe, and from its name to its sampler."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

from clicksmith.config import GeneratorConfig
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import TrainingError
from clicksmith.generators.recipe import Recipe, Sampler, StepSettings
from clicksmith.generators.tabular import (
    autoregressive,
    gan,
    gan_networks,
    independent,
    smote,
    tabular_gan,
    tvae,
)
from clicksmith.generators.tabular.autoregressive_network import AutoregressiveNetwork
from clicksmith.generators.tabular.gan_shapes import AVERAGE_DECAY, SHAPES, Shape
from clicksmith.generators.tabular.rows import MemoryRows, Rows

PRESETS: tuple[str, ...] = get_args(GeneratorConfig.model_fields["preset"].annotation)

_DEFAULT_RATES = {
    "tabular_ar": autoregressive.LEARNING_RATE,
    "tabular_gan": autoregressive.LEARNING_RATE,
    "tvae": tvae.LEARNING_RATE,
    **{preset: shape.learning_rate for preset, shape in SHAPES.items()},
}
_SAMPLERS: dict[str, Callable[[TableCodec], Sampler[Encoded]]] = {
    "tabular_ar": AutoregressiveNetwork,
    "tabular_gan": AutoregressiveNetwork,
    "tvae": tvae.Decoder,
    "independent": independent.IndependentSampler,
    "smote": smote.NeighbourSampler,
}
ADVERSARIAL_OPTIONS = ("loss", "packing", "gradient_clip", "adaptive_rates", "average_weights")
"""Settings that the adversarial presets alone can follow."""


STREAMED = ("tabular_ar", "tabular_gan")
"""Presets that read their rows batch by batch, and so from tables larger than memory."""


def build_recipe(config: GeneratorConfig, seed: int, codec: TableCodec, data: Encoded) -> Recipe[Encoded]:
    """The recipe of a preset on encoded training rows in memory.

    Raises:
        TrainingError: there is no row, or no column `balance_by`.
    """
    if len(data) == 0:
        raise TrainingError(
            f"There is no row to train {config.preset} on.",
            "Ingest more data, or set features.cut_date later.",
        )
    if config.preset in STREAMED:
        return build_streamed(config, seed, codec, MemoryRows(data, codec.cardinalities, seed))
    balanced = _subcolumn(codec, config.balance_by)
    settings = _settings(config, seed)
    if config.preset in SHAPES:
        shape = shape_of(config)
        return gan.Adversarial(data, codec, shape, shape.loss, settings, balanced)
    recipes: dict[str, Callable[[], Recipe[Encoded]]] = {
        "tvae": lambda: tvae.Variational(data, codec, settings),
        "independent": lambda: independent.Independent(data, codec),
        "smote": lambda: smote.Smote(data, codec, balanced or 0),
    }
    return recipes[config.preset]()


def build_streamed(config: GeneratorConfig, seed: int, codec: TableCodec, rows: Rows) -> Recipe[Encoded]:
    """The recipe of one of `STREAMED`."""
    recipe = tabular_gan.TabularGan if config.preset == "tabular_gan" else autoregressive.Autoregressive
    return recipe(rows, codec, _settings(config, seed))


def _settings(config: GeneratorConfig, seed: int) -> StepSettings:
    rate = config.learning_rate or _DEFAULT_RATES.get(config.preset, 0.0)
    return StepSettings(seed, config.num_steps, config.batch_size, rate, config.mixed_precision)


def shape_of(config: GeneratorConfig) -> Shape:
    """An adversarial preset's shape, with all that the configuration changes of it."""
    shape = SHAPES[config.preset]
    average = shape.average
    if config.average_weights is not None:
        average = AVERAGE_DECAY if config.average_weights else 0.0
    return replace(
        shape,
        loss=config.loss or shape.loss,
        packing=config.packing or shape.packing,
        average=average,
        gradient_clip=config.gradient_clip,
        adaptive=config.adaptive_rates,
    )


def build_sampler(preset: str, codec: TableCodec) -> Sampler[Encoded]:
    """A preset's sampler, its weights still to be loaded."""
    if preset in SHAPES:
        return gan_networks.GeneratorNetwork(codec, SHAPES[preset])
    return _SAMPLERS[preset](codec)


def check_config(name: str, config: GeneratorConfig, num_workers: int) -> None:
    """Refuse settings that a preset cannot follow, before anything is started.

    Raises:
        TrainingError: the batch does not divide, or a setting is of another kind of preset.
    """
    adversarial = config.preset in SHAPES
    multiple = max(1, num_workers) * (shape_of(config).packing if adversarial else 1)
    if config.batch_size % multiple:
        raise TrainingError(
            f"generators.{name}.batch_size is {config.batch_size}; {config.preset} on {num_workers} workers "
            f"needs a multiple of {multiple}.",
            f"Set it to {max(multiple, config.batch_size // multiple * multiple)}.",
        )
    if config.preset not in STREAMED and config.max_rows > config.memory_rows:
        raise TrainingError(
            f"generators.{name}.max_rows is {config.max_rows:,}, but {config.preset} holds its rows "
            f"in memory, where memory_rows allows {config.memory_rows:,}.",
            f"Lower max_rows, raise memory_rows, or choose one of {', '.join(STREAMED)}.",
        )
    if adversarial:
        return
    for option in ADVERSARIAL_OPTIONS:
        value = getattr(config, option)
        if value is not None and (option, value) != ("adaptive_rates", False):
            raise TrainingError(
                f"generators.{name}.{option} is {value!r}, but {config.preset} has no adversarial loss.",
                "Leave it out.",
            )
    if config.balance_by is not None and config.preset != "smote":
        raise TrainingError(
            f"generators.{name}.balance_by is {config.balance_by!r}, but {config.preset} does not balance.",
            f"Leave it out, or choose one of {', '.join([*SHAPES, 'smote'])}.",
        )


def _subcolumn(codec: TableCodec, name: str | None) -> int | None:
    """The (first) sub-column of a column."""
    if name is not None and name not in codec.names:
        raise TrainingError(
            f"balance_by is {name!r}, which is no column of the training rows: {', '.join(codec.names)}.",
            "Name one of them.",
        )
    return None if name is None else codec.slots[codec.names.index(name)].start
