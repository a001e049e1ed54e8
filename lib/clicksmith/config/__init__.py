"""Configuration: pydantic models, YAML files and ``--set`` overrides."""

from clicksmith.config.data import (
    CleaningConfig,
    CompleteJourneyConfig,
    ContractConfig,
    FeaturesConfig,
    FilesConfig,
    FilesTableConfig,
    MaintenanceConfig,
    MovieLensConfig,
    OpenBanditConfig,
    SourceConfig,
)
from clicksmith.config.load import load_config, parse_arguments
from clicksmith.config.models import Config
from clicksmith.config.sections import (
    ArmConfig,
    GateConfig,
    GeneratorConfig,
    LakeConfig,
    LiftConfig,
    MixConfig,
    RangeConfig,
    RankerConfig,
    RayConfig,
    ScoringConfig,
    SequentialConfig,
    SparkConfig,
    SynthesisConfig,
)
from clicksmith.config.simulation import DirtConfig, SimulationConfig

__all__ = [
    "ArmConfig",
    "CleaningConfig",
    "CompleteJourneyConfig",
    "Config",
    "ContractConfig",
    "DirtConfig",
    "FeaturesConfig",
    "FilesConfig",
    "FilesTableConfig",
    "GateConfig",
    "GeneratorConfig",
    "LakeConfig",
    "LiftConfig",
    "MaintenanceConfig",
    "MixConfig",
    "MovieLensConfig",
    "OpenBanditConfig",
    "RangeConfig",
    "RankerConfig",
    "RayConfig",
    "ScoringConfig",
    "SequentialConfig",
    "SimulationConfig",
    "SourceConfig",
    "SparkConfig",
    "SynthesisConfig",
    "load_config",
    "parse_arguments",
]
