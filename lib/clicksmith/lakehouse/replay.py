"""Rejected events once more, after a rule or a mapping was mended.

Accepted rows are committed first, under an id of the rejected rows and the rules; then the table of rejected
rows is replaced by what is left of it. Killed in between and run again, the same id replaces the same rows.
"""

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.errors import LakeError
from clicksmith.events import contract
from clicksmith.lakehouse.batches import begun_batch
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import commit
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.tables import BRONZE_EVENTS, EVENTS_REJECTED


def replay(
    spark: SparkSession, checked: DataFrame, lake: Lake, lineage: Lineage, source: str, ruleset_version: str
) -> dict[str, int]:
    """Move what breaks no rule any more from bronze.events_rejected to bronze.events.

    Args:
        spark: the session.
        checked: from `contract.check`, all rows of bronze.events_rejected.
        lake: the lake.
        lineage: the run; its id becomes the rows' ``ingest_id``.
        source: the source's name, kept with each row.
        ruleset_version: of the rules that they were checked by.

    Returns:
        rows_in, accepted and rejected.

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
    counts = {
        "rows_in": checked.count(),
        "accepted": accepted.count(),
        "rejected": checked.where(F.size("reasons") > 0).count(),
    }
    commit(accepted, BRONZE_EVENTS, lake, lineage, f"ingest_id={lineage.run_id}", counts)
    commit(rejected, EVENTS_REJECTED, lake, lineage)
    checked.unpersist()
    return counts
