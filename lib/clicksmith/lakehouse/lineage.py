"""What a job reads, writes and depends on, as one fingerprint. Needs no Spark.

A fingerprint is a hash over the job's name and revision, the sections of the
configuration that it reads, and the fingerprints and columns of its inputs. It does not depend
on paths, times or version numbers, the library's included, so the same inputs and
configuration give the same ids and rows in any lake, and a new release repeats only
the jobs whose rows it changes.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import clicksmith
from clicksmith.config import Config
from clicksmith.digest import digest, plain
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.tables import Table

REVISIONS: Mapping[str, int] = {
    "ingest_events": 1,
    "replay_rejected": 1,
    "clean_events": 1,
    "build_profiles": 1,
    "build_training_set": 5,
    "train_generator": 4,
    "synthesize_samples": 2,
    "evaluate_synthetic": 8,
    "publish_samples": 1,
    "train_recommender": 4,
    "score_candidates": 1,
    "measure_lift": 8,
    "simulate_events": 1,
}
"""Of each job's code: raise one whenever the same inputs and settings give other rows or another model. Jobs
that read what it writes follow by themselves, and a table's columns count by themselves."""


@dataclass(frozen=True)
class Lineage:
    """One run of one job: what determines its rows.

    Attributes:
        job: the job's name.
        fingerprint: 32 hex digits over everything below, the seed and the job's revision.
        config_hash: of the sections that the job reads.
        inputs: snapshots read, by name.
        settings: the sections themselves, for cards and reports.
        asked_hash: of the settings of this job and of all that made its inputs, whatever their rows; None: of
            an input that is not known.
        began: the moment that the run holds events' times against, where it does; see `begun`.
    """

    job: str
    fingerprint: str
    config_hash: str
    inputs: Mapping[str, Snapshot] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    asked_hash: str | None = None
    began: datetime | None = None

    @property
    def run_id(self) -> str:
        """A short name of this run, unique to its inputs and configuration."""
        return self.fingerprint[:16]

    @property
    def input_versions(self) -> dict[str, int]:
        """Delta version of each input."""
        return {name: snapshot.version for name, snapshot in self.inputs.items()}

    def metadata(self, part: str | None = None, counts: Mapping[str, int] | None = None) -> dict[str, Any]:
        """What a commit records of this run; `counts` says where each row read went."""
        return {
            "job": self.job,
            "part": part,
            "run_id": self.run_id,
            "fingerprint": self.fingerprint,
            "config_hash": self.config_hash,
            "asked_hash": self.asked_hash,
            "inputs": self.input_versions,
            "input_tables": {name: snapshot.table.name for name, snapshot in self.inputs.items()},
            "counts": dict(counts or {}),
            "began": None if self.began is None else self.began.isoformat(),
            "library_version": clicksmith.__version__,
        }

    def begun(self, lake: Lake, table: Table, part: str | None = None) -> "Lineage":
        """The run with the moment at which it began: now, or what its first commit wrote down.

        A run that was killed and is run again thus comes to the same rows, whenever that is.

        Args:
            lake: the lake.
            table: that the run commits first of those whose rows depend on the moment.
            part: of the table.
        """
        found = lake.find(table, part)
        is_own = found is not None and found.fingerprint == self.fingerprint
        return replace(self, began=(began_of(found) if is_own else None) or datetime.now(UTC))

    def made(self, snapshot: Snapshot | None) -> bool:
        """Whether a commit is of this run, with the columns that its table is declared to have now."""
        return (
            snapshot is not None
            and snapshot.fingerprint == self.fingerprint
            and snapshot.metadata.get("schema") == schema_hash(snapshot.table)
        )

    def is_committed(self, lake: Lake, *tables: Table, part: str | None = None) -> bool:
        """Whether each table's newest commit (to the part) is of this run."""
        return all(self.made(lake.find(table, part)) for table in tables)


def schema_hash(table: Table) -> str:
    """A hash over the columns that a table is declared to have; each commit carries it."""
    return digest([[column.name, str(column.type)] for column in table.columns])


def began_of(snapshot: Snapshot | None) -> datetime | None:
    """The moment at which the run of a commit began, where it was written down."""
    began = None if snapshot is None else snapshot.metadata.get("began")
    return None if began is None else datetime.fromisoformat(began)


def trace(
    job: str,
    config: Config,
    sections: Mapping[str, Any],
    inputs: Mapping[str, Snapshot] | None = None,
    extra_inputs: Mapping[str, str] | None = None,
) -> Lineage:
    """The lineage of a run.

    Args:
        job: the job's name.
        config: for its seed.
        sections: the parts of the configuration that change the rows, by name.
        inputs: the snapshots that it reads.
        extra_inputs: fingerprints of inputs that are no tables, e.g. source files or models.
    """
    inputs = inputs or {}
    settings = _settings(config, sections)
    config_hash = digest(settings)
    asked_hash = asked(config, sections, {name: asked_of(snapshot) for name, snapshot in inputs.items()})
    content = [
        job,
        REVISIONS.get(job.split("/")[0], 0),
        config_hash,
        {name: [snapshot.fingerprint, schema_hash(snapshot.table)] for name, snapshot in inputs.items()},
        dict(extra_inputs or {}),
    ]
    return Lineage(job, digest(content), config_hash, inputs, settings, asked_hash)


def asked(config: Config, sections: Mapping[str, Any], inputs: Mapping[str, str | None]) -> str | None:
    """The hash of a job's settings and of those that made its inputs, from their own such hashes."""
    return None if None in inputs.values() else digest([_settings(config, sections), dict(inputs)])


def asked_of(snapshot: Snapshot) -> str | None:
    """Of what a commit made; None: it was made before commits told."""
    found: str | None = snapshot.metadata.get("asked_hash")
    return found


def _settings(config: Config, sections: Mapping[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = json.loads(json.dumps({"seed": config.seed, **sections}, default=plain))
    return settings
