"""markov: a chain of the items, of order 1 or 2, with the back-off of Witten and Bell (1991)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import OfItems

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(OfItems):
    """What can be set of it."""

    preset: Literal["markov"] = "markov"
    order: Literal[1, 2] = Field(default=2, description="events that the next one depends on")


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.sequence.counting.markov import markov

    return markov(rows, codec, options.item_of(codec), options.order)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.sequence.counting.markov import MarkovSampler

    return MarkovSampler(codec)


PRESET = Preset(
    Options,
    "a chain of the items, of order 1 or 2, with the back-off of Witten and Bell (1991)",
    recipe,
    sampler,
    private=False,
    is_control=True,
)
