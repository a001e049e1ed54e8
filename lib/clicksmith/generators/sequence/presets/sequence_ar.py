"""sequence_ar: an autoregressive network over owners and their events, trained by likelihood."""

from typing import TYPE_CHECKING, Any, Literal

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import Trained

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Options(Trained):
    """What can be set of it."""

    preset: Literal["sequence_ar"] = "sequence_ar"


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It in training."""
    from clicksmith.generators.recipe import StepSettings
    from clicksmith.generators.sequence.autoregressive.sequence_ar import (
        LEARNING_RATE,
        SequenceAutoregressive,
    )
    from clicksmith.generators.sequence.rows import MemorySequences

    settings = StepSettings.of(options, seed, LEARNING_RATE)
    return SequenceAutoregressive(MemorySequences(rows, seed), codec, settings)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it."""
    from clicksmith.generators.sequence.autoregressive.sampling import SequenceNetwork

    return SequenceNetwork(codec)


PRESET = Preset(
    Options,
    "an autoregressive network over owners and their events, trained by likelihood in both directions",
    recipe,
    sampler,
)
