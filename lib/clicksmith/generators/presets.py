"""From a configuration to a preset's recipe, and from its name to its sampler."""

from clicksmith.config import GeneratorConfig
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import TrainingError
from clicksmith.generators import autoregressive, gan, gan_networks
from clicksmith.generators.autoregressive_network import AutoregressiveNetwork
from clicksmith.generators.recipe import Recipe, Sampler, StepSettings

_SHAPES = {"ctgan": gan_networks.CTGAN, "dense_gan": gan_networks.DENSE_GAN}


def build_recipe(config: GeneratorConfig, seed: int, codec: TableCodec, data: Encoded) -> Recipe:
    """The recipe of a preset on encoded training rows."""
    shape = _SHAPES.get(config.preset)
    default_rate = shape.learning_rate if shape else autoregressive.LEARNING_RATE
    settings = StepSettings(seed, config.num_steps, config.batch_size, config.learning_rate or default_rate)
    if shape is None:
        return autoregressive.Autoregressive(data, codec, settings)
    return gan.Adversarial(data, codec, shape, config.loss or shape.loss, settings)


def build_sampler(preset: str, codec: TableCodec) -> Sampler:
    """A preset's sampler, its weights still to be loaded."""
    shape = _SHAPES.get(preset)
    return (
        gan_networks.GeneratorNetwork(codec, shape)
        if shape
        else AutoregressiveNetwork(codec)
    )


def check_config(name: str, config: GeneratorConfig, num_workers: int) -> None:
    """Refuse settings that a preset cannot follow, before anything is started.

    Raises:
        TrainingError: the batch does not divide, or a likelihood preset is given an adversarial loss.
    """
    shape = _SHAPES.get(config.preset)
    multiple = max(1, num_workers) * (shape.packing if shape else 1)
    if config.batch_size % multiple:
        raise TrainingError(
            f"generators.{name}.batch_size is {config.batch_size}; {config.preset} on {num_workers} workers "
            f"needs a multiple of {multiple}.",
            f"Set it to {max(multiple, config.batch_size // multiple * multiple)}.",
        )
    if shape is None and config.loss is not None:
        raise TrainingError(
            f"generators.{name}.loss is {config.loss!r}, but tabular_ar has no adversarial loss.",
            "Leave it out.",
        )
