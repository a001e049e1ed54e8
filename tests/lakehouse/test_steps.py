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
    outdated,
    read_by,
    trace_candidates,
    trace_cleaning,
    trace_gate,
    trace_generator,
    trace_ingest,
    trace_profiles,
    trace_publishing,
    trace_replay,
    trace_training_set,
)
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVALUATION_METRICS,
    ITEM_PROFILES,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_EVENTS,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    TRAINING_EXAMPLES,
    USER_PROFILES,
    VOCABULARY,
    Table,
)

ARMS = "lift.arms={none: {kind: none}, gan_25: {kind: synthetic, generator: gan, ratio: 0.25}}"
GENERATORS = "generators={gan: {preset: ctgan, max_rows: 200}, smote: {preset: smote}}"
LABEL = "ranker.label=label_purchase"
INGEST = ("bronze.events", "ingest_events")
CLEAN = ("silver.events", "clean_events")
TRAINING_SET = ("gold.training_examples", "build_training_set")
GENERATE = ("gold.synthetic_candidates (generator=gan)", "train_generator")
JUDGE = (f"gold.evaluation_metrics ({JUDGED})", "evaluate_synthetic")


@pytest.fixture
def configured(make_config: Callable[..., Config]) -> Callable[..., Config]:
    return lambda *changes: make_config(GENERATORS, ARMS, LABEL, "lift.num_fits=3", *changes)


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


def ingest(lake: Lake, config: Config, content: str = "of a file") -> None:
    for table in (BRONZE_ITEMS, BRONZE_USERS, BRONZE_EVENTS):
        commit(lake, table, trace_ingest(config, content))


def clean(lake: Lake, config: Config) -> None:
    commit(lake, SILVER_EVENTS, trace_cleaning(config, {"events": lake.get(BRONZE_EVENTS)}))


def build(lake: Lake, config: Config) -> None:
    tables = {"events": SILVER_EVENTS, "items": BRONZE_ITEMS, "users": BRONZE_USERS}
    inputs = {name: lake.get(table) for name, table in tables.items()}
    for table in (USER_PROFILES, ITEM_PROFILES):
        commit(lake, table, trace_profiles(config, inputs))
    for table in (SEQUENCES, SEARCH_PAIRS, VOCABULARY, TRAINING_EXAMPLES):
        commit(lake, table, trace_training_set(config, inputs))


def generate(lake: Lake, config: Config) -> None:
    examples = lake.get(TRAINING_EXAMPLES)
    for name in config.fits:
        lineage = trace_candidates(config, name, trace_generator(config, name, examples))
        commit(lake, SYNTHETIC_CANDIDATES, lineage, f"generator={name}")


def judge(lake: Lake, config: Config) -> None:
    candidates = {name: lake.get(SYNTHETIC_CANDIDATES, f"generator={name}") for name in config.fits}
    lineage = trace_gate(config, {"examples": lake.get(TRAINING_EXAMPLES)}, candidates)
    commit(lake, EVALUATION_METRICS, lineage, JUDGED)
    for name, found in candidates.items():
        commit(lake, SYNTHETIC_EXAMPLES, trace_publishing(config, name, found, True), f"generator={name}")


STEPS = (ingest, clean, build, generate, judge)


def fill(lake: Lake, config: Config) -> None:
    """As the jobs up to the gate do."""
    for step in STEPS:
        step(lake, config)


def found(config: Config, lake: Lake, job: str = "measure_lift") -> list[tuple[str, str]]:
    return [(one.what, one.job) for one in outdated(config, lake, read_by(config, job))]


def test_what_the_jobs_have_just_made_is_as_configured(configured, lake: Lake):
    assert found(configured(), lake) == [], "an empty lake"
    fill(lake, configured())
    for job in ("clean_events", "build_training_set", "evaluate_synthetic", "train_recommender"):
        assert read_by(configured(), job) and found(configured(), lake, job) == []
    assert found(configured("lift.num_seeds=7", "ranker.num_steps=9", "spark.driver_memory=3g"), lake) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("contract.max_price=7", [INGEST]),
        ("cleaning.session_gap_minutes=29", [CLEAN]),
        ("features.num_negatives=7", [TRAINING_SET]),
        ("generators.gan.num_steps=7", [GENERATE]),
        ("synthesis.ratio=0.7", [GENERATE]),
        ("gate.min_pairs=0.71", [JUDGE]),
        ("ranker.label=label_click", [JUDGE]),
        ("seed=8", [INGEST, JUDGE]),
        # Of no interest: no arm takes its rows.
        ("generators.smote.max_rows=300", []),
        ("generators.more={preset: independent}", []),
        ("synthesis.sequence_mix=[{share: 0.5, where: {num_events: 3}}]", []),
    ],
)
def test_a_changed_setting_names_the_job_to_begin_with(configured, lake: Lake, change: str, expected: list):
    fill(lake, configured())
    changed = configured(change)
    assert found(changed, lake) == expected
    fill(lake, changed)
    assert found(changed, lake) == [] and (not expected or found(configured(), lake) == expected)


