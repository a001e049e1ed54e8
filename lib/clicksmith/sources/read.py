"""From the configuration to a source's raw tables."""

from typing import Any

from pyspark.sql import SparkSession

from clicksmith.config import CompleteJourneyConfig, Config, FilesConfig, OpenBanditConfig
from clicksmith.sources import complete_journey, files, movielens, open_bandit
from clicksmith.sources.raw import RawTables


def read_source(spark: SparkSession, config: Config) -> RawTables:
    """The raw tables of the configured source, not yet computed.

    Raises:
        SourceError: the source cannot be obtained, read or mapped; the error names the remedy.
    """
    source = config.source
    if isinstance(source, FilesConfig):
        return files.read(spark, source)
    if isinstance(source, CompleteJourneyConfig):
        return complete_journey.read(spark, source, config.seed)
    if isinstance(source, OpenBanditConfig):
        return open_bandit.read(spark, source)
    return movielens.read(spark)


def source_fingerprint(config: Config) -> str:
    """A hash of the source's content, wherever it lies.

    Raises:
        SourceError: files that the configuration names are missing.
    """
    source = config.source
    if isinstance(source, FilesConfig):
        return files.fingerprint(source)
    if isinstance(source, CompleteJourneyConfig):
        return complete_journey.WHEEL.sha256
    if isinstance(source, OpenBanditConfig):
        return open_bandit.WHEEL.sha256
    return movielens.WHEEL.sha256


def source_settings(config: Config) -> dict[str, Any]:
    """The source's settings without paths: with the fingerprint, all that determines its rows."""
    return config.source.model_dump(
        mode="json", exclude={"events": {"path"}, "items": {"path"}, "users": {"path"}}
    )
