"""seqgan: an LSTM over tokens, by likelihood, then policy gradients from a critic (Yu et al. 2017)."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clicksmith.generators.preset import Preset
from clicksmith.generators.sequence.presets._options import AVERAGE_DECAY, LIKELIHOOD_RATE, Game

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler

CRITIC_RATE, GENERATOR_RATE, WARM_STEPS = 1e-3, 1e-3, 20
"""The paper's code: 1e-4, 1e-2 and thousands of warm steps, for sequences of 5,000 tokens. A shop's tokens
are fewer, its network is larger."""


class Options(Game):
    """What can be set of it. As in the paper: 16 roll-outs, and the critic's filters.

    Theirs: embedding and hidden 32, batches of 64, likelihood for 120 epochs, then 200 steps of the game with
    15 updates of the critic each.
    """

    preset: Literal["seqgan"] = "seqgan"
    num_rollouts: int = Field(
        default=16, ge=1, description="completions of each beginning, by which the critic judges an event"
    )
    critic_steps: int = Field(default=3, ge=1, description="updates of the critic a step of the game")


def recipe(options: Options, seed: int, codec: Any, rows: Any) -> "Recipe[Any]":
    """It in training."""
    from clicksmith.generators.recipe import StepSettings
    from clicksmith.generators.sequence.games.seqgan import SeqGan, SeqGanOptions
    from clicksmith.generators.sequence.games.token_likelihood import Size
    from clicksmith.generators.sequence.rows import MemorySequences

    game = SeqGanOptions(
        likelihood_share=options.likelihood_share,
        warm_steps=WARM_STEPS,
        critic_steps=options.critic_steps,
        num_rollouts=options.num_rollouts,
        generator_rate=GENERATOR_RATE,
        critic_rate=CRITIC_RATE,
        size=Size(options.embedding, options.hidden, AVERAGE_DECAY),
    )
    settings = StepSettings.of(options, seed, LIKELIHOOD_RATE)
    return SeqGan(MemorySequences(rows, seed), codec, settings, game)


def sampler(codec: Any) -> "Sampler[Any]":
    """What is kept of it; its size is that of the weights."""
    from clicksmith.generators.sequence.games.sampling import TokenSampler

    return TokenSampler(codec)


PRESET = Preset(
    Options,
    "an LSTM over tokens, by likelihood, then policy gradients from a critic (Yu et al. 2017)",
    recipe,
    sampler,
    private=False,
    any_event=False,
)
