"""A standalone Spark cluster of two workers: the bytes of local mode, and an executor that is killed."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import clean_events
import ingest_events
from clicksmith.config import load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import SILVER_EVENTS, SILVER_REJECTED, SILVER_SESSIONS
from faults import clicks, standalone

pytestmark = [pytest.mark.soak, pytest.mark.spark]

SILVER = (SILVER_EVENTS, SILVER_SESSIONS, SILVER_REJECTED)
PARTITIONS = "spark.rows_per_partition=15000"


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where executors keep their shuffle files."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def address(scratch: Path) -> Iterator[str]:
    with standalone.cluster(scratch) as found:
        yield found


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clicks") / "in"
    clicks.write_clicks(folder, 60_000)
    return folder


@pytest.fixture(scope="module")
def local(spark, source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake cleaned in local mode, by the tests' session."""
    lake = tmp_path_factory.mktemp("local") / "lake"
    config = load_config(None, clicks.settings(lake, source, PARTITIONS))
    ingest_events.run(config)
    clean_events.run(config)
    return lake


@pytest.fixture
def settings(address: str, source: Path, local: Path, tmp_path: Path) -> list[str]:
    """Of jobs on the cluster, on a lake that has the same bronze layer and no silver one."""
    shutil.copytree(local / "bronze", tmp_path / "lake" / "bronze")
    return clicks.settings(tmp_path / "lake", source, PARTITIONS, f"spark.master={address}")


def contents(lake: Path) -> dict[str, list[str]]:
    """Hashes of each silver table's data files, up to their footers.

    Parquet's writer lists a column's encodings there in the order of a Java hash set, which differs between
    two runs of the same JVM; all pages come before.
    """
    found = {}
    for table in SILVER:
        delta = Lake(str(lake)).open(table)
        assert delta is not None, table.name
        files = [Path(uri.removeprefix("file://")) for uri in delta.file_uris()]
        found[table.name] = sorted(hashlib.sha256(pages(file)).hexdigest() for file in files)
    return found


def pages(file: Path) -> bytes:
    """All of a Parquet file but its footer, whose length stands before the last four bytes."""
    content = file.read_bytes()
    return content[: -8 - int.from_bytes(content[-8:-4], "little")]


def test_a_cluster_writes_the_bytes_of_local_mode(settings: list[str], local: Path, tmp_path: Path):
    standalone.run_job("clean_events", settings)
    assert contents(tmp_path / "lake") == contents(local)


def test_an_executor_killed_in_mid_shuffle_costs_nothing(
    settings: list[str], scratch: Path, local: Path, tmp_path: Path
):
    process = standalone.start_job("clean_events", settings)
    deadline = time.monotonic() + 600
    while shuffled(scratch) < 300_000:
        assert time.monotonic() < deadline and process.poll() is None, "no shuffle was seen"
        time.sleep(0.02)
    first, _ = standalone.executors()
    first.kill()
    log = process.communicate(timeout=900)[1]
    assert process.returncode == 0, log[-4000:]
    assert {t.name: clicks.rows(tmp_path / "lake", t) for t in SILVER} == {
        t.name: clicks.rows(local, t) for t in SILVER
    }


def shuffled(scratch: Path) -> int:
    """Bytes of the shuffle files there are."""
    return sum(path.stat().st_size for path in scratch.glob("**/shuffle_*.data"))