def test_profiles_are_read_where_the_next_item_model_is_told_of_them(configured, lake: Lake):
    """The training set was built anew with another cut, the profiles were not."""
    told = ("sequential.user_features=[gender]", "sequential.item_attributes=[brand]")
    old, new = configured(*told), configured("features.cut_fraction=0.6", *told)
    fill(lake, old)
    inputs = {
        "events": lake.get(SILVER_EVENTS),
        "items": lake.get(BRONZE_ITEMS),
        "users": lake.get(BRONZE_USERS),
    }
    for table in (SEQUENCES, SEARCH_PAIRS, VOCABULARY, TRAINING_EXAMPLES):
        commit(lake, table, trace_training_set(new, inputs))
    for job in ("measure_lift", "train_recommender", "score_candidates", "export_recommender"):
        assert ("gold.item_profiles", "build_profiles") in found(new, lake, job)
        blind = configured("features.cut_fraction=0.6")
        assert "build_profiles" not in dict(map(reversed, found(blind, lake, job)))
    users = configured("features.cut_fraction=0.6", told[0])
    assert ("gold.user_profiles", "build_profiles") in found(users, lake)


def test_a_road_that_was_left_half_way(configured, lake: Lake):
    """What was made before a step was run again is of the settings that it had then."""
    old, new = configured(), configured("cleaning.session_gap_minutes=29")
    fill(lake, old)
    clean(lake, new)
    assert found(new, lake) == [TRAINING_SET] and found(new, lake, "build_training_set") == []
    build(lake, new)
    assert found(new, lake) == [GENERATE]
    generate(lake, new)
    assert found(new, lake) == [("gold.synthetic_examples (generator=gan)", "evaluate_synthetic")]
    judge(lake, new)
    assert found(new, lake) == []


def test_new_rows_are_no_other_settings(configured, lake: Lake):
    fill(lake, configured())
    for step in STEPS[:3]:
        step(lake, configured(), *(("of one more file",) if step is ingest else ()))
        assert found(configured(), lake) == []


def test_batches_are_of_the_rules_of_their_day(configured, lake: Lake):
    mapping = "events: {path: /logs, format: jsonl, columns: {item_id: sku}}"
    files = f"source={{name: files, incremental: true, {mapping}}}"
    fill(lake, configured(files))
    changed = configured(files, "contract.max_price=7")
    assert found(changed, lake) == []
    ingest(lake, changed, "of one more batch")
    commit(lake, BRONZE_EVENTS, trace_replay(changed, {}))
    clean(lake, changed)
    assert found(changed, lake) == [] and found(configured(files), lake) == []
    assert found(configured(files, "cleaning.session_gap_minutes=29"), lake) == [CLEAN]


def test_what_tells_of_no_settings_is_not_blamed(configured, lake: Lake):
    """Of an earlier release, or loaded by hand; and all that was made from it."""
    config = configured()
    fill(lake, config)
    lineage = trace_ingest(config, "of a file")
    for table in (BRONZE_ITEMS, BRONZE_USERS, BRONZE_EVENTS):
        commit(lake, table, Lineage("loaded by hand", lineage.fingerprint, "c" * 32))
    for step in STEPS[1:]:
        step(lake, config)
    assert lake.get(TRAINING_EXAMPLES).metadata["asked_hash"] is None
    assert lake.get(SYNTHETIC_EXAMPLES, "generator=gan").metadata["asked_hash"] is None
    assert found(configured("features.num_negatives=7"), lake) == []


def test_what_is_damaged_is_for_the_job_that_reads_it(configured, lake: Lake):
    fill(lake, configured())
    changed = configured("features.num_negatives=7")
    write_deltalake(lake.uri(SILVER_EVENTS), SILVER_EVENTS.arrow_schema.empty_table(), mode="append")
    assert found(changed, lake) == [TRAINING_SET] and found(changed, lake, "build_training_set") == []


def test_a_job_says_so(configured, lake: Lake, capfd: pytest.CaptureFixture[str]):
    def run(config: Config) -> None:
        pass

    run.__code__ = run.__code__.replace(co_filename="jobs/train_generator.py")  # whence a job has its name
    fill(lake, configured("seed=42"))
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    flags = [f"lake.root={lake.root}", GENERATORS, ARMS, LABEL, "lift.num_fits=3"]
    told = {}
    for change in ("seed=42", "features.num_negatives=7"):
        assert run_job(run, "A job.", [f"--set={flag}" for flag in (*flags, change)]) == 0
        lines = capfd.readouterr().err.splitlines()
        told[change] = [line.partition("clicksmith: ")[2] for line in lines if "WARNING" in line]
    root.handlers[:], root.level = handlers, level
    assert told["seed=42"] == []
    assert told["features.num_negatives=7"] == [
        "gold.training_examples was made with other settings (seed, features, or those of what it was made "
        "from) than are configured now: run build_training_set again, and the jobs after it."
    ]
