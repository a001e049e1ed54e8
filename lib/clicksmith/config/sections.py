"""The sections of a configuration about engines and models. Defaults are those of a laptop."""

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class Section(BaseModel):
    """Base of all sections: unknown keys are errors, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LakeConfig(Section):
    """Where the tables lie."""

    root: str = Field(default=".lake/demo", description="root URI: a local path, s3a://, abfss:// or gs://")
    catalog: str | None = Field(
        default=None, description="catalog to address tables by name in, instead of by path"
    )


class SparkConfig(Section):
    """The Spark session. ``spark-submit``'s own settings win where both are given."""

    master: str | None = Field(default=None, description="null leaves it to spark-submit")
    driver_memory: str = "2g"
    shuffle_partitions: int = Field(default=8, ge=1)
    rows_per_partition: int = Field(
        default=1_000_000, ge=1, description="of the shuffles by user that clean events and build examples"
    )
    rows_per_synthesis_task: int = Field(
        default=250_000, ge=1, description="of the writer of synthetic samples; fewer where cores would idle"
    )
    extra: dict[str, str] = Field(default_factory=dict, description="any other spark.* setting")

    def partitions_for(self, num_rows: int) -> int:
        """Partitions of a shuffle by user."""
        return max(self.shuffle_partitions, -(-num_rows // self.rows_per_partition))

    @property
    def rows_at_once(self) -> int:
        """That a worker holds in memory; a partition of more goes by way of the disk."""
        return 2 * self.rows_per_partition


class RayConfig(Section):
    """The Ray cluster and the size of a training run."""

    address: str | None = Field(default=None, description="null starts a local cluster; 'auto' joins one")
    num_cpus: int = Field(default=2, ge=1, description="of the local cluster")
    num_workers: int = Field(
        default=2,
        ge=0,
        description="data-parallel workers; 0 trains in this process. Another number may end what one began",
    )
    use_gpu: bool = Field(default=False, description="for recommenders; generators train on CPUs")
    mixed_precision: Literal["gpu", "always", "never"] = Field(
        default="gpu", description="whether recommenders' products are of bfloat16 in training; gpu: on those"
    )
    start_timeout: int = Field(
        default=600, ge=1, description="seconds that the workers may take to start, new nodes included"
    )
    storage_path: str | None = Field(
        default=None, description="runs and models; null: ROOT/_models in the lake"
    )


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
        default=200_000, ge=100, description="rows to train on, chosen by hash of the example id"
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


Label = Literal["label_click", "label_cart", "label_purchase"]


class RankerConfig(Section):
    """The conversion ranker."""

    model: Literal["logistic", "deepfm", "dcnv2", "din"] = "dcnv2"
    label: Label = "label_purchase"
    auxiliary_labels: tuple[Label, ...] = Field(
        default=(), description="learnt beside the label by the same layers, to help where it is rare"
    )
    num_steps: int = Field(default=800, ge=1)
    batch_size: int = Field(default=1024, ge=2, description="global: over all workers")
    learning_rate: float = Field(default=1e-3, gt=0)
    embedding_dim: int = Field(default=8, ge=1)
    weighted: bool = Field(
        default=False, description="train on rows weighted by 1 / propensity: as if nothing had been left out"
    )
    oov_buckets: int = Field(
        default=0,
        ge=0,
        description="embeddings that items outside the vocabulary share by hash; 0: one for all",
    )
    max_rows: int = Field(default=400_000, ge=100)
    max_test_rows: int = Field(default=100_000, ge=100)
    history_length: int = Field(default=20, ge=1, description="newest items that din looks at")
    max_feature_auc: float = Field(
        default=0.995, gt=0.5, le=1, description="a feature that alone ranks better is taken for a leak"
    )

    @model_validator(mode="after")
    def _auxiliary_labels_help(self) -> "RankerConfig":
        if self.label in self.auxiliary_labels or len(set(self.auxiliary_labels)) < len(
            self.auxiliary_labels
        ):
            raise ValueError("'auxiliary_labels' must be other labels than 'label', each of them once")
        if self.auxiliary_labels and self.model == "logistic":
            raise ValueError("'auxiliary_labels' need layers to share: 'model' must not be 'logistic'")
        return self


Augmentation = Literal[
    "none", "sliding", "prefix", "subset", "reppad", "crop", "mask", "reorder", "insert", "substitute"
]
"""Ways to see a training sequence otherwise; see recommenders/augmentation.py."""


EventFeature = Literal["type", "gap"]
UserFeature = Literal["age_band", "gender", "income_band", "household"]


class SequentialConfig(Section):
    """The next-item model."""

    model: Literal["sasrec", "bert4rec", "gru4rec", "two_tower"] = "sasrec"
    loss: Literal["sampled_softmax", "cross_entropy", "gbce"] = Field(
        default="sampled_softmax",
        description="cross_entropy ranks all items at each position: small catalogues",
    )
    num_steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=128, ge=2, description="global: over all workers")
    learning_rate: float = Field(default=3e-3, gt=0)
    embedding_dim: int = Field(default=64, ge=1)
    num_blocks: int = Field(default=1, ge=1)
    num_heads: int = Field(default=1, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    max_length: int = Field(default=50, ge=2)
    num_negatives: int = Field(default=256, ge=1)
    negatives_exponent: float = Field(
        default=1.0, ge=0, le=1, description="items are drawn by popularity to this power; 0: all alike"
    )
    in_batch_negatives: int = Field(
        default=0, ge=0, description="targets of the same batch that are negatives too, beside num_negatives"
    )
    mask_fraction: float = Field(
        default=0.2, gt=0, le=1, description="share of a sequence that bert4rec has to guess in training"
    )
    horizon: int = Field(default=20, ge=1, description="a target is one of so many later events")
    num_validations: int = Field(default=4, ge=1, description="evenly spaced; the best weights are kept")
    patience: int | None = Field(
        default=None, ge=1, description="training ends after so many validations without a better one"
    )
    item_attributes: tuple[Literal["category", "subcategory", "brand", "price_band"], ...] = Field(
        default=(),
        description="of gold.item_profiles, added to the vectors of the items; price_band: fifths by price",
    )
    augmentations: tuple[Augmentation, ...] = Field(
        default=(), description="each training sequence is changed by one of them, drawn evenly"
    )
    augmentation_rate: float = Field(
        default=0.2, gt=0, lt=1, description="share of a sequence that such a change concerns"
    )
    event_features: tuple[EventFeature, ...] = Field(
        default=(),
        description="of each event, added to its item's vector: click, cart or purchase; time since the last",
    )
    user_features: tuple[UserFeature, ...] = Field(
        default=(),
        description="of gold.user_profiles, added to the vectors of each of the user's events: only what is "
        "known before any event; its other columns count what training has to guess",
    )
    max_items: int = Field(
        default=32_768, ge=1, description="items with a vector of their own, the most frequent ones"
    )
    shard_items: bool = Field(
        default=False,
        description="each worker trains a part of the items' vectors: for tables too large for each of them",
    )
    filter_viewed: bool = Field(
        default=False, description="recommend only what a user has not taken before: where nobody buys again"
    )

    @field_validator("item_attributes", "event_features", "user_features")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("each of them may be named once")
        return names

    @model_validator(mode="after")
    def _sharded_items_are_sampled(self) -> "SequentialConfig":
        if self.shard_items and self.loss == "cross_entropy":
            raise ValueError(
                "'shard_items' needs a 'loss' of sampled items: cross_entropy asks for all of them"
            )
        return self


class SearchConfig(Section):
    """The search model: queries and texts of products."""

    model: Literal["two_tower", "cross_encoder"] = Field(
        default="two_tower",
        description="two_tower encodes texts once; cross_encoder reads each pair: better, far slower",
    )
    start: Literal["scratch", "minilm"] = Field(
        default="scratch", description="minilm: from the pre-trained encoder of the extra 'search'"
    )
    num_steps: int = Field(default=300, ge=1)
    batch_size: int = Field(default=64, ge=2, description="global: over all workers")
    learning_rate: float = Field(default=1e-3, gt=0, description="5e-5 suits minilm")
    num_validations: int = Field(default=4, ge=1)
    patience: int | None = Field(default=None, ge=1)
    dim: int = Field(default=64, ge=4)
    num_blocks: int = Field(default=2, ge=1)
    num_heads: int = Field(default=2, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    num_pieces: int = Field(default=8000, ge=100, description="word pieces, learnt from training texts")
    max_query_tokens: int = Field(default=16, ge=3)
    max_text_tokens: int = Field(default=64, ge=3)
    max_pairs: int = Field(default=200_000, ge=10, description="of training, by hash of the query")


class ScoringConfig(Section):
    """Lists of recommendations for all users."""

    num_items: int = Field(default=20, ge=1, description="items a user")
    approximate: bool = Field(
        default=False, description="by an index of nearest neighbours (extra 'nearest'): large catalogues"
    )


class ArmConfig(Section):
    """One arm of a lift measurement."""

    kind: Literal["none", "duplicate", "oversample_tail", "synthetic"]
    generator: str | None = Field(default=None, description="for kind synthetic: its name under generators")
    ratio: float = Field(default=0.0, ge=0, description="added rows a real row")
    weight: float = Field(
        default=1.0, gt=0, description="of an added row in the loss, where a real one has 1"
    )
    share_of_steps: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="a curriculum: added rows in the first steps, then real ones alone",
    )

    @model_validator(mode="after")
    def _synthetic_needs_generator(self) -> "ArmConfig":
        if (self.kind == "synthetic") != (self.generator is not None):
            raise ValueError("'generator' must be given for kind 'synthetic' and for no other kind")
        if (self.kind == "none") != (self.ratio == 0.0):
            raise ValueError("'ratio' must be above 0, and be left out for kind 'none'")
        return self


class LiftConfig(Section):
    """The measurement of what augmentation gives."""

    arms: dict[str, ArmConfig] = Field(default_factory=lambda: {"none": ArmConfig(kind="none")})
    num_seeds: int = Field(default=3, ge=1)
    num_steps: int = Field(default=400, ge=1, description="optimizer steps, equal for every arm")
    max_rows: int = Field(default=250_000, ge=100, description="real training rows, the same for every arm")
    num_bootstrap: int = Field(default=500, ge=10)
    history_buckets: tuple[int, ...] = Field(default=(50, 200, 600), description="borders of user_num_events")
    popularity_buckets: tuple[int, ...] = Field(
        default=(5, 30, 150), description="borders of item_num_purchases"
    )

    @model_validator(mode="after")
    def _needs_control(self) -> "LiftConfig":
        if sum(arm.kind == "none" for arm in self.arms.values()) != 1:
            raise ValueError("'arms' must hold exactly one arm of kind 'none', the control")
        return self
