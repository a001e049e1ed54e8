"""Table care: many small files into few, and files that no version in use needs removed.

Files that a killed run left and no version names go as well once they are old enough. Rows never change, nor
do the marks by which a job knows that its work is done.
"""

import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from clicksmith.config import Config, MaintenanceConfig
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root, sound_version
from clicksmith.lakehouse.commit import set_back
from clicksmith.tables import ALL_TABLES, JOB_RUNS, Table

logger = logging.getLogger(__name__)

_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Care:
    """What was done to a table.

    Attributes:
        num_files_before, num_files: of its newest version.
        retention_hours: files dropped from it earlier than so long ago were removed.
        oldest_pinned: version that had to stay readable, or None.
    """

    num_files_before: int
    num_files: int
    retention_hours: int
    oldest_pinned: int | None


def maintain(
    spark: SparkSession, lake: Lake, table: Table, settings: MaintenanceConfig, pinned: Mapping[str, int]
) -> Care | None:
    """Compact a table, and remove what is too old; None where it does not exist.

    Void commits on top of it are set back first: their rows are not to be kept.

    Args:
        spark: the session.
        lake: the lake.
        table: its table.
        settings: file sizes and retention.
        pinned: see `pinned_versions`.
    """
    set_back(spark, lake, table)
    before = lake.open(table)
    if before is None or sound_version(before) < 0:
        return None
    oldest = pinned.get(table.name)
    hours = _retention_hours(before, settings.retention_days, oldest)
    num_files = len(before.file_uris())
    if table is JOB_RUNS:  # written by delta-rs alone
        before.optimize.compact(target_size=settings.target_file_mb * 2**20)
        before.vacuum(hours, dry_run=False, enforce_retention_duration=False)
    else:
        spark.conf.set("spark.databricks.delta.optimize.maxFileSize", settings.target_file_mb * 2**20)
        spark.conf.set("spark.databricks.delta.optimize.minFileSize", settings.target_file_mb * 2**19)
        spark.conf.set("spark.databricks.delta.retentionDurationCheck.enabled", "false")
        # Else VACUUM lists files in ten thousand tasks.
        partitions = spark.conf.get("spark.sql.shuffle.partitions") or "8"
        spark.conf.set("spark.sql.sources.parallelPartitionDiscovery.parallelism", partitions)
        spark.sql(f"OPTIMIZE delta.`{lake.uri(table)}`").collect()
        spark.sql(f"VACUUM delta.`{lake.uri(table)}` RETAIN {hours} HOURS").collect()
    after = lake.open(table)
    assert after is not None
    return Care(num_files, len(after.file_uris()), hours, oldest)


def pinned_versions(lake: Lake, config: Config) -> dict[str, int]:
    """The oldest version of each table that a model's card or a table's newest commit names as an input."""
    named = [(card["training_table"]["name"], card["training_table"]["version"]) for card in _cards(config)]
    for table in ALL_TABLES:
        snapshot = lake.find(table)
        if snapshot is not None:
            tables: Mapping[str, str] = snapshot.metadata.get("input_tables", {})
            named += [(tables[name], snapshot.metadata["inputs"][name]) for name in tables]
    oldest: dict[str, int] = {}
    for name, version in named:
        oldest[name] = min(version, oldest.get(name, version))
    return oldest


def _cards(config: Config) -> list[dict[str, Any]]:
    return [storage.read_json(uri) for uri in storage.find_files(models_root(config), "card.json")]


def _retention_hours(table: DeltaTable, days: float, oldest: int | None) -> int:
    """At least as long ago as the oldest pinned version was the newest."""
    hours = days * 24
    if oldest is not None:
        for commit in table.history():
            if commit["version"] == oldest and oldest < table.version():
                hours = max(hours, (time.time() * 1000 - commit["timestamp"]) / _HOUR_MS)
    return math.ceil(hours)
