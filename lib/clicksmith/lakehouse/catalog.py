"""Which tables a lake holds, at which version, and what made them. Needs no Spark.

Every commit of ours carries user metadata: the job, the part of the table that it
wrote, and a fingerprint of everything that determines the rows. A job is done when
the newest commit of each of its outputs carries its fingerprint.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from clicksmith.config import Config
from clicksmith.errors import LakeError
from clicksmith.errors.explain import doing
from clicksmith.lakehouse import storage
from clicksmith.tables import ALL_TABLES, JOB_RUNS, Table

_MEND = (
    "If a file of its _delta_log is damaged, put a copy back; or remove the table, and run the jobs that "
    "make it again."
)


@dataclass(frozen=True)
class Snapshot:
    """One table, or one part of it, at one version.

    Attributes:
        table: the declared table.
        uri: where it lies.
        version: the Delta version to read, pinned.
        fingerprint: of what made the rows.
        num_rows: rows that the commit brought, or None where unknown.
        metadata: the commit's user metadata.
        commit_version: the version that the commit made.
    """

    table: Table
    uri: str
    version: int
    fingerprint: str
    num_rows: int | None
    metadata: dict[str, Any]
    commit_version: int = 0

    @property
    def part(self) -> str | None:
        """What the commit replaced, as `commit` names a part of a table; None: all of it."""
        part: str | None = self.metadata.get("part")
        return part


@dataclass(frozen=True)
class Commits:
    """Our commits to a table, as far back as its log goes, each newest first.

    Attributes:
        standing: those whose rows count.
        undone: the others: void, or undone by a RESTORE.
        oldest_version: of the log; Delta drops entries that are older than 30 days, and then it is not 0.
    """

    standing: tuple[Snapshot, ...] = ()
    undone: tuple[Snapshot, ...] = ()
    oldest_version: int = 0


class Lake:
    """A lake's root and the tables in it.

    Args:
        root: a local path or an s3a://, abfss:// or gs:// URI.
    """

    def __init__(self, root: str) -> None:
        self.root = root if "://" in root else str(Path(root).absolute())

    @classmethod
    def of(cls, config: Config) -> "Lake":
        """The lake that a configuration names."""
        return cls(config.lake.root)

    def uri(self, table: Table) -> str:
        """Where a table lies: ROOT/layer/table."""
        layer, name = table.name.split(".")
        return storage.join(self.root, layer, name)

    @property
    def places(self) -> dict[str, str]:
        """The names of all tables by where they lie."""
        return {self.uri(table): table.name for table in (*ALL_TABLES, JOB_RUNS)}

    def open(self, table: Table, version: int | None = None) -> DeltaTable | None:
        """The table through delta-rs, or None where it does not exist."""
        uri = self.uri(table)
        with doing(f"Opening {table.name} at {uri}", remedy=_MEND):
            try:
                return DeltaTable(uri, version=version)
            except TableNotFoundError:
                return None

    def find(self, table: Table, part: str | None = None, version: int | None = None) -> Snapshot | None:
        """The newest commit of ours to a table, or to a part of it.

        Args:
            table: the table.
            part: ``column=value`` of a table that several runs share, or None.
            version: look no further than this one; None looks from the newest.

        Returns:
            The snapshot, pinned to that version, or None where there is none.

        Raises:
            LakeError: the table cannot be opened, or something else has written rows to it after that commit.
        """
        delta = self.open(table)
        if delta is None:
            return None
        version = sound_version(delta) if version is None else version
        foreign: dict[str, Any] | None = None
        for commit, stands in _history(delta, version):
            metadata = _user_metadata(commit)
            if not stands:
                continue
            if metadata is None:
                foreign = commit if commit.get("operation") in _WRITES else foreign
            elif part is None or metadata.get("part") == part:
                if foreign is not None:
                    raise self._written_by_others(table, foreign)
                return self._snapshot(table, version, commit, metadata)
        return None

    def commits(self, table: Table) -> Commits:
        """All our commits to a table; none where it does not exist.

        Raises:
            LakeError: as `find` does.
        """
        delta = self.open(table)
        if delta is None:
            return Commits()
        self.find(table)
        sound, oldest = sound_version(delta), delta.version()
        found: dict[bool, list[Snapshot]] = {True: [], False: []}
        for commit, stands in _history(delta, delta.version()):
            oldest = commit["version"]
            metadata = _user_metadata(commit)
            if metadata is not None:
                found[stands].append(self._snapshot(table, sound, commit, metadata))
        return Commits(tuple(found[True]), tuple(found[False]), oldest)

    def _snapshot(
        self, table: Table, version: int, commit: dict[str, Any], metadata: dict[str, Any]
    ) -> Snapshot:
        return Snapshot(
            table=table,
            uri=self.uri(table),
            version=version,
            fingerprint=metadata["fingerprint"],
            num_rows=_rows_brought(commit),
            metadata=metadata,
            commit_version=commit["version"],
        )

    def _written_by_others(self, table: Table, commit: dict[str, Any]) -> LakeError:
        uri, version = self.uri(table), commit["version"]
        return LakeError(
            f"{table.name} at {uri}: version {version} ({commit['operation']}) was not written by "
            "clicksmith.",
            f"Set it back with RESTORE TABLE delta.`{uri}` TO VERSION AS OF {version - 1}, and keep other "
            "writers out.",
        )

    def count_rows(self, snapshot: Snapshot, part: str | None = None) -> int:
        """Rows of a table at the snapshot's version, or of a partition of it, by its files' statistics."""
        delta = self.open(snapshot.table, snapshot.version)
        assert delta is not None
        files = pa.table(delta.get_add_actions(flatten=True))
        if part is not None:
            column, _, value = part.partition("=")
            files = files.filter(pc.equal(files[f"partition.{column}"].cast(pa.string()), value))
        return int(pc.sum(files["num_records"]).as_py() or 0)

    def get(self, table: Table, part: str | None = None) -> Snapshot:
        """Like `find`, but a missing table is an error that names the remedy."""
        snapshot = self.find(table, part)
        if snapshot is None:
            what = table.name if part is None else f"{table.name} ({part})"
            raise LakeError(
                f"{what} was not found in the lake {self.root}.",
                "Run the jobs before this one first, or set lake.root to the right lake.",
            )
        return snapshot


_WRITES = ("WRITE", "MERGE", "DELETE", "UPDATE", "STREAMING UPDATE", "TRUNCATE", "COPY INTO")
"""Operations that change rows; those of maintenance do not."""


def _history(delta: DeltaTable, version: int) -> Iterator[tuple[dict[str, Any], bool]]:
    """Commits up to a version, newest first, and whether each counts: not undone by a RESTORE, nor void."""
    newest = version
    for commit in _log(delta):
        if commit["version"] > version:
            continue
        stands = commit["version"] <= newest and not _is_void(commit)
        yield commit, stands
        if stands and commit.get("operation") == "RESTORE":
            newest = _restored_version(delta, commit)


def _log(delta: DeltaTable) -> Iterator[dict[str, Any]]:
    """Entries of the log, newest first, read only as far as they are asked for.

    Of a table opened at its newest version: of another one, delta-rs numbers them wrongly.
    """
    oldest, limit, is_more = delta.version() + 1, 8, True
    while is_more and oldest > 0:
        is_more = False
        for commit in delta.history(limit):
            if commit["version"] < oldest:
                oldest, is_more = commit["version"], True
                yield commit
        limit *= 8


def _restored_version(delta: DeltaTable, commit: dict[str, Any]) -> int:
    """The version that a RESTORE went back to.

    One by time names none. Clocks and time zones of others are no guide, the files are: it is the newest
    earlier version that consists of the same ones.
    """
    version = commit["operationParameters"].get("version")
    if version is not None:
        return int(version)
    try:
        files = _files(delta, commit["version"])
        for earlier in range(commit["version"] - 1, -1, -1):
            if _files(delta, earlier) == files:
                return earlier
    except Exception as error:  # delta-rs has no one class for a log that does not reach back so far
        raise _unknown_restore(delta, commit) from error
    raise _unknown_restore(delta, commit)


def _files(delta: DeltaTable, version: int) -> set[str]:
    return set(DeltaTable(delta.table_uri, version=version).file_uris())


def _unknown_restore(delta: DeltaTable, commit: dict[str, Any]) -> LakeError:
    moment = commit["operationParameters"].get("timestamp")
    return LakeError(
        f"The table at {delta.table_uri} was set back to {moment} by version {commit['version']}, and no "
        "earlier version with the same files is left in its log.",
        f"Say which version that was, with RESTORE TABLE delta.`{delta.table_uri}` TO VERSION AS OF N.",
    )


def sound_version(delta: DeltaTable) -> int:
    """A table's version, or the one before void commits on top of it: -1 where there are no others.

    Maintenance of a void commit makes it no better.
    """
    version: int = delta.version()
    for commit in _log(delta):
        if _is_void(commit):
            version = commit["version"] - 1
        elif _user_metadata(commit) is not None or commit.get("operation") in (*_WRITES, "RESTORE"):
            break
    return version


def _is_void(commit: dict[str, Any]) -> bool:
    """Whether a commit of ours brought more or fewer rows than it says it must: then it does not count."""
    expected = (_user_metadata(commit) or {}).get("expected_rows")
    brought = _rows_brought(commit)
    return expected is not None and brought is not None and brought != expected


def _rows_brought(commit: dict[str, Any]) -> int | None:
    """Rows written, without those of other parts that lay in the same files and were copied."""
    metrics = commit.get("operationMetrics", {})
    written = metrics.get("numOutputRows")
    return None if written is None else int(written) - int(metrics.get("numCopiedRows", 0))


def models_root(config: Config) -> str:
    """Where runs, generators and recommenders lie: ray.storage_path, or _models in the lake."""
    return config.ray.storage_path or storage.join(Lake.of(config).root, "_models")


def _user_metadata(commit: dict[str, Any]) -> dict[str, Any] | None:
    try:
        metadata = json.loads(commit.get("userMetadata") or "")
    except json.JSONDecodeError:
        return None
    return metadata if isinstance(metadata, dict) and "fingerprint" in metadata else None
