"""wgan_gp: a Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017)."""

from typing import Literal

from clicksmith.generators.tabular.gan_shapes import WGAN_GP
from clicksmith.generators.tabular.presets._adversarial import Adversarial, preset_of


class Options(Adversarial):
    """What can be set of it."""

    preset: Literal["wgan_gp"] = "wgan_gp"


PRESET = preset_of(Options, WGAN_GP, "a Wasserstein GAN with a gradient penalty (Gulrajani et al. 2017)")
