"""Generators, what is drawn from them, and what of it is published."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Union

from pydantic import Field, TypeAdapter, field_validator, model_validator

from clicksmith.config.presets import PresetOptions, declared_presets
from clicksmith.config.section import Section

if TYPE_CHECKING:
    GeneratorConfig = PresetOptions
else:
    GeneratorConfig = Annotated[
        Union[tuple(preset.options for preset in declared_presets())],  # noqa: UP007 - of what there is
        Field(discriminator="preset"),
    ]
"""One generator to train: `preset` chooses the model, its paper's recipe, and what else can be set."""

_ONE: TypeAdapter[PresetOptions] = TypeAdapter(GeneratorConfig)


def generator_config(options: Mapping[str, Any]) -> PresetOptions:
    """One generator's options, e.g. of ``{"preset": "tabular_ar", "num_steps": 100}``.

    Raises:
        pydantic.ValidationError: an option is unknown or wrong.
    """
    return _ONE.validate_python(dict(options))


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


class CountRangeConfig(Section):
    """Whole numbers from `min` to `max`, both included; null leaves the upper side open."""

    min: int = Field(default=1, ge=1)
    max: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _holds_a_number(self) -> "CountRangeConfig":
        if self.max is not None and self.max < self.min:
            raise ValueError(f"'max' is {self.max}, below 'min', which is {self.min}")
        return self


class SequenceWhereConfig(Section):
    """What each sequence of a group has; at least one of these."""

    num_events: CountRangeConfig | None = Field(
        default=None, description="a number, or {min: .., max: ..}; inside it as in the training sequences"
    )
    item_ids: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="an item, or a list of which one occurs, as often as in the training sequences",
    )
    rare_items: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="one of the least popular items occurs, each as often: of so large a share of all",
    )

    @property
    def asks_for_an_item(self) -> bool:
        """Whether an event must be somewhere in the sequence, which not every preset can be given."""
        return self.item_ids is not None or self.rare_items is not None

    @field_validator("num_events", mode="before")
    @classmethod
    def _a_number_is_a_range(cls, value: Any) -> Any:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return {"min": value, "max": value} if is_number else value

    @field_validator("item_ids", mode="before")
    @classmethod
    def _an_item_is_a_list(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _asks_for_something(self) -> "SequenceWhereConfig":
        if self.item_ids is not None and self.rare_items is not None:
            raise ValueError("'item_ids' and 'rare_items' each ask for one item; give one of them")
        if self.num_events is None and not self.asks_for_an_item:
            raise ValueError("give at least one of 'num_events', 'item_ids' and 'rare_items'")
        return self


class SequenceMixConfig(Section):
    """A group of synthetic sequences, e.g. ``{share: 0.3, where: {rare_items: 0.25, num_events: 5}}``."""

    share: float = Field(gt=0, le=1, description="of all synthetic sequences")
    where: SequenceWhereConfig


class SynthesisConfig(Section):
    """What the writer materialises, for every generator."""

    ratio: float = Field(
        default=0.5, gt=0, description="synthetic rows a real training row that generators saw"
    )
    mix: tuple[MixConfig, ...] = Field(
        default=(),
        description="groups with their shares; rows of no group share the rest. Empty: as in the data",
    )
    sequence_mix: tuple[SequenceMixConfig, ...] = Field(
        default=(), description="the same of generators of sequences; those of no group are as in the data"
    )

    def of_kind(self, kind: str) -> dict[str, Any]:
        """What of it the rows of a kind of data depend on."""
        others = {"examples": "sequence_mix", "sequences": "mix"}[kind]
        return self.model_dump(mode="json", exclude={others})

    @model_validator(mode="after")
    def _shares_fit(self) -> "SynthesisConfig":
        for name, groups in (("mix", self.mix), ("sequence_mix", self.sequence_mix)):
            if sum(group.share for group in groups) > 1 + 1e-9:
                raise ValueError(f"the shares of {name!r} must not exceed 1 in all")
        return self


class SequenceGateConfig(Section):
    """Bounds that synthetic sequences must keep; a sequence stands for its user."""

    min_shapes: float = Field(default=0.8, ge=0, le=1)
    min_pairs: float = Field(default=0.7, ge=0, le=1)
    min_lengths: float = Field(default=0.8, ge=0, le=1)
    min_neighbours: float = Field(
        default=0.5, ge=0, le=1, description="likeness of pairs of consecutive values, mean over columns"
    )
    max_c2st_auc: float = Field(default=0.99, ge=0.5, le=1)
    min_entropy_ratio: float = Field(default=0.8, ge=0)
    min_distinct_sequences: float = Field(
        default=0.5, ge=0, description="share of distinct sequences beside the real one"
    )
    max_next_item_loss: float = Field(
        default=0.1, ge=0, le=1, description="NDCG@10 of a next-item model that is taught by them alone"
    )
    max_copied_excess: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="share that a training user has as well, above that of real ones",
    )
    min_holdout_users: int = Field(default=30, ge=4, description="fewer cannot show a leak")
    max_dcr_share: float = Field(default=0.6, ge=0, le=1)
    min_nndr_ratio: float = Field(default=0.5, ge=0)
    max_membership_auc: float = Field(default=0.6, ge=0.5, le=1)
    max_domias_auc: float = Field(default=0.6, ge=0.5, le=1)
    max_domias_tpr: float = Field(default=0.05, ge=0, le=1)


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
    sequences: SequenceGateConfig = SequenceGateConfig()
    max_rows: int = Field(default=20_000, ge=100, description="rows sampled a side for fidelity figures")
    max_reference_rows: int = Field(
        default=100_000, ge=100, description="rows a side searched for leaks of training rows"
    )
