"""most_popular: a control that draws each event by itself, by its frequency."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import Counted

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Counted):
    """What can be set of it."""

    preset: Literal["most_popular"] = "most_popular"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.sequence.counting.most_popular import most_popular

    return most_popular(rows, codec)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.sequence.counting.most_popular import MostPopularSampler

    return MostPopularSampler(codec)


PRESET = Preset(
    Options,
    "a control that draws each event by itself, by its frequency",
    recipe,
    sampler,
    private=False,
    is_control=True,
)
