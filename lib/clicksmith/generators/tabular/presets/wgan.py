"""wgan: a Wasserstein GAN with clipped weights (Arjovsky et al. 2017)."""

from typing import Literal

from clicksmith.generators.tabular.gan_shapes import WGAN
from clicksmith.generators.tabular.presets._adversarial import Adversarial, preset_of


class Options(Adversarial):
    """What can be set of it."""

    preset: Literal["wgan"] = "wgan"


PRESET = preset_of(Options, WGAN, "a Wasserstein GAN with clipped weights (Arjovsky et al. 2017)")
