"""tvae: a variational autoencoder for tables (Xu et al. 2019)."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.presets._options import Trained

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Trained):
    """What can be set of it."""

    preset: Literal["tvae"] = "tvae"


def recipe(options: Options, seed: int, codec: Any, data: Any) -> "Recipe[Any]":
    """It in training."""
    from clicksmith.generators.recipe import StepSettings
    from clicksmith.generators.tabular.tvae import LEARNING_RATE, Variational

    return Variational(data, codec, StepSettings.of(options, seed, LEARNING_RATE))


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.tabular.tvae import Decoder

    return Decoder(codec)


PRESET = Preset(Options, "a variational autoencoder for tables (Xu et al. 2019)", recipe, sampler)
