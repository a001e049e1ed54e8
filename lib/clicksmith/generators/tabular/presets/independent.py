"""independent: a control that draws each column by itself."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.presets._options import Counted

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Counted):
    """What can be set of it."""

    preset: Literal["independent"] = "independent"


def recipe(options: Options, seed: int, codec: Any, data: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.tabular.independent import Independent

    return Independent(data, codec)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.tabular.independent import IndependentSampler

    return IndependentSampler(codec)


PRESET = Preset(Options, "a control that draws each column by itself", recipe, sampler, is_control=True)
