"""What the adversarial presets of `gan_shapes` share."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from clicksmith.generators.preset import Preset
from clicksmith.generators.tabular.gan_shapes import AVERAGE_DECAY, Shape
from clicksmith.generators.tabular.presets._options import Trained

if TYPE_CHECKING:
    from clicksmith.generators.recipe import Recipe, Sampler


class Adversarial(Trained):
    """Options of two networks that play against each other, with the measures against mode collapse."""

    loss: Literal["gan", "wgan", "wgan_gp"] | None = Field(default=None, description="null: the preset's own")
    packing: int | None = Field(
        default=None, ge=1, description="rows that the critic judges together; null: the preset's own"
    )
    gradient_clip: float | None = Field(
        default=None, gt=0, description="largest norm of a network's gradient; null: unlimited"
    )
    adaptive_rates: bool = Field(
        default=False, description="lower the learning rate of the network that is winning"
    )
    average_weights: bool | None = Field(
        default=None, description="sample from a moving average of the weights; null: the preset's own"
    )
    balance_by: str | None = Field(
        default=None,
        description="label column whose values are trained on equally often; samples keep the true shares",
    )

    def changed(self, shape: Shape) -> Shape:
        """A preset's shape, with all that is set of it."""
        average = shape.average
        if self.average_weights is not None:
            average = AVERAGE_DECAY if self.average_weights else 0.0
        return replace(
            shape,
            loss=self.loss or shape.loss,
            packing=self.packing or shape.packing,
            average=average,
            gradient_clip=self.gradient_clip,
            adaptive=self.adaptive_rates,
        )


def preset_of(options: type[Adversarial], shape: Shape, about: str) -> Preset[Adversarial]:
    """The preset of a shape."""

    def recipe(options: Adversarial, seed: int, codec: Any, data: Any) -> "Recipe[Any]":
        from clicksmith.generators.recipe import StepSettings
        from clicksmith.generators.tabular.conditions import subcolumn
        from clicksmith.generators.tabular.gan import Adversarial as Game

        mine = options.changed(shape)
        settings = StepSettings.of(options, seed, shape.learning_rate)
        return Game(data, codec, mine, mine.loss, settings, subcolumn(codec, options.balance_by))

    def sampler(codec: Any) -> "Sampler[Any]":
        from clicksmith.generators.tabular.gan_networks import GeneratorNetwork

        return GeneratorNetwork(codec, shape)

    return Preset(options, about, recipe, sampler, lambda options: options.changed(shape).packing)
