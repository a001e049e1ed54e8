"""tabular_ar: an autoregressive network, trained by likelihood in any order of the columns."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.presets._options import Streamed

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Streamed):
    """What can be set of it."""

    preset: Literal["tabular_ar"] = "tabular_ar"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It in training."""
    from clicksmith.generators.recipe import StepSettings
    from clicksmith.generators.tabular.autoregressive import LEARNING_RATE, Autoregressive
    from clicksmith.generators.tabular.rows import batches_of

    batches = batches_of(rows, codec.cardinalities, seed)
    return Autoregressive(batches, codec, StepSettings.of(options, seed, LEARNING_RATE))


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.tabular.autoregressive_network import AutoregressiveNetwork

    return AutoregressiveNetwork(codec)


PRESET = Preset(
    Options,
    "an autoregressive network, trained by likelihood in any order of the columns",
    recipe,
    sampler,
)
