"""The whole configuration."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, model_validator

from clicksmith.config.data import (
    CleaningConfig,
    CompleteJourneyConfig,
    ContractConfig,
    FeaturesConfig,
    MaintenanceConfig,
    MovieLensConfig,
    OpenBanditConfig,
    SourceConfig,
)
from clicksmith.config.engines import LakeConfig, RayConfig, SparkConfig
from clicksmith.config.generators import GateConfig, GeneratorConfig, SynthesisConfig, generator_config
from clicksmith.config.presets import PresetOptions, declared_presets
from clicksmith.config.recommenders import (
    ArmConfig,
    LiftConfig,
    RankerConfig,
    ScoringConfig,
    SearchConfig,
    SequentialConfig,
)
from clicksmith.config.section import Section
from clicksmith.config.simulation import SimulationConfig
from clicksmith.seeds import HOLDOUT_BY_ROW, Holdout

SECTIONS: Mapping[str, str] = {"ranking": "ranker", "next_item": "sequential", "search": "search"}
"""By task: the section, and the card, of its shipped model."""


class Config(Section):
    """One deployment: what to run on which data, where, and how large."""

    seed: int = Field(default=42, ge=0)
    lake: LakeConfig = LakeConfig()
    spark: SparkConfig = SparkConfig()
    ray: RayConfig = RayConfig()
    simulate: SimulationConfig | None = None
    source: SourceConfig = CompleteJourneyConfig()
    contract: ContractConfig = ContractConfig()
    cleaning: CleaningConfig = CleaningConfig()
    features: FeaturesConfig = FeaturesConfig()
    generators: Mapping[str, GeneratorConfig] = Field(
        default_factory=lambda: {
            "autoregressive": generator_config({"preset": "tabular_ar"}),
            "gan": generator_config({"preset": "ctgan"}),
            "dense_gan": generator_config({"preset": "dense_gan"}),
        }
    )
    synthesis: SynthesisConfig = SynthesisConfig()
    gate: GateConfig = GateConfig()
    ranker: RankerConfig = RankerConfig()
    sequential: SequentialConfig = SequentialConfig()
    search: SearchConfig | None = None
    scoring: ScoringConfig = ScoringConfig()
    lift: LiftConfig = LiftConfig()
    maintenance: MaintenanceConfig = MaintenanceConfig()

    @property
    def holdout(self) -> Holdout:
        """Which training rows no generator sees."""
        # Open Bandit's users are segments: those held out would be of other ages than those that are shown.
        return HOLDOUT_BY_ROW if isinstance(self.source, OpenBanditConfig) else Holdout()

    @property
    def impressions(self) -> Literal["logged", "imputed", "drawn"]:
        """Whether the log knows what was shown, or it was inferred from other events, or drawn at random."""
        if isinstance(self.source, (CompleteJourneyConfig, MovieLensConfig)):
            return "imputed"
        return "drawn" if self.features.num_negatives else "logged"

    @property
    def fits(self) -> dict[str, PresetOptions]:
        """Every generator as often as it is trained: by its name, then NAME.2 and so on."""
        return {fit: section for name, section in self.generators.items() for fit in self.fits_of(name)}

    def fits_of(self, generator: str) -> list[str]:
        """Names of a generator's independent fits, of other seeds; of one that no arm uses there is one."""
        is_measured = any(arm.generator == generator for arm, *_ in self.generated_arms.values())
        num_fits = self.lift.num_fits if is_measured else 1
        return [generator, *(f"{generator}.{number}" for number in range(2, num_fits + 1))]

    @property
    def generated_arms(self) -> dict[str, tuple[ArmConfig, str, int, str]]:
        """Arms of generated rows, by where they are configured.

        Each with the kind of data that it takes, the real rows of its control, and the setting of these.
        """
        lift = self.lift
        tasks = (
            ("lift", lift.arms, "examples", lift.max_rows, "lift.max_rows"),
            (
                "lift.next_item",
                lift.next_item.arms,
                "sequences",
                lift.next_item.max_users,
                "lift.next_item.max_users",
            ),
        )
        return {
            f"{where}.arms.{name}": (arm, kind, limit, setting)
            for where, arms, kind, limit, setting in tasks
            for name, arm in arms.items()
            if arm.generator is not None
        }

    @model_validator(mode="after")
    def _arms_name_generators(self) -> "Config":
        for where, (arm, kind, *_) in self.generated_arms.items():
            generator = self.generators.get(arm.generator or "")
            if generator is None:
                raise ValueError(
                    f"{where}.generator is {arm.generator!r}, which is not under generators: "
                    f"{', '.join(self.generators)}"
                )
            if generator.kind != kind:
                raise ValueError(
                    f"{where}.generator is {arm.generator!r}, which makes {generator.kind}; this arm takes "
                    f"{kind}. Name a generator of these"
                )
        for name in self.generators:
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"generators.{name}: a name may hold letters, digits and _ only")
        return self

    @model_validator(mode="after")
    def _controls_train_on_what_generators_saw(self) -> "Config":
        """A generator that learnt from more real rows than the control has would be no fair comparison.

        Both take the rows of smallest hash, and the generator's are counted before any is held out: those
        that it sees are among the control's, however many rows the held-out users have.
        """
        for arm, _, limit, setting in self.generated_arms.values():
            seen = self.generators[str(arm.generator)].max_rows
            if seen > limit:
                raise ValueError(
                    f"generators.{arm.generator}.max_rows is {seen:,}, but the arms of lift train on "
                    f"{limit:,} real rows: the control would lack rows that the generator "
                    f"learnt from. Set it to at most {limit:,}, or raise {setting}"
                )
        return self

    @model_validator(mode="after")
    def _sequences_can_have_what_is_asked_for(self) -> "Config":
        asking = [n for n, group in enumerate(self.synthesis.sequence_mix) if group.where.asks_for_an_item]
        presets = {preset.name: preset for preset in declared_presets()} if asking else {}
        for name, options in self.generators.items():
            if asking and options.kind == "sequences" and not presets[options.preset].any_event:
                able = [p.name for p in presets.values() if p.options.kind == "sequences" and p.any_event]
                raise ValueError(
                    f"synthesis.sequence_mix.{asking[0]} asks for an item, which {options.preset} "
                    f"(generators.{name}) cannot be given: it draws events from first to last. Ask for "
                    f"num_events alone, or use one of {', '.join(able)}"
                )
        return self
