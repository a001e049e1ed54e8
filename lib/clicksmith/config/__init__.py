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
from clicksmith.config.engines import LakeConfig, RayConfig, SparkConfig
from clicksmith.config.generators import GateConfig, GeneratorConfig, MixConfig, RangeConfig, SynthesisConfig
from clicksmith.config.load import load_config, parse_arguments
from clicksmith.config.models import SECTIONS, Config
from clicksmith.config.recommenders import (
    ArmConfig,
    Augmentation,
    EventFeature,
    LiftConfig,
    RankerConfig,
    ScoringConfig,
    SearchConfig,
    SequentialConfig,
)
from clicksmith.config.simulation import DirtConfig, SimulationConfig

__all__ = [
    "SECTIONS",
    "ArmConfig",
    "Augmentation",
    "CleaningConfig",
    "CompleteJourneyConfig",
    "Config",
    "ContractConfig",
    "DirtConfig",
    "EventFeature",
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
    "SearchConfig",
    "SequentialConfig",
    "SimulationConfig",
    "SourceConfig",
    "SparkConfig",
    "SynthesisConfig",
    "load_config",
    "parse_arguments",
]
