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
from clicksmith.lakehouse import storage
from clicksmith.tables import ALL_TABLES, JOB_RUNS, Table


@dataclass(frozen=True)
class Snapshot:
    """One table, or one part of it, at one version.

    Attributes:
        table: the declared table.
        uri: where it lies.
        version: the Delta version to read, pinned.
        fingerprint: of what made the rows.
        num_rows: rows that the commit wrote, or None where unknown.
        metadata: the commit's user metadata.
    """

    table: Table
    uri: str
    version: int
    fingerprint: str
    num_rows: int | None
    metadata: dict[str, Any]


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
        try:
            return DeltaTable(uri, version=version)
        except TableNotFoundError:
            return None
        except Exception as error:
            raise LakeError(
                f"Cannot open {table.name} at {uri}: {str(error).splitlines()[0]}.",
                "If a file of its _delta_log is damaged, put a copy back; or remove the table, and run "
                "the jobs that make it again.",
            ) from error

    def find(self, table: Table, part: str | None = None) -> Snapshot | None:
        """The newest commit of ours to a table, or to a part of it.

        Args:
            table: the table.
            part: ``column=value`` of a table that several runs share, or None.

        Returns:
            The snapshot, pinned to the table's newest version, or None where there is none.

        Raises:
            LakeError: the table cannot be opened, or something else has written rows to it after that commit.
        """
        delta = self.open(table)
        if delta is None:
            return None
        foreign: dict[str, Any] | None = None
        for commit in _history(delta):
            metadata = _user_metadata(commit)
            if metadata is None:
                foreign = commit if commit.get("operation") in _WRITES else foreign
            elif part is None or metadata.get("part") == part:
                if foreign is not None:
                    raise self._written_by_others(table, foreign)
                rows = commit.get("operationMetrics", {}).get("numOutputRows")
                return Snapshot(
                    table=table,
                    uri=self.uri(table),
                    version=delta.version(),
                    fingerprint=metadata["fingerprint"],
                    num_rows=None if rows is None else int(rows),
                    metadata=metadata,
                )
        return None

    def _written_by_others(self, table: Table, commit: dict[str, Any]) -> LakeError:
        uri, version = self.uri(table), commit["version"]
        return LakeError(
            f"{table.name} at {uri}: version {version} ({commit['operation']}) was not written by "
            "clicksmith.",
            f"Set it back with RESTORE TABLE delta.`{uri}` TO VERSION AS OF {version - 1}, and keep other "
            "writers out.",
        )

    def count_rows(self, snapshot: Snapshot) -> int:
        """Rows of the whole table at the snapshot's version, from its files' statistics."""
        delta = self.open(snapshot.table, snapshot.version)
        assert delta is not None
        files = pa.table(delta.get_add_actions(flatten=True))
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


def _history(delta: DeltaTable) -> Iterator[dict[str, Any]]:
    """Commits, newest first, without those that a RESTORE has undone."""
    newest = delta.version()
    for commit in delta.history():
        if commit["version"] > newest:
            continue
        yield commit
        if commit.get("operation") == "RESTORE":
            newest = int(commit["operationParameters"]["version"])


def models_root(config: Config) -> str:
    """Where runs, generators and recommenders lie: ray.storage_path, or _models in the lake."""
    return config.ray.storage_path or storage.join(Lake.of(config).root, "_models")


def _user_metadata(commit: dict[str, Any]) -> dict[str, Any] | None:
    try:
        metadata = json.loads(commit.get("userMetadata") or "")
    except json.JSONDecodeError:
        return None
    return metadata if isinstance(metadata, dict) and "fingerprint" in metadata else None
