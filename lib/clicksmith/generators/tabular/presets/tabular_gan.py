"""tabular_gan: an autoregressive network, trained by likelihood and then in a game against a critic."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.presets._options import Streamed

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Streamed):
    """What can be set of it."""

    preset: Literal["tabular_gan"] = "tabular_gan"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It in training."""
    from clicksmith.generators.recipe import StepSettings
    from clicksmith.generators.tabular.autoregressive import LEARNING_RATE
    from clicksmith.generators.tabular.rows import batches_of
    from clicksmith.generators.tabular.tabular_gan import TabularGan

    batches = batches_of(rows, codec.cardinalities, seed)
    return TabularGan(batches, codec, StepSettings.of(options, seed, LEARNING_RATE))


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.tabular.autoregressive_network import AutoregressiveNetwork

    return AutoregressiveNetwork(codec)


PRESET = Preset(
    Options,
    "an autoregressive network, trained by likelihood and then in a game against a critic",
    recipe,
    sampler,
)
