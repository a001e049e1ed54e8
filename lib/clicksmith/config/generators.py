"""Generators, what is drawn from them, and what of it is published."""

import math
from typing import Literal

from pydantic import Field, model_validator

from clicksmith.config.section import Section


class GeneratorConfig(Section):
    """One generator to train. `preset` chooses the model and its paper's recipe."""

    preset: Literal[
        "tabular_gan",
        "tabular_ar",
        "ctgan",
        "dense_gan",
        "gan",
        "wgan",
        "wgan_gp",
        "tvae",
        "independent",
        "smote",
    ]
    loss: Literal["gan", "wgan", "wgan_gp"] | None = Field(default=None, description="null: the preset's own")
    num_steps: int = Field(default=600, ge=1, description="optimizer steps of the generator")
    batch_size: int = Field(default=500, ge=2, description="global: over all workers")
    learning_rate: float | None = Field(default=None, gt=0, description="null: the preset's own")
    max_rows: int = Field(
        default=200_000,
        ge=100,
        description="rows to train on, chosen by hash of the example id; those of the held-out users are "
        "counted, but not shown",
    )
    memory_rows: int = Field(
        default=4_000_000,
        ge=100,
        description="rows that a worker may hold in memory; with a higher max_rows they are read from the "
        "table batch by batch",
    )
    min_users: int = Field(
        default=5, ge=1, description="a category or an extreme of fewer users is not learnt; 1 learns any"
    )
    checkpoint_every: int = Field(default=200, ge=1, description="steps")
    mixed_precision: bool = Field(
        default=True,
        description="bfloat16 where the device multiplies it faster; false: on any number of workers the "
        "same weights up to rounding",
    )
    # Measures against mode collapse, of the adversarial presets.
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
        description="label column whose values are trained on equally often; samples keep the true shares. "
        "For smote: the label that neighbours share; null: the first column",
    )
    max_rollbacks: int = Field(
        default=3, ge=0, description="returns to the last good checkpoint after a collapse; 0: never"
    )


Scalar = bool | int | float | str


class RangeConfig(Section):
    """Numbers from `min` to `max`, both included; null leaves that side open."""

    min: float | None = None
    max: float | None = None

    @property
    def lowest(self) -> float:
        """The lower end."""
        return -math.inf if self.min is None else self.min

    @property
    def highest(self) -> float:
        """The upper end."""
        return math.inf if self.max is None else self.max


class MixConfig(Section):
    """A group of synthetic rows, e.g. ``{share: 0.6, where: {label_purchase: true, item_brand: [a, b]}}``."""

    share: float = Field(gt=0, le=1, description="of all synthetic rows")
    where: dict[str, Scalar | tuple[Scalar | None, ...] | RangeConfig | None] = Field(
        min_length=1, description="column: a value, a list of values, or {min: .., max: ..}; all must hold"
    )


class SynthesisConfig(Section):
    """What the writer materialises, for every generator."""

    ratio: float = Field(
        default=0.5, gt=0, description="synthetic rows a real training row that generators saw"
    )
    mix: tuple[MixConfig, ...] = Field(
        default=(),
        description="groups with their shares; rows of no group share the rest. Empty: as in the data",
    )

    @model_validator(mode="after")
    def _shares_fit(self) -> "SynthesisConfig":
        if sum(group.share for group in self.mix) > 1 + 1e-9:
            raise ValueError("the shares of 'mix' must not exceed 1 in all")
        return self


class GateConfig(Section):
    """Bounds that synthetic samples must keep before they are published."""

    min_shapes: float = Field(default=0.8, ge=0, le=1)
    min_pairs: float = Field(default=0.7, ge=0, le=1)
    min_triples: float = Field(default=0.5, ge=0, le=1)
    min_label_ratio: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="rate of a label, synthetic over real or the other way round, of the worst one that "
        "enough have to tell it from chance",
    )
    max_c2st_auc: float = Field(default=0.99, ge=0.5, le=1)
    min_entropy_ratio: float = Field(
        default=0.8, ge=0, description="of categories, synthetic over real, mean over columns"
    )
    min_mode_share: float = Field(
        default=0.8, ge=0, le=1, description="share of frequent real values and pairs of values generated"
    )
    max_utility_loss: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="AUC that trees lose by training on synthetic instead of real rows",
    )
    min_holdout_users: int = Field(
        default=30,
        ge=4,
        description="users held out, or rows where the log knows none: fewer cannot show a leak",
    )
    max_dcr_share: float = Field(
        default=0.6, ge=0, le=1, description="share closer to training than to holdout rows"
    )
    min_nndr_ratio: float = Field(
        default=0.5,
        ge=0,
        description="nearest over second-nearest distance, low quantile, training over holdout",
    )
    max_membership_auc: float = Field(
        default=0.6, ge=0.5, le=1, description="of an attack that guesses which real rows were trained on"
    )
    max_domias_auc: float = Field(
        default=0.6, ge=0.5, le=1, description="of the same by DOMIAS' ratio of densities"
    )
    max_user_auc: float = Field(
        default=0.65, ge=0.5, le=1, description="of an attack that guesses which users were trained on"
    )
    max_domias_tpr: float = Field(
        default=0.05, ge=0, le=1, description="training rows that it finds at 1 % false positives"
    )
    max_identical_excess: float = Field(
        default=0.02, ge=0, le=1, description="identical-match share above that of holdout rows"
    )
    max_heldout_gap_nats: float | None = Field(
        default=2.0, ge=0, description="held-out less training loss a row of a likelihood model; null: any"
    )
    max_rows: int = Field(default=20_000, ge=100, description="rows sampled a side for fidelity figures")
    max_reference_rows: int = Field(
        default=100_000, ge=100, description="rows a side searched for leaks of training rows"
    )
