"""ctgan: a conditional GAN for tables (Xu et al. 2019)."""

from typing import Literal

from clicksmith.generators.tabular.gan_shapes import CTGAN
from clicksmith.generators.tabular.presets._adversarial import Adversarial, preset_of


class Options(Adversarial):
    """What can be set of it."""

    preset: Literal["ctgan"] = "ctgan"


PRESET = preset_of(Options, CTGAN, "a conditional GAN for tables (Xu et al. 2019)")
