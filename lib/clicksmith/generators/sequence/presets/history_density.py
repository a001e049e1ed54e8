"""history_density: a control that repeats what an owner, or others like it, had before (HoTPP's)."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import Counted

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Counted):
    """What can be set of it."""

    preset: Literal["history_density"] = "history_density"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It, fitted."""
    from clicksmith.generators.sequence.counting.history_density import history_density

    return history_density(rows, codec)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.sequence.counting.history_density import HistoryDensitySampler

    return HistoryDensitySampler(codec)


PRESET = Preset(
    Options,
    "a control that repeats what an owner, or others like it, had before (HoTPP's)",
    recipe,
    sampler,
    private=False,
    is_control=True,
)
