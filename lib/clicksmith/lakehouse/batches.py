"""Batches of new source files, each ingested exactly once.

Which files are a batch is written down before any of their rows are, and what they were like. A run finds the
batches whose rows are not there, since an earlier run was killed or a table was set back, and does those
again, whatever has arrived since.
"""

import logging
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from clicksmith.config import FilesConfig
from clicksmith.digest import digest
from clicksmith.errors import LakeError, SourceError
from clicksmith.lakehouse.catalog import Commits, Lake, Snapshot
from clicksmith.lakehouse.commit import commit, spark_schema
from clicksmith.lakehouse.lineage import Lineage
from clicksmith.lakehouse.listing import SourceFile, content_hashes
from clicksmith.tables import BRONZE_EVENTS, EVENT_FILES, EVENTS_REJECTED

logger = logging.getLogger(__name__)

_SHOWN = 5

File = dict[str, Any]
"""A row of bronze.event_files."""


@dataclass(frozen=True)
class Batch:
    """Files that are ingested together.

    Attributes:
        number: from 0.
        ingest_id: of its rows; a hash over the batches before it and its own files.
        files: their names.
        fingerprint: of what they hold.
    """

    number: int
    ingest_id: str
    files: tuple[str, ...]
    fingerprint: str

    @property
    def part(self) -> str:
        """Its rows, as `commit` names a part of a table."""
        return f"ingest_id={self.ingest_id}"


def next_batches(
    spark: SparkSession, lake: Lake, files: Mapping[str, SourceFile], settings: FilesConfig
) -> list[Batch]:
    """The batches whose rows are not in the lake, oldest first, else one of the files that no batch has.

    Args:
        spark: the session.
        lake: the lake.
        files: those of events that the source has now, by name.
        settings: how many files a batch may have, the first by name, and which are left for later.

    Raises:
        SourceError: a file of an earlier batch has changed, or the lake's events came otherwise.
        LakeError: see `missing_batches`.
    """
    events = lake.commits(BRONZE_EVENTS)
    if any(one.part is None for one in events.standing):
        raise SourceError(
            f"{BRONZE_EVENTS.name} in {lake.root} was ingested as a whole, not in batches of new files.",
            "Set lake.root to a new lake, or source.incremental to false.",
        )
    known = _accept(spark, lake, known_files(lake), files, settings.accept_changed)
    missing = missing_batches(lake, known)
    for batch in missing:
        logger.info("batch %d is not in the lake and is done again: %d files", batch.number, len(batch.files))
    if missing:
        return missing
    names = _settled(files, known, settings.settle_seconds)[: settings.max_files]
    if not names:
        return []
    last = _batches(known)[-1] if known else None
    number, before = (0, "") if last is None else (last.number + 1, last.ingest_id)
    hashes = content_hashes(files[name] for name in names)
    found = [_describe(files[name], hashes[name]) for name in names]
    ingest_id = digest([before, _contents(found)])[:16]
    rows = [{**row, "batch": number, "ingest_id": ingest_id} for row in found]
    _write_down(spark, lake, rows)
    return _batches({row["file"]: row for row in rows})


def missing_batches(lake: Lake, known: Mapping[str, File]) -> list[Batch]:
    """The batches whose files are written down and whose rows are not, oldest first.

    Args:
        lake: the lake.
        known: from `known_files`.

    Raises:
        LakeError: bronze.events has a batch that is not written down, or lacks what a replay brought.
    """
    events, rejected = lake.commits(BRONZE_EVENTS), lake.commits(EVENTS_REJECTED)
    _check_replays(lake, events, rejected)
    batches = _batches(known)
    brought = {one.part for one in events.standing if one.metadata["job"] == "ingest_events"}
    if brought - {None, *(batch.part for batch in batches)}:
        raise LakeError(
            f"{BRONZE_EVENTS.name} in {lake.root} has batches that {EVENT_FILES.name} does not name: it was "
            "set back or removed, and their files would be ingested twice.",
            f"Set {EVENT_FILES.name} to its newest rows again with RESTORE TABLE ... TO VERSION AS OF, or "
            "set lake.root to a new lake.",
        )
    missing = {number for commits in (events, rejected) for number in _missing(batches, commits)}
    return [batch for batch in batches if batch.number in missing]


def known_files(lake: Lake) -> dict[str, File]:
    """Rows of bronze.event_files by file name. Needs no Spark."""
    snapshot = lake.find(EVENT_FILES)
    if snapshot is None:
        return {}
    delta = lake.open(EVENT_FILES, snapshot.version)
    assert delta is not None
    nothing = dict.fromkeys(EVENT_FILES.column_names)  # in columns that the table did not always have
    return {row["file"]: {**nothing, **row} for row in pa.table(delta.scan()).to_pylist()}


def replays(commits: Collection[Snapshot]) -> dict[str, Snapshot]:
    """The newest commit of each replay, by the part of bronze.events that it moved rows to."""
    found = [one for one in commits if one.metadata["job"] == "replay_rejected"]
    return {one.part or f"ingest_id={one.metadata['run_id']}": one for one in reversed(found)}


def _check_replays(lake: Lake, events: Commits, rejected: Commits) -> None:
    """Refuse a lake that lacks the rows which a replay took from its rejected events.

    Raises:
        LakeError: bronze.events was set back to before that replay, and the rejected events were not.
    """
    lost = replays(events.undone).keys() - replays(events.standing).keys()
    taken = [one for part, one in replays(rejected.standing).items() if part in lost]
    if taken:
        version = min(one.metadata["inputs"]["rejected"] for one in taken)
        uri = lake.uri(EVENTS_REJECTED)
        raise LakeError(
            f"{BRONZE_EVENTS.name} in {lake.root} was set back to before events were replayed into it, and "
            f"{EVENTS_REJECTED.name} no longer has them.",
            f"Set it back as well: RESTORE TABLE delta.`{uri}` TO VERSION AS OF {version}; then run "
            "ingest_events.",
        )


