"""rsir: training sequences that a next-item model adds to where a rank check agrees (arXiv 2602.15659)."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import OfItems

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(OfItems):
    """What can be set of it."""

    preset: Literal["rsir"] = "rsir"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.sequence.counting.rsir import rsir

    return rsir(rows, codec, options.item_of(codec))


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.sequence.counting.rsir import RsirSampler

    return RsirSampler(codec)


PRESET = Preset(
    Options,
    "training sequences that a next-item model adds to where a rank check agrees (arXiv 2602.15659)",
    recipe,
    sampler,
    private=False,
    any_event=False,
)
