"""graph_walk: random walks on a cleaned graph of the items (arXiv 2602.07298)."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import OfItems

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(OfItems):
    """What can be set of it."""

    preset: Literal["graph_walk"] = "graph_walk"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.sequence.counting.graph_walk import graph_walk

    return graph_walk(rows, codec, options.item_of(codec))


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.sequence.counting.graph_walk import GraphWalkSampler

    return GraphWalkSampler(codec)


PRESET = Preset(
    Options,
    "random walks on a cleaned graph of the items (arXiv 2602.07298)",
    recipe,
    sampler,
    private=False,
)
