"""A fingerprint changes with what determines the rows, and with nothing else."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

import clicksmith
from clicksmith.config import Config, load_config
from clicksmith.digest import digest
from clicksmith.errors import LakeError
from clicksmith.lakehouse import lineage
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.lineage import Lineage, began_of, trace
from clicksmith.tables import BRONZE_EVENTS, EVENTS_REJECTED, SILVER_EVENTS, Column

ROOT = Path(__file__).parents[2]


def snapshot(fingerprint: str = "f" * 32) -> Snapshot:
    return Snapshot(BRONZE_EVENTS, "/lake/bronze/events", 3, fingerprint, 10, {})


def clean(config: Config, inputs: Snapshot) -> Lineage:
    return trace("clean_events", config, {"cleaning": config.cleaning}, {"events": inputs})


def test_the_same_inputs_and_settings_give_the_same_run() -> None:
    assert clean(Config(), snapshot()).fingerprint == clean(Config(), snapshot()).fingerprint
    assert len(clean(Config(), snapshot()).fingerprint) == 32


def test_place_and_version_do_not_matter() -> None:
    elsewhere = replace(snapshot(), uri="s3a://bucket/bronze/events", version=99, num_rows=None)
    config = load_config(None, ["lake.root=s3a://bucket", "spark.shuffle_partitions=64"])
    assert clean(config, elsewhere).fingerprint == clean(Config(), snapshot()).fingerprint


@pytest.mark.parametrize("override", ["seed=1", "cleaning.session_gap_minutes=29"])
def test_seed_and_settings_matter(override: str) -> None:
    assert (
        clean(load_config(None, [override]), snapshot()).fingerprint
        != clean(Config(), snapshot()).fingerprint
    )


def test_settings_of_other_jobs_do_not_matter() -> None:
    other = load_config(None, ["lift.num_seeds=9"])
    assert clean(other, snapshot()).fingerprint == clean(Config(), snapshot()).fingerprint


def test_input_job_and_its_revision_matter_and_the_release_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    base = clean(Config(), snapshot()).fingerprint
    assert clean(Config(), snapshot("e" * 32)).fingerprint != base
    wider = replace(
        BRONZE_EVENTS, columns=(*BRONZE_EVENTS.columns, Column("new", pa.string(), nullable=True))
    )
    assert clean(Config(), replace(snapshot(), table=wider)).fingerprint != base, "a new column is read, too"
    renamed = trace("other", Config(), {"cleaning": Config().cleaning}, {"events": snapshot()})
    assert renamed.fingerprint != base
    extra = trace(
        "clean_events", Config(), {"cleaning": Config().cleaning}, {"events": snapshot()}, {"model": "1"}
    )
    assert extra.fingerprint != base
    monkeypatch.setattr(clicksmith, "__version__", "99")
    assert clean(Config(), snapshot()).fingerprint == base, "else every release trains every model anew"
    monkeypatch.setattr(lineage, "REVISIONS", {**lineage.REVISIONS, "build_profiles": 99})
    assert clean(Config(), snapshot()).fingerprint == base
    monkeypatch.setattr(lineage, "REVISIONS", {**lineage.REVISIONS, "clean_events": 99})
    assert clean(Config(), snapshot()).fingerprint != base


def test_every_job_that_leaves_a_fingerprint_has_a_revision() -> None:
    code = "".join(path.read_text() for folder in ("lib", "jobs") for path in (ROOT / folder).rglob("*.py"))
    named = set(re.findall(r'\btrace\(\s*f?"([a-z_]+)', code))
    named |= {"replay_rejected", "evaluate_synthetic", "measure_lift"}  # by a constant
    assert named == set(lineage.REVISIONS)


def test_a_commit_of_other_columns_is_of_another_run() -> None:
    made = clean(Config(), snapshot())
    schema = lineage.schema_hash(BRONZE_EVENTS)
    assert made.made(replace(snapshot(made.fingerprint), metadata={"schema": schema}))
    fewer = replace(BRONZE_EVENTS, columns=BRONZE_EVENTS.columns[:-1])
    assert not made.made(replace(snapshot(made.fingerprint), table=fewer, metadata={"schema": schema}))
    assert not made.made(None)


def test_metadata_names_job_config_and_input_versions() -> None:
    run = clean(Config(), snapshot())
    metadata = run.metadata("kind=x", {"read": 3})
    assert metadata["job"] == "clean_events"
    assert metadata["inputs"] == {"events": 3}
    assert metadata["part"] == "kind=x"
    assert metadata["counts"] == {"read": 3}
    assert metadata["run_id"] == run.fingerprint[:16]
    assert metadata["config_hash"] == run.config_hash
    assert metadata["library_version"] == clicksmith.__version__


def test_digest_ignores_the_order_of_keys() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def test_missing_table_names_the_remedy(lake: Lake) -> None:
    assert lake.find(SILVER_EVENTS) is None
    assert lake.open(SILVER_EVENTS) is None
    with pytest.raises(LakeError) as caught:
        lake.get(SILVER_EVENTS)
    assert str(caught.value) == (
        f"silver.events was not found in the lake {lake.root}. "
        "Run the jobs before this one first, or set lake.root to the right lake."
    )
    with pytest.raises(LakeError, match=r"silver\.events \(kind=x\) was not found"):
        lake.get(SILVER_EVENTS, "kind=x")


def test_a_broken_table_is_one_clear_error(lake: Lake) -> None:
    log = Path(lake.uri(SILVER_EVENTS)) / "_delta_log"
    log.mkdir(parents=True)
    (log / f"{0:020d}.json").write_bytes(b"\x00garbage")
    with pytest.raises(LakeError, match=r"Opening silver\.events at .* failed: "):
        lake.find(SILVER_EVENTS)


def test_commits_of_others_are_not_runs_of_ours(lake: Lake) -> None:
    write_deltalake(lake.uri(SILVER_EVENTS), pa.table({"a": [1]}))
    assert lake.open(SILVER_EVENTS) is not None
    assert lake.find(SILVER_EVENTS) is None


def test_roots() -> None:
    assert Lake("s3a://bucket/x/").uri(SILVER_EVENTS) == "s3a://bucket/x/silver/events"
    assert Lake("relative").uri(SILVER_EVENTS).endswith("/relative/silver/events")
    assert Lake("relative").root.startswith("/")


def test_a_run_begins_once(lake: Lake) -> None:
    """What a killed run wrote down is what the next one holds times against; another run has its own."""
    part = "ingest_id=b"
    run = trace("ingest_events", Config(), {})
    first = run.begun(lake, EVENTS_REJECTED, part)
    assert first.began is not None and abs((datetime.now(UTC) - first.began).total_seconds()) < 60
    assert first.fingerprint == run.fingerprint
    earlier = replace(run, began=datetime(2026, 3, 1, 12, 30, 0, 123456, UTC))
    metadata = {"userMetadata": json.dumps(earlier.metadata(part))}
    rows = EVENTS_REJECTED.arrow_schema.empty_table()
    write_deltalake(lake.uri(EVENTS_REJECTED), rows, commit_properties=CommitProperties(metadata))
    assert run.begun(lake, EVENTS_REJECTED, part) == earlier
    assert began_of(lake.get(EVENTS_REJECTED)) == earlier.began
    another = replace(run, fingerprint="0" * 32)
    assert another.begun(lake, EVENTS_REJECTED, part).began != earlier.began