def _missing(batches: list[Batch], commits: Commits) -> list[int]:
    """Numbers of those without a commit that stands.

    Batches come in order. Where the log no longer reaches back to the table's first commit, those before the
    oldest that it still has are there.
    """
    standing = {one.part for one in commits.standing}
    undone = {one.part for one in commits.undone}
    there = [batch.number for batch in batches if batch.part in standing]
    last = batches[-1].number if batches else 0
    first = 0 if commits.oldest_version == 0 else min(there, default=last)
    return [
        batch.number
        for batch in batches
        if batch.part not in standing and (batch.number >= first or batch.part in undone)
    ]


def _batches(known: Mapping[str, File]) -> list[Batch]:
    rows = sorted(known.values(), key=lambda row: (row["batch"], row["file"]))
    found = []
    for number, group in groupby(rows, key=lambda row: int(row["batch"])):
        files = list(group)
        ingest_id = files[0]["ingest_id"]
        names = tuple(row["file"] for row in files)
        found.append(Batch(number, ingest_id, names, digest([ingest_id, _contents(files)])))
    return found


def _contents(rows: Collection[File]) -> list[tuple[str, int, str | None]]:
    return sorted((row["file"], row["num_bytes"], row["content_hash"]) for row in rows)


def _describe(file: SourceFile, content_hash: str) -> File:
    return {
        "file": file.name,
        "num_bytes": file.size,
        "modified_ns": file.modified_ns,
        "content_hash": content_hash,
    }


def _settled(files: Mapping[str, SourceFile], known: Mapping[str, File], seconds: float) -> list[str]:
    """Names of files of no batch that nobody seems to be writing to; empty ones may yet be filled.

    A file whose time lies in the future has it from elsewhere: to wait for that tells nothing.
    """
    now, wait = time.time_ns(), int(seconds * 1e9)
    new = {name: files[name].modified_ns or 0 for name in files.keys() - known.keys() if files[name].size}
    future = [name for name, modified in new.items() if modified > now + wait]
    if future:
        logger.warning(
            "%d files say that they are written to in the future, and are not waited for", len(future)
        )
    settled = sorted(name for name, modified in new.items() if not now - wait < modified <= now + wait)
    if len(settled) < len(new):
        left = len(new) - len(settled)
        logger.warning("%d files written to in the last %g s are left for the next run", left, seconds)
    return settled


def _accept(
    spark: SparkSession,
    lake: Lake,
    known: Mapping[str, File],
    files: Mapping[str, SourceFile],
    accepted: Collection[str],
) -> dict[str, File]:
    """The known files, those that were written to as they are now, provided that changes are accepted."""
    now = _written_to(known, files)
    changed = {name: row for name, row in now.items() if row["content_hash"] != known[name]["content_hash"]}
    refused = [name for name in changed if not any(fnmatchcase(name, one) for one in accepted)]
    if refused:
        raise _refusal(known, changed, refused)
    if len(changed) < len(now):
        logger.warning("%d files were written anew with the content they had", len(now) - len(changed))
    for number in sorted({known[name]["batch"] for name in changed}):
        logger.warning("batch %d: files that have changed are accepted as they are", number)
    rows = {name: {**row, **now.get(name, {})} for name, row in known.items()}
    for number in sorted({known[name]["batch"] for name in now}):
        _write_down(spark, lake, [row for row in rows.values() if row["batch"] == number])
    return rows


def _written_to(known: Mapping[str, File], files: Mapping[str, SourceFile]) -> dict[str, File]:
    """What those known files are like now that were written to since; no others are read."""
    touched = [
        file
        for name, file in files.items()
        if name in known
        and (
            file.size != known[name]["num_bytes"]
            or (known[name]["content_hash"] is not None and file.modified_ns != known[name]["modified_ns"])
        )
    ]
    return {name: _describe(files[name], hashed) for name, hashed in content_hashes(touched).items()}


def _refusal(known: Mapping[str, File], changed: Mapping[str, File], refused: list[str]) -> SourceError:
    shown = ", ".join(
        f"{name} (batch {known[name]['batch']} found {known[name]['num_bytes']:,} bytes, now "
        f"{'others' if size == known[name]['num_bytes'] else f'{size:,}'})"
        for name in refused[:_SHOWN]
        for size in [changed[name]["num_bytes"]]
    )
    more = "" if len(refused) <= _SHOWN else f" and {len(refused) - _SHOWN:,} more"
    names = ", ".join(f'"{name}"' for name in refused[:_SHOWN])
    return SourceError(
        f"{len(refused):,} files have changed since they were taken: {shown}{more}.",
        "Write what is new to a new file; cleaning drops events that come twice. To go on with these as they "
        f"are, their rows in the lake unchanged, run once with --set 'source.accept_changed=[{names}]'.",
    )


def _write_down(spark: SparkSession, lake: Lake, rows: list[File]) -> None:
    """A batch's files; it replaces what was known of that batch."""
    (batch,) = _batches({row["file"]: row for row in rows})
    ordered = sorted([row[name] for name in EVENT_FILES.column_names] for row in rows)
    frame = spark.createDataFrame(ordered, spark_schema(EVENT_FILES))
    # Two runs that race claim the same part: the later one's files are refused, not ingested twice.
    lineage = Lineage("ingest_events", digest(ordered), "")  # the files' times count as well
    commit(frame, EVENT_FILES, lake, lineage, f"batch={batch.number}")
