"""From the configuration to a source's raw tables."""

from collections.abc import Collection

from pyspark.sql import DataFrame, SparkSession

from clicksmith.config import CompleteJourneyConfig, Config, FilesConfig, OpenBanditConfig
from clicksmith.errors import ConfigError
from clicksmith.sources import complete_journey, files, movielens, open_bandit
from clicksmith.sources.raw import RawTables


def read_source(spark: SparkSession, config: Config, event_files: Collection[str] | None = None) -> RawTables:
    """The raw tables of the configured source, not yet computed.

    Args:
        spark: the session.
        config: names the source.
        event_files: the only files of events to read, by name; None reads all.

    Raises:
        SourceError: the source cannot be obtained, read or mapped; the error names the remedy.
    """
    source = config.source
    if isinstance(source, FilesConfig):
        return files.read(spark, source, event_files)
    if isinstance(source, CompleteJourneyConfig):
        return complete_journey.read(spark, source, config.seed)
    if isinstance(source, OpenBanditConfig):
        return open_bandit.read(spark, source)
    return movielens.read(spark)


def reread_events(config: Config, rejected: DataFrame) -> DataFrame:
    """Rejected events, mapped once more from what was received.

    Raises:
        ConfigError: the source is not one of files that are ingested in batches.
    """
    source = config.source
    if not isinstance(source, FilesConfig) or not source.incremental:
        raise ConfigError(
            f"source.name is {source.name}, whose rows are all read anew by each ingestion.",
            "Run ingest_events again; replay_rejected is for files with source.incremental.",
        )
    return files.reread(source.events, rejected)


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
