"""gan: a GAN with the loss of Goodfellow et al. (2014)."""

from typing import Literal

from clicksmith.generators.tabular.gan_shapes import GAN
from clicksmith.generators.tabular.presets._adversarial import Adversarial, preset_of


class Options(Adversarial):
    """What can be set of it."""

    preset: Literal["gan"] = "gan"


PRESET = preset_of(Options, GAN, "a GAN with the loss of Goodfellow et al. (2014)")
