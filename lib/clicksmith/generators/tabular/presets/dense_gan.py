"""dense_gan: a GAN of dense layers with the loss of Goodfellow et al. (2014)."""

from typing import Literal

from clicksmith.generators.tabular.gan_shapes import DENSE_GAN
from clicksmith.generators.tabular.presets._adversarial import Adversarial, preset_of


class Options(Adversarial):
    """What can be set of it."""

    preset: Literal["dense_gan"] = "dense_gan"


PRESET = preset_of(Options, DENSE_GAN, "a GAN of dense layers with the loss of Goodfellow et al. (2014)")
