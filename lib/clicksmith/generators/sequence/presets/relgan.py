"""relgan: an LSTM over tokens, by likelihood, then a game against a relativistic critic (Nie et al. 2019)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import AVERAGE_DECAY, LIKELIHOOD_RATE, Game

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler

NUM_FILTERS = 30
"""Of each width; 300 in the paper. A hundred cost seven times as much as these."""


class Options(Game):
    """What can be set of it. As in the paper: the temperature, 64 views, 5 updates of the critic.

    Theirs: embedding and hidden 32, batches of 64, likelihood for 150 epochs, then 5,000 steps of the game.
    """

    preset: Literal["relgan"] = "relgan"
    temperature: float = Field(
        default=100.0,
        ge=1,
        description="inverse one at the end of the game, where the critic sees single codes",
    )
    critic_steps: int = Field(default=5, ge=1, description="updates of the critic a step of the game")


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It in training."""
    from clicksmith.generators.recipe import StepSettings
    from clicksmith.generators.sequence.games.relgan import RelGan, RelGanOptions
    from clicksmith.generators.sequence.games.token_likelihood import Size
    from clicksmith.generators.sequence.rows import MemorySequences

    game = RelGanOptions(
        likelihood_share=options.likelihood_share,
        critic_steps=options.critic_steps,
        temperature=options.temperature,
        num_filters=NUM_FILTERS,
        size=Size(options.embedding, options.hidden, AVERAGE_DECAY),
    )
    settings = StepSettings.of(options, seed, LIKELIHOOD_RATE)
    return RelGan(MemorySequences(rows, seed), codec, settings, game)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it; its size is that of the weights."""
    from clicksmith.generators.sequence.games.sampling import TokenSampler

    return TokenSampler(codec)


PRESET = Preset(
    Options,
    "an LSTM over tokens, by likelihood, then a game against a relativistic critic (Nie et al. 2019)",
    recipe,
    sampler,
    private=False,
    any_event=False,
)
