"""What other settings made is told to whoever reads it, by the job that mends it."""

import json
import logging
from collections.abc import Callable

import pytest
from deltalake import CommitProperties, write_deltalake

from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lakehouse.job import run_job
from clicksmith.lakehouse.lineage import Lineage, schema_hash
from clicksmith.lakehouse.steps import (
    JUDGED,
    ROAD,
    outdated,
    trace_candidates,
    trace_cleaning,
    trace_gate,
    trace_generator,
    trace_ingest,
    trace_profiles,
    trace_replay,
    trace_training_set,
)
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVALUATION_METRICS,
    ITEM_PROFILES,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_EVENTS,
    SYNTHETIC_CANDIDATES,
    TRAINING_EXAMPLES,
    USER_PROFILES,
    VOCABULARY,
    Table,
)

ARMS = "lift.arms={none: {kind: none}, gan_25: {kind: synthetic, generator: gan, ratio: 0.25}}"
GENERATORS = "generators={gan: {preset: ctgan, max_rows: 200}, smote: {preset: smote}}"
PARTS = "generator=gan, gan.2, gan.3, smote"


@pytest.fixture
def configured(make_config: Callable[..., Config]) -> Callable[..., Config]:
    return lambda *changes: make_config(GENERATORS, ARMS, "lift.num_fits=3", *changes)


def commit(lake: Lake, table: Table, lineage: Lineage, part: str | None = None) -> Snapshot:
    """No rows, as a job of this lineage would commit them."""
    metadata = json.dumps({**lineage.metadata(part), "schema": schema_hash(table)})
    write_deltalake(
        lake.uri(table),
        table.arrow_schema.empty_table(),
        mode="append",
        partition_by=list(table.partition_by) or None,
        commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata}),
    )
    return lake.get(table, part)


def fill(lake: Lake, config: Config) -> None:
    """As the jobs up to the gate do."""
    events = commit(lake, BRONZE_EVENTS, trace_ingest(config, "of a file"))
    clean = commit(lake, SILVER_EVENTS, trace_cleaning(config, {"events": events}))
    for table in (USER_PROFILES, ITEM_PROFILES):
        commit(lake, table, trace_profiles(config, {"events": clean}))
    for table in (SEQUENCES, SEARCH_PAIRS, VOCABULARY, TRAINING_EXAMPLES):
        commit(lake, table, trace_training_set(config, {"events": clean}))
    generate(lake, config)


def generate(lake: Lake, config: Config) -> None:
    examples, candidates = lake.get(TRAINING_EXAMPLES), {}
    for name in config.fits:
        lineage = trace_candidates(config, name, trace_generator(config, name, examples))
        candidates[name] = commit(lake, SYNTHETIC_CANDIDATES, lineage, f"generator={name}")
    commit(lake, EVALUATION_METRICS, trace_gate(config, examples, candidates), JUDGED)


def found(config: Config, lake: Lake, job: str | None = None) -> list[tuple[str, str | None, str]]:
    return [(one.table.name, one.part, one.first) for one in outdated(config, lake, job)]


def test_what_the_jobs_have_just_made_is_as_configured(configured, lake: Lake):
    assert found(configured(), lake) == [], "an empty lake"
    fill(lake, configured())
    assert found(configured(), lake) == []
    assert found(configured("lift.num_seeds=7", "ranker.num_steps=9", "spark.driver_memory=3g"), lake) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("contract.max_rejected_fraction=0.4", [("bronze.events", None, "ingest_events")]),
        ("cleaning.session_gap_minutes=29", [("silver.events", None, "clean_events")]),
        (
            "features.num_negatives=7",
            [
                ("gold.user_profiles", None, "build_profiles"),
                ("gold.training_examples", None, "build_training_set"),
            ],
        ),
        (
            "generators.gan.num_steps=7",
            [("gold.synthetic_candidates", "generator=gan, gan.2, gan.3", "train_generator")],
        ),
        ("synthesis.ratio=0.7", [("gold.synthetic_candidates", PARTS, "train_generator")]),
        ("gate.min_pairs=0.71", [("gold.evaluation_metrics", JUDGED, "evaluate_synthetic")]),
        ("ranker.label=label_click", [("gold.evaluation_metrics", JUDGED, "evaluate_synthetic")]),
    ],
)
def test_a_changed_setting_names_the_job_that_reads_it(configured, lake: Lake, change: str, expected: list):
    base = configured("ranker.label=label_purchase")
    fill(lake, base)
    assert found(configured("ranker.label=label_purchase", change), lake) == expected


def test_of_another_seed_is_everything(configured, lake: Lake):
    fill(lake, configured())
    jobs = tuple(job for *_, job in found(configured("seed=8"), lake))
    assert jobs == tuple(job for job in ROAD[:7] if job != "synthesize_samples")


def test_new_rows_upstream_are_no_fault_and_generated_rows_of_old_ones_are(configured, lake: Lake):
    config = configured()
    fill(lake, config)
    events = commit(lake, BRONZE_EVENTS, trace_ingest(config, "of one more file"))
    assert found(config, lake) == []
    commit(lake, TRAINING_EXAMPLES, trace_training_set(config, {"events": events}))
    assert found(config, lake)[0] == ("gold.synthetic_candidates", PARTS, "train_generator")
    generate(lake, config)
    assert found(config, lake) == []


def test_a_replay_counts_as_the_ingest_and_the_rows_of_others_as_nothing(configured, lake: Lake):
    config = configured()
    commit(lake, BRONZE_EVENTS, trace_replay(config, {}))
    assert found(config, lake) == []
    changed = configured("contract.max_rejected_fraction=0.4")
    assert found(changed, lake) == [("bronze.events", None, "ingest_events")]
    lineage = trace_ingest(changed, "")
    commit(lake, BRONZE_EVENTS, Lineage("loaded by hand", lineage.fingerprint, "c" * 32))
    assert found(changed, lake) == found(config, lake) == []


def test_a_job_is_told_of_what_it_reads_alone(configured, lake: Lake):
    fill(lake, configured())
    other = configured("features.num_negatives=7", "gate.min_pairs=0.71")
    assert found(other, lake, "build_training_set") == [("gold.user_profiles", None, "build_profiles")]
    assert [job for *_, job in found(other, lake, "train_generator")] == [
        "build_profiles",
        "build_training_set",
    ]
    assert found(other, lake, "measure_lift")[-1] == ("gold.evaluation_metrics", JUDGED, "evaluate_synthetic")
    assert not any(found(configured("seed=8"), lake, job) for job in ROAD[:1])


def test_a_job_says_so(configured, lake: Lake, capfd: pytest.CaptureFixture[str]):
    def run(config: Config) -> None:
        pass

    run.__code__ = run.__code__.replace(co_filename="jobs/train_recommender.py")  # whence a job has its name
    fill(lake, configured("seed=42"))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    flags = [f"lake.root={lake.root}", GENERATORS, ARMS, "lift.num_fits=3"]
    told = {}
    for change in ("seed=42", "features.num_negatives=7"):
        assert run_job(run, "A job.", [f"--set={flag}" for flag in (*flags, change)]) == 0
        lines = capfd.readouterr().err.splitlines()
        told[change] = [line.partition("clicksmith: ")[2] for line in lines if "WARNING" in line]
    root.handlers[:], root.level = handlers, level
    why = "was made with another seed or other settings of features than are configured now"
    assert told["seed=42"] == []
    assert told["features.num_negatives=7"] == [
        f"gold.user_profiles {why}: run build_profiles again, and the jobs after it.",
        f"gold.training_examples {why}: run build_training_set again, and the jobs after it.",
    ]
