"""Rejected events once more, after a rule or a mapping was mended.

Accepted rows are committed first, under an id of the rejected rows that were read; then what is left of those
rows replaces them, and no others: a batch that comes in between keeps its own. A replay that was killed in
between is ended by the next one, from the same version of the rejected rows, under the same id.
"""

from dataclasses import dataclass
from datetime import datetime

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from clicksmith.digest import digest
from clicksmith.errors import LakeError
from clicksmith.events import contract
from clicksmith.lakehouse.batches import known_files, missing_batches, replays
from clicksmith.lakehouse.catalog import Commits, Lake, Snapshot
from clicksmith.lakehouse.commit import commit, read
from clicksmith.lakehouse.intake import Counts, count
from clicksmith.lakehouse.lineage import Lineage, began_of
from clicksmith.tables import BRONZE_EVENTS, EVENTS_REJECTED


@dataclass(frozen=True)
class Replay:
    """What is to be replayed.

    Attributes:
        source: bronze.events_rejected, pinned.
        ingest_id: of the rows that it accepts and of those that are left.
    """

    source: Snapshot
    ingest_id: str

    @property
    def part(self) -> str:
        """Its rows, as `commit` names a part of a table."""
        return f"ingest_id={self.ingest_id}"


def next_replay(lake: Lake, config_hash: str) -> Replay | None:
    """The replay that was killed, else one of all rejected rows; None where these rules were tried on them.

    Args:
        lake: the lake.
        config_hash: of the rules, see `Lineage`.

    Raises:
        LakeError: no events were ever rejected; a batch is not in the lake as a whole; or bronze.events was
            set back to before a replay, and the rejected events were not.
    """
    source = lake.get(EVENTS_REJECTED)
    missing = missing_batches(lake, known_files(lake))
    if missing:
        raise LakeError(
            f"Batch {missing[0].number} of {len(missing[0].files)} files was begun and not ended.",
            "Run ingest_events first.",
        )
    events, rejected = lake.commits(BRONZE_EVENTS), lake.commits(EVENTS_REJECTED)
    killed = _killed(events, rejected)
    if killed is not None:
        begun = lake.find(EVENTS_REJECTED, version=killed.metadata["inputs"]["rejected"])
        assert begun is not None and killed.part is not None
        return Replay(begun, killed.part.partition("=")[2])
    if _is_tried(rejected, config_hash):
        return None
    return Replay(source, digest(["replay_rejected", source.fingerprint])[:16])


def by_ingest(lake: Lake, rejected: DataFrame) -> list[tuple[DataFrame, datetime | None]]:
    """Rejected events, parted by the moment at which their ingest began.

    Args:
        lake: the lake.
        rejected: rows of bronze.events_rejected.

    Returns:
        Rows and that moment, at least once; None where no commit of a batch tells it any more.
    """
    commits = lake.commits(EVENTS_REJECTED).standing
    moments = {one.part: began_of(one) for one in reversed(commits)}
    batches: dict[datetime | None, list[str]] = {}
    for row in rejected.select("ingest_id").distinct().sort("ingest_id").collect():
        batches.setdefault(moments.get(f"ingest_id={row.ingest_id}"), []).append(row.ingest_id)
    parts = [(rejected.where(F.col("ingest_id").isin(ids)), began) for began, ids in batches.items()]
    return parts or [(rejected, None)]


def replay(
    spark: SparkSession,
    what: Replay,
    checked: DataFrame,
    lake: Lake,
    lineage: Lineage,
    source: str,
    ruleset_version: str,
) -> Counts:
    """Move what breaks no rule any more from bronze.events_rejected to bronze.events.

    Args:
        spark: the session.
        what: from `next_replay`.
        checked: from `contract.check`, all its rows.
        lake: the lake.
        lineage: the run.
        source: the source's name, kept with each row.
        ruleset_version: of the rules that they were checked by.

    Returns:
        What became of the rows.
    """
    ids = [row.ingest_id for row in read(spark, what.source).select("ingest_id").distinct().collect()]
    checked = checked.persist(StorageLevel.DISK_ONLY)
    counts = count(checked)
    accepted = contract.accepted(checked, BRONZE_EVENTS, source, what.ingest_id)
    commit(accepted, BRONZE_EVENTS, lake, lineage, what.part, counts.as_dict(), counts.accepted)
    rejected = contract.rejected(checked, source, what.ingest_id, ruleset_version)
    commit(rejected, EVENTS_REJECTED, lake, lineage, what.part, expected_rows=counts.rejected, replaces=ids)
    checked.unpersist()
    return counts


def _killed(events: Commits, rejected: Commits) -> Snapshot | None:
    """The commit of accepted rows whose rejected ones were not replaced, if there is one."""
    done = replays(rejected.standing)
    for part, found in replays(events.standing).items():
        # Where the log does not reach back to what was read, it has dropped the other commit, too.
        if part not in done and found.metadata["inputs"]["rejected"] >= rejected.oldest_version:
            return found
    return None


def _is_tried(rejected: Commits, config_hash: str) -> bool:
    """Whether nothing but replays was committed since the newest replay by these rules read the rows."""
    found = list(replays(rejected.standing).values())
    newest = max(found, key=lambda one: one.commit_version, default=None)
    if newest is None or newest.metadata["config_hash"] != config_hash:
        return False
    read_version = newest.metadata["inputs"]["rejected"]
    return all(
        one.metadata["job"] == "replay_rejected"
        for one in rejected.standing
        if one.commit_version > read_version
    )
