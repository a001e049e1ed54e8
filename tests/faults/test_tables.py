"""Damaged, foreign and full: each is one clear error, and what the error says to do mends it."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from deltalake import DeltaTable, write_deltalake

import clean_events
import ingest_events
from clicksmith.config import Config, load_config
from clicksmith.errors import LakeError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.runs import record_run
from clicksmith.tables import BRONZE_EVENTS, SILVER_EVENTS
from faults import clicks

pytestmark = pytest.mark.spark


def clean(config: Config) -> None:
    with record_run("clean_events", config):
        clean_events.run(config)


@pytest.fixture(scope="module")
def ingested(spark, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A lake with bronze.events, and its clean silver.events."""
    folder = tmp_path_factory.mktemp("faults")
    clicks.write_clicks(folder / "in", 300)
    config = load_config(None, clicks.settings(folder / "lake", folder / "in"))
    ingest_events.run(config)
    clean_events.run(config)
    return folder, clicks.rows(folder / "lake", SILVER_EVENTS)


@pytest.fixture
def config(ingested: tuple[Path, list[str]], tmp_path: Path) -> Config:
    """Of a copy of that lake, its silver layer still to be made."""
    folder, _ = ingested
    shutil.copytree(folder / "lake", tmp_path / "lake")
    shutil.rmtree(tmp_path / "lake" / "silver")
    return load_config(None, clicks.settings(tmp_path / "lake", folder / "in"))


@pytest.fixture
def bronze(config: Config) -> Path:
    return Path(Lake.of(config).uri(BRONZE_EVENTS))


def test_a_truncated_data_file(config: Config, bronze: Path, ingested: tuple[Path, list[str]]):
    file = max(bronze.glob("*.parquet"), key=lambda path: path.stat().st_size)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    (bronze / f".{file.name}.crc").unlink(missing_ok=True)
    with pytest.raises(LakeError, match=rf"{file.name}.*data file is damaged or gone.*RESTORE TABLE"):
        clean(config)
    file.write_bytes(whole)
    clean(config)
    assert clicks.rows(bronze.parents[1], SILVER_EVENTS) == ingested[1]


def test_a_corrupt_log_entry(config: Config, bronze: Path, ingested: tuple[Path, list[str]]):
    entry = bronze / "_delta_log" / "00000000000000000000.json"
    whole = entry.read_bytes()
    entry.write_bytes(whole[: len(whole) // 2])
    (entry.parent / f".{entry.name}.crc").unlink(missing_ok=True)
    with pytest.raises(LakeError, match=r"Opening bronze.events at .* failed: .*_delta_log is damaged"):
        clean(config)
    entry.write_bytes(whole)
    clean(config)
    assert clicks.rows(bronze.parents[1], SILVER_EVENTS) == ingested[1]


def test_a_table_of_a_newer_protocol(config: Config, bronze: Path):
    upgrade = {"protocol": {"minReaderVersion": 99, "minWriterVersion": 99}}
    version = DeltaTable(str(bronze)).version() + 1
    (bronze / "_delta_log" / f"{version:020}.json").write_text(json.dumps(upgrade) + "\n")
    with pytest.raises(LakeError, match=r"bronze.events.*(protocol|99)"):
        clean(config)


def test_a_second_writer(config: Config, ingested: tuple[Path, list[str]], spark):
    clean(config)
    uri = Lake.of(config).uri(SILVER_EVENTS)
    write_deltalake(uri, DeltaTable(uri).to_pyarrow_table().slice(0, 5), mode="append")
    with pytest.raises(LakeError, match=r"silver.events.*version 1 \(WRITE\) was not written by clicksmith"):
        clean(config)
    spark.sql(f"RESTORE TABLE delta.`{uri}` TO VERSION AS OF 0")
    clean(config)
    lake = Path(Lake.of(config).root)
    assert clicks.rows(lake, SILVER_EVENTS) == ingested[1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=60k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs the right to")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(small_disk: Path, ingested: tuple[Path, list[str]]):
    folder, expected = ingested
    config = load_config(None, clicks.settings(small_disk / "lake", folder / "in"))
    with pytest.raises(LakeError, match=r"No space left on device.*Free disk space"):
        with record_run("ingest_events", config):
            ingest_events.run(config)
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    ingest_events.run(config)
    clean(config)
    assert clicks.rows(small_disk / "lake", SILVER_EVENTS) == expected
