"""The whole configuration."""

from pydantic import Field, model_validator

from clicksmith.config.sections import (
    CleaningConfig,
    CompleteJourneyConfig,
    ContractConfig,
    FeaturesConfig,
    GateConfig,
    GeneratorConfig,
    LakeConfig,
    LiftConfig,
    RankerConfig,
    RayConfig,
    Section,
    SequentialConfig,
    SourceConfig,
    SparkConfig,
    SynthesisConfig,
)


class Config(Section):
    """One deployment: what to run on which data, where, and how large."""

    seed: int = Field(default=42, ge=0)
    lake: LakeConfig = LakeConfig()
    spark: SparkConfig = SparkConfig()
    ray: RayConfig = RayConfig()
    source: SourceConfig = CompleteJourneyConfig()
    contract: ContractConfig = ContractConfig()
    cleaning: CleaningConfig = CleaningConfig()
    features: FeaturesConfig = FeaturesConfig()
    generators: dict[str, GeneratorConfig] = Field(
        default_factory=lambda: {
            "autoregressive": GeneratorConfig(preset="tabular_ar"),
            "gan": GeneratorConfig(preset="ctgan"),
            "dense_gan": GeneratorConfig(preset="dense_gan"),
        }
    )
    synthesis: SynthesisConfig = SynthesisConfig()
    gate: GateConfig = GateConfig()
    ranker: RankerConfig = RankerConfig()
    sequential: SequentialConfig = SequentialConfig()
    lift: LiftConfig = LiftConfig()

    @model_validator(mode="after")
    def _arms_name_generators(self) -> "Config":
        for name, arm in self.lift.arms.items():
            if arm.generator is not None and arm.generator not in self.generators:
                raise ValueError(
                    f"lift.arms.{name}.generator is {arm.generator!r}, which is not under generators: "
                    f"{', '.join(self.generators)}"
                )
        for name in self.generators:
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"generators.{name}: a name may hold letters, digits and _ only")
        return self
