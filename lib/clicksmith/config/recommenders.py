"""Recommenders and search, and the measurement of what augmentation gives them."""

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field, field_validator, model_validator

from clicksmith.config.section import Section

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
    num_validations: int = Field(default=4, ge=1, description="evenly spaced; the best weights are kept")
    max_rows: int = Field(default=400_000, ge=100)
    max_test_rows: int = Field(default=100_000, ge=100)
    history_length: int = Field(default=20, ge=1, description="newest items that din looks at")
    max_feature_auc: float = Field(
        default=0.995, gt=0.5, le=1, description="a feature that alone ranks better is taken for a leak"
    )
    augment: str = Field(
        default="verdict", description="train as the verdict says; none: on real rows alone; or an arm's name"
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
"""Ways to see a training sequence otherwise; see recommenders/next_item/augmentation.py."""


EventFeature = Literal["type", "gap"]
UserFeature = Literal["age_band", "gender", "income_band", "household"]


class SequentialConfig(Section):
    """The next-item model."""

    model: Literal["sasrec", "bert4rec", "gru4rec", "two_tower"] = "sasrec"
    loss: Literal["sampled_softmax", "cross_entropy", "gbce"] = Field(
        default="sampled_softmax",
        description="cross_entropy ranks all items at each position: small catalogues; gbce needs negatives "
        "drawn evenly: negatives_exponent 0",
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
    augment: str = Field(
        default="verdict", description="train as the verdict says; none: as it stands here; or an arm's name"
    )

    @field_validator("item_attributes", "event_features", "user_features")
    @classmethod
    def _named_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            raise ValueError("each of them may be named once")
        return names

    @model_validator(mode="after")
    def _gbce_draws_evenly(self) -> "SequentialConfig":
        if self.loss == "gbce" and (self.negatives_exponent or self.in_batch_negatives):
            raise ValueError(
                "'loss' gbce is calibrated for negatives drawn evenly: set 'negatives_exponent' to 0 "
                "and leave 'in_batch_negatives' out"
            )
        return self

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
    augment: str = Field(
        default="verdict",
        description="train as the verdict says; none: on real pairs alone; or an arm's name",
    )


class ScoringConfig(Section):
    """Lists of recommendations for all users."""

    num_items: int = Field(default=20, ge=1, description="items a user")
    approximate: bool = Field(
        default=False, description="by an index of nearest neighbours (extra 'nearest'): large catalogues"
    )


_WITHOUT_RATIO = ("none", "same", "real_all", "reweight", "tuned", "augmentation")
"""Kinds of arms that add nothing, or all there is."""
_WITHOUT_ROWS = ("none", "same", "tuned", "augmentation")
"""Kinds of arms without added rows, which could have a weight or steps of their own."""


_MOST_GENERATED = 10.0
"""Generated rows a real one: who writes 25 means 25 %."""


class ArmConfig(Section):
    """One arm of a lift measurement."""

    kind: Literal[
        "none",
        "same",
        "shuffled",
        "real_more",
        "real_all",
        "duplicate",
        "oversample_tail",
        "oversample_label",
        "reweight",
        "tuned",
        "teacher",
        "augmentation",
        "titles",
        "synthetic",
    ] = Field(
        description="none: the control. same: the control again, with other seeds. shuffled: copies whose "
        "labels say nothing. real_more, real_all: real rows that the control lacks. duplicate, "
        "oversample_tail (rare items), oversample_label (the rarer outcome): copies. reweight: real rows of "
        "the rarer outcome count 'weight' times. tuned: the control with settings that Ray Tune found, in as "
        "many trainings as any other arm takes. teacher: copies with the labels of a simpler model"
    )
    generator: str | None = Field(default=None, description="for kind synthetic: its name under generators")
    ratio: float = Field(default=0.0, ge=0, description="added rows a real row")
    weight: float = Field(
        default=1.0, gt=0, description="of an added row in the loss, where a real one has 1"
    )
    only: Literal["cold_items", "rare_items", "short_histories", "rare_outcome"] | None = Field(
        default=None, description="for kind synthetic: of generated rows, those of what real rows lack"
    )
    share_of_steps: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="a curriculum: added rows in the first steps, then real ones alone",
    )
    alone: bool = Field(
        default=False, description="in these steps without real rows, which fine-tune what was learnt so"
    )
    operations: tuple[Augmentation, ...] = Field(
        default=(), description="for kind augmentation: of training sequences, see sequential.augmentations"
    )

    @model_validator(mode="after")
    def _adds_what_it_says(self) -> "ArmConfig":
        if (self.kind == "synthetic") != (self.generator is not None):
            raise ValueError("'generator' must be given for kind 'synthetic' and for no other kind")
        if (self.kind in _WITHOUT_RATIO) != (self.ratio == 0.0):
            raise ValueError(
                f"'ratio' must be above 0, and be left out for the kinds {', '.join(_WITHOUT_RATIO)}"
            )
        if self.kind == "synthetic" and self.ratio > _MOST_GENERATED:
            raise ValueError(
                f"'ratio' is {self.ratio:g} generated rows a real row, of which at most {_MOST_GENERATED:g} "
                "make sense: 25 % are 0.25"
            )
        if self.kind == "reweight" and self.weight <= 1.0:
            raise ValueError("kind 'reweight' needs a 'weight' above 1")
        if self.only is not None and self.kind != "synthetic":
            raise ValueError("'only' chooses among generated rows: 'kind' must be 'synthetic'")
        if (self.kind == "augmentation") != bool(self.operations):
            raise ValueError("'operations' must be given for kind 'augmentation' and for no other kind")
        if self.kind in _WITHOUT_ROWS and self.weight != 1.0:
            raise ValueError(f"'weight' is of added rows, of which kind {self.kind!r} has none")
        if self.kind in (*_WITHOUT_ROWS, "reweight") and self.share_of_steps != 1.0:
            raise ValueError(f"'share_of_steps' is of added rows, of which kind {self.kind!r} has none")
        if self.alone and self.share_of_steps == 1.0:
            raise ValueError("'alone' needs a 'share_of_steps' below 1: the rest is for real rows")
        return self


def _check_arms(arms: Mapping[str, ArmConfig], kinds: Sequence[str], what: str, weighs: bool = False) -> None:
    """Arms are of these kinds, exactly one of them the control; weights only where rows have any.

    Raises:
        ValueError: they are not.
    """
    controls = [name for name, arm in arms.items() if arm.kind == "none"]
    if len(controls) != 1:
        found = f"it holds {', '.join(controls)}" if controls else "it holds none; add none: {kind: none}"
        raise ValueError(f"'arms' must hold exactly one arm of kind 'none', the control; {found}")
    for name, arm in arms.items():
        if arm.kind not in kinds:
            raise ValueError(f"'arms' holds {name!r} of kind {arm.kind!r}, which {what} do not have")
        if not weighs and (arm.weight, arm.share_of_steps) != (1.0, 1.0):
            raise ValueError(f"'arms' holds {name!r} with a weight or a curriculum, which {what} do not have")


_FURTHER = "families measured as well, to tell whether a gain is one model's alone; no model follows; beside "


class RankingRules(Section):
    """What a measurement of rankers has to show; set beforehand."""

    models: tuple[Literal["logistic", "deepfm", "dcnv2"], ...] = Field(
        default=(), description=f"{_FURTHER}ranker.model"
    )

    worthwhile: float = Field(default=0.001, ge=0, description="gain of AUC that is worth its cost")
    margin: float = Field(default=0.01, gt=0, description="loss of AUC that harms no segment")
    logloss_margin: float = Field(default=0.01, gt=0, description="loss of log loss that is none, in nats")


class NextItemRules(Section):
    """The measurement of next-item models, and what it has to show; no arms: it is left out."""

    arms: dict[str, ArmConfig] = Field(default_factory=dict)
    models: tuple[Literal["sasrec", "bert4rec", "gru4rec", "two_tower"], ...] = Field(
        default=(), description=f"{_FURTHER}sequential.model"
    )
    worthwhile: float = Field(default=0.001, ge=0, description="gain of NDCG@10 that is worth its cost")
    margin: float = Field(default=0.005, gt=0, description="loss of NDCG@10 that harms no segment")
    recall_margin: float = Field(default=0.01, gt=0, description="loss of recall@10 that is none")
    max_users: int = Field(default=20_000, ge=10, description="that the control trains on")
    max_asked: int = Field(default=20_000, ge=10, description="whose next items are asked for")
    max_all_users: int = Field(default=500_000, ge=10, description="that the ceilings train on")

    @model_validator(mode="after")
    def _fits_sequences(self) -> "NextItemRules":
        kinds = ("none", "same", "tuned", "shuffled", "real_more", "real_all", "duplicate")
        if self.arms:
            _check_arms(self.arms, (*kinds, "oversample_tail", "augmentation", "synthetic"), "sequences")
        for name, arm in self.arms.items():
            if arm.only not in (None, "rare_items", "short_histories"):
                raise ValueError(
                    f"'arms' holds {name!r} only of {arm.only}, which sequences cannot be told by"
                )
        return self


class SearchRules(Section):
    """The measurement of search models, and what it has to show; no arms: it is left out."""

    arms: dict[str, ArmConfig] = Field(default_factory=dict)
    models: tuple[Literal["two_tower", "cross_encoder"], ...] = Field(
        default=(), description=f"{_FURTHER}search.model"
    )
    worthwhile: float = Field(default=0.005, ge=0, description="gain of NDCG@10 that is worth its cost")
    margin: float = Field(default=0.02, gt=0, description="loss of NDCG@10 that harms no segment")
    recall_margin: float = Field(default=0.02, gt=0, description="loss of recall@10 that is none")
    max_pairs: int = Field(default=50_000, ge=10, description="training pairs of the control")

    @model_validator(mode="after")
    def _fits_pairs(self) -> "SearchRules":
        kinds = ("none", "same", "tuned", "shuffled", "real_more", "real_all", "duplicate", "titles")
        if self.arms:
            _check_arms(self.arms, kinds, "pairs of queries and products")
        return self


class LiftConfig(Section):
    """The measurement of what augmentation gives."""

    arms: dict[str, ArmConfig] = Field(
        default_factory=lambda: {"none": ArmConfig(kind="none")}, description="of rankers"
    )
    num_seeds: int = Field(
        default=5, ge=3, description="trainings of each arm, for each fit of its generator"
    )
    num_fits: int = Field(
        default=3, ge=1, description="independent trainings of each generator: a gain may depend on the fit"
    )
    max_rows: int = Field(default=250_000, ge=100, description="real training rows of the control")
    min_users: int = Field(
        default=100, ge=2, description="of the test rows, or of a segment of them: fewer have no interval"
    )
    min_positives: int = Field(
        default=50, ge=1, description="rows of the rarer outcome, in the same way: fewer have no interval"
    )
    ranking: RankingRules = RankingRules()
    next_item: NextItemRules = NextItemRules()
    search: SearchRules = SearchRules()

    @model_validator(mode="after")
    def _fits_examples(self) -> "LiftConfig":
        kinds = ("none", "same", "tuned", "shuffled", "real_more", "real_all", "duplicate", "oversample_tail")
        own = ("oversample_label", "reweight", "teacher", "synthetic")
        _check_arms(self.arms, (*kinds, *own), "rankers", weighs=True)
        return self
