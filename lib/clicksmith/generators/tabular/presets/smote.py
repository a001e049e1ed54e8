"""smote: a control that interpolates between training rows (Chawla et al. 2002)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.presets._options import Counted

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Counted):
    """What can be set of it."""

    preset: Literal["smote"] = "smote"
    balance_by: str | None = Field(
        default=None, description="label that a row and its neighbours share; null: the first column"
    )


def recipe(options: Options, seed: int, codec: Any, data: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.tabular.conditions import subcolumn
    from clicksmith.generators.tabular.smote import Smote

    return Smote(data, codec, subcolumn(codec, options.balance_by) or 0)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.tabular.smote import NeighbourSampler

    return NeighbourSampler(codec)


PRESET = Preset(
    Options,
    "a control that interpolates between training rows (Chawla et al. 2002)",
    recipe,
    sampler,
    private=False,
    is_control=True,
)
