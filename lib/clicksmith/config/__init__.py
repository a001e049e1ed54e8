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
from clicksmith.config.generators import (
    GateConfig,
    MixConfig,
    RangeConfig,
    SequenceMixConfig,
    SynthesisConfig,
    generator_config,
)
from clicksmith.config.load import generator_options, load_config, parse_arguments
from clicksmith.config.models import SECTIONS, Config
from clicksmith.config.presets import PresetOptions, Schedule
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
    "LakeConfig",
    "LiftConfig",
    "MaintenanceConfig",
    "MixConfig",
    "MovieLensConfig",
    "OpenBanditConfig",
    "PresetOptions",
    "RangeConfig",
    "RankerConfig",
    "RayConfig",
    "Schedule",
    "ScoringConfig",
    "SearchConfig",
    "SequenceMixConfig",
    "SequentialConfig",
    "SimulationConfig",
    "SourceConfig",
    "SparkConfig",
    "SynthesisConfig",
    "generator_config",
    "generator_options",
    "load_config",
    "parse_arguments",
]
