"""The adversarial presets as values: widths, losses and the recipe of each one's paper.

`gan` departs from its paper where the paper's parts are no longer in use: Adam (as in Radford et al.
2016) for momentum, leaky ReLU for maxout and dropout. The Wasserstein presets keep their papers'
optimizers, rates, critic steps and widths (512 a layer); layer norm takes the place of batch norm.
"""

from dataclasses import dataclass
from typing import Literal

Loss = Literal["gan", "wgan", "wgan_gp"]

AVERAGE_DECAY = 0.99
WEIGHT_LIMIT = 0.01
"""Critic weights stay in [-WEIGHT_LIMIT, WEIGHT_LIMIT] under the loss `wgan` (Arjovsky et al. 2017)."""


@dataclass(frozen=True)
class Shape:
    """What distinguishes the adversarial presets.

    Attributes:
        noise: width of z.
        generator: widths of its hidden layers.
        critic: widths of its hidden layers.
        residual: whether each generator layer's input is concatenated to its output.
        conditional: whether rows are conditioned on one of their modes.
        packing: rows that the critic judges together (Lin et al. 2018).
        loss: unless the configuration says otherwise.
        learning_rate: unless the configuration says otherwise.
        betas: of Adam; None for RMSprop.
        critic_steps: updates of the critic for one of the generator.
        norm: whether generator layers are normalised.
        average: decay of the moving average of weights to sample from; 0 samples from the last ones.
        decay: whether rates fall over the second half of the steps.
        gradient_clip: largest norm of a network's gradient, or None.
        adaptive: whether the rate of the network that is winning is lowered.
    """

    noise: int
    generator: tuple[int, ...]
    critic: tuple[int, ...]
    residual: bool
    conditional: bool
    packing: int
    loss: Loss
    learning_rate: float
    betas: tuple[float, float] | None
    critic_steps: int = 1
    norm: bool = True
    average: float = AVERAGE_DECAY
    decay: bool = True
    gradient_clip: float | None = None
    adaptive: bool = False


CTGAN = Shape(128, (256, 256), (256, 256), True, True, 10, "wgan_gp", 1e-3, (0.5, 0.9))
"""Xu et al. 2019, at a rate for fewer steps and with averaged weights; see EXPERIMENTS.md."""

DENSE_GAN = Shape(
    100, (128, 256, 512, 1024, 2048), (128, 256, 512, 1024), False, False, 1, "gan", 2e-4, (0.5, 0.999)
)
"""The article's dense networks."""

GAN = Shape(
    noise=100,
    generator=(256, 256),
    critic=(256, 256),
    residual=False,
    conditional=False,
    packing=1,
    loss="gan",
    learning_rate=2e-4,
    betas=(0.5, 0.999),
    norm=False,
    average=0.0,
    decay=False,
)
"""Goodfellow et al. 2014: one critic step, the non-saturating loss, nothing against collapse."""

WGAN = Shape(
    noise=100,
    generator=(512, 512, 512, 512),
    critic=(512, 512, 512, 512),
    residual=False,
    conditional=False,
    packing=1,
    loss="wgan",
    learning_rate=5e-5,
    betas=None,
    critic_steps=5,
    norm=False,
    average=0.0,
    decay=False,
)
"""Arjovsky et al. 2017: RMSprop, clipped critic weights, five critic steps."""

WGAN_GP = Shape(
    noise=128,
    generator=(512, 512, 512),
    critic=(512, 512, 512),
    residual=False,
    conditional=False,
    packing=1,
    loss="wgan_gp",
    learning_rate=1e-4,
    betas=(0.0, 0.9),
    critic_steps=5,
    average=0.0,
    decay=False,
)
"""Gulrajani et al. 2017: a gradient penalty in place of clipped weights."""

SHAPES = {"ctgan": CTGAN, "dense_gan": DENSE_GAN, "gan": GAN, "wgan": WGAN, "wgan_gp": WGAN_GP}
