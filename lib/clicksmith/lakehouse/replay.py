"""Rejected events once more, after a rule or a mapping was mended.

Accepted rows are committed first, under an id of the rejected rows and the rules; then the table of rejected
rows is replaced by what is left of it. Killed in between and run again, the same id replaces the same rows.
"""

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from clicksmith.errors import LakeError
from clicksmith.events import contract
from clicksmith.lakehouse.batches import begun_batch
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.intake import Counts, count
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.tables import BRONZE_EVENTS, EVENTS_REJECTED


def replay(
    spark: SparkSession, checked: DataFrame, lake: Lake, lineage: Lineage, source: str, ruleset_version: str
) -> Counts:
    """Move what breaks no rule any more from bronze.events_rejected to bronze.events.

    Args:
        spark: the session.
        checked: from `contract.check`, all rows of bronze.events_rejected.
        lake: the lake.
        lineage: the run; its id becomes the rows' ``ingest_id``.
        source: the source's name, kept with each row.
        ruleset_version: of the rules that they were checked by.

    Returns:
        What became of the rows.

    Raises:
        LakeError: a batch was begun and not ended: its rejected rows may change yet.
    """
    begun = begun_batch(spark, lake)
    if begun is not None:
        raise LakeError(
            f"Batch {begun.number} of {len(begun.files)} files was begun and not ended.",
            "Run ingest_events first.",
        )
    checked = checked.persist(StorageLevel.DISK_ONLY)
    accepted = contract.accepted(checked, BRONZE_EVENTS, source, lineage.run_id)
    rejected = contract.rejected(checked, source, lineage.run_id, ruleset_version)
    counts = count(checked)
    commit(accepted, BRONZE_EVENTS, lake, lineage, f"ingest_id={lineage.run_id}", counts.as_dict())
    commit(rejected, EVENTS_REJECTED, lake, lineage)
    checked.unpersist()
    return counts
