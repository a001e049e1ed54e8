"""Care changes files, never rows, nor what is pinned, nor what jobs take for done."""

import shutil
from pathlib import Path

import pytest

import clean_events
import ingest_events
import maintain_tables
from clicksmith.config import Config, load_config
from clicksmith.errors import ConfigError
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lakehouse.maintenance import maintain, pinned_versions
from clicksmith.lakehouse.runs import record_run
from clicksmith.tables import BRONZE_EVENTS, JOB_RUNS, SILVER_EVENTS
from faults import clicks

pytestmark = pytest.mark.spark


def config_of(lake: Path, source: Path) -> Config:
    settings = clicks.settings(lake, source, incremental=True)
    one_by_one = settings[1].replace('"incremental": true', '"incremental": true, "max_files": 1')
    config = load_config(None, [settings[0], one_by_one, *settings[2:]])
    # No day is waited for here: a configuration cannot ask for less.
    at_once = config.maintenance.model_copy(update={"retention_days": 0.0})
    return config.model_copy(update={"maintenance": at_once})


@pytest.fixture(scope="module")
def used(spark, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of files and of a lake that was cleaned twice, with other rules, after three batches."""
    folder = tmp_path_factory.mktemp("used")
    clicks.write_clicks(folder / "in", 300, num_files=3)
    config = config_of(folder / "lake", folder / "in")
    for _ in range(3):
        with record_run("ingest_events", config):
            ingest_events.run(config)
    clean_events.run(config)
    clean_events.run(config.model_copy(update={"cleaning": type(config.cleaning)(session_gap_minutes=7)}))
    return folder


@pytest.fixture
def config(used: Path, tmp_path: Path) -> Config:
    """Of a copy of that lake."""
    shutil.copytree(used / "lake", tmp_path / "lake")
    return config_of(tmp_path / "lake", used / "in")


def care(spark, config: Config) -> None:
    """What the job does, for three tables: each takes seconds."""
    lake = Lake.of(config)
    pinned = pinned_versions(lake, config)
    for table in (BRONZE_EVENTS, SILVER_EVENTS, JOB_RUNS):
        assert maintain(spark, lake, table, config.maintenance, pinned) is not None


def files(lake: Lake, table) -> set[str]:
    delta = lake.open(table)
    assert delta is not None
    return {Path(uri).name for uri in delta.file_uris()}


def on_disk(lake: Lake, table) -> set[str]:
    return {path.name for path in Path(lake.uri(table)).glob("*.parquet")}


def test_small_files_become_few_and_old_ones_go(spark, config: Config):
    lake = Lake.of(config)
    root = Path(lake.root)
    tables = (BRONZE_EVENTS, SILVER_EVENTS)
    before = {table.name: clicks.rows(root, table) for table in tables}
    fingerprints = {table.name: lake.get(table).fingerprint for table in tables}
    assert len(files(lake, BRONZE_EVENTS)) >= 3
    care(spark, config)
    assert len(files(lake, BRONZE_EVENTS)) == 1
    assert len(files(lake, JOB_RUNS)) == 1
    for table in tables:
        assert clicks.rows(root, table) == before[table.name]
        assert lake.get(table).fingerprint == fingerprints[table.name]
    assert on_disk(lake, SILVER_EVENTS) == files(lake, SILVER_EVENTS), "what no version in use needs is gone"
    compacted = {table.name: files(lake, table) for table in tables}
    care(spark, config)
    ingest_events.run(config)
    assert {table.name: files(lake, table) for table in tables} == compacted, "nothing is done twice"


def test_versions_in_use_stay_readable(config: Config):
    lake = Lake.of(config)
    first = lake.open(SILVER_EVENTS, 0)
    assert first is not None
    rows, names = first.to_pyarrow_table(), {Path(uri).name for uri in first.file_uris()}
    card = {"training_table": {"name": SILVER_EVENTS.name, "version": 0}}
    storage.write_json(storage.join(models_root(config), "generators", "g-1", "card.json"), card)
    for layer in ("bronze", "ops"):
        shutil.rmtree(Path(lake.root) / layer)  # for time's sake
    maintain_tables.run(config)
    assert names <= on_disk(lake, SILVER_EVENTS)
    again = lake.open(SILVER_EVENTS, 0)
    assert again is not None and again.to_pyarrow_table().equals(rows)


def test_what_running_jobs_may_read_is_kept():
    with pytest.raises(ConfigError, match="retention_days: Input should be greater than or equal to 1"):
        load_config(None, ["maintenance.retention_days=0"])
