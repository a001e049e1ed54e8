"""The simulated stream through Spark: the same lines in any partitioning, and what cleaning makes of them."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

import clean_events
import ingest_events
import simulate_events
from clicksmith.config import Config, SimulationConfig, load_config
from clicksmith.errors import ConfigError, SourceError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import read
from clicksmith.simulation.block import count_users
from clicksmith.simulation.writer import stream_lines
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVENTS_REJECTED,
    SILVER_EVENTS,
    SILVER_REJECTED,
    Table,
)

pytestmark = [pytest.mark.spark]

CONF = str(Path(__file__).resolve().parents[2] / "conf" / "simulated.yaml")
SMALL = {"num_events": 40_000, "num_items": 300, "num_categories": 10}


@pytest.fixture
def config(tmp_path: Path, make_config: Callable[..., Config]) -> Config:
    """The deployment of conf/simulated.yaml in a folder of the test's own, somewhat smaller."""
    source = tmp_path / "source"
    paths = {
        "simulate.path": source,
        "source.events.path": source / "log" / "table=events",
        "source.items.path": source / "items",
        "source.users.path": source / "users",
    }
    overrides = [f"{key}={value}" for key, value in paths.items()]
    sizes = [f"simulate.{key}={value}" for key, value in SMALL.items()]
    return make_config(*overrides, *sizes, conf=CONF)


def rows(spark: SparkSession, config: Config, table: Table) -> list[dict[str, Any]]:
    frame = read(spark, Lake.of(config).get(table))
    result: list[dict[str, Any]] = frame.toArrow().to_pylist()
    return result


def lines(config: Config, table: str) -> list[str]:
    assert config.simulate is not None
    files = Path(config.simulate.path, "log", f"table={table}").rglob("*.txt")
    return [line for file in files for line in file.read_text().splitlines()]


def test_lines_do_not_depend_on_the_number_of_tasks(spark: SparkSession) -> None:
    settings = SimulationConfig.model_validate({"path": "unused", **SMALL})
    num_users = count_users(3, settings)
    found = [
        sorted(map(tuple, stream_lines(spark, 3, num_users, settings, num_tasks).collect()))
        for num_tasks in (1, 2, 7)
    ]
    assert len(found[0]) > 30_000
    assert found[0] == found[1] == found[2]


def test_a_second_run_writes_nothing_and_another_stream_replaces_the_first(
    spark: SparkSession, config: Config
) -> None:
    assert config.simulate is not None
    simulate_events.run(config)
    first = sorted(lines(config, "events"))
    stamp = Path(config.simulate.path, "log", "_simulated.json").stat().st_mtime_ns
    simulate_events.run(config)
    assert Path(config.simulate.path, "log", "_simulated.json").stat().st_mtime_ns == stamp
    simulate_events.run(config.model_copy(update={"seed": config.seed + 1}))
    assert sorted(lines(config, "events")) != first
    simulate_events.run(config)
    assert sorted(lines(config, "events")) == first
    truth = pq.read_table(Path(config.simulate.path, "truth", "users"))
    users = pq.read_table(Path(config.simulate.path, "users"))
    assert truth["user_id"].to_pylist() == users["user"].to_pylist()
    assert len(truth["vector"][0]) == config.simulate.num_dimensions


def test_errors_are_clear(spark: SparkSession, config: Config, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no section 'simulate'"):
        simulate_events.run(config.model_copy(update={"simulate": None}))
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert config.simulate is not None
    elsewhere = config.simulate.model_copy(update={"path": str(blocked / "below")})
    with pytest.raises(
        SourceError, match=r"Writing the simulated stream to .*below failed: .*Set simulate.path"
    ):
        simulate_events.run(config.model_copy(update={"simulate": elsewhere}))
    with pytest.raises(ConfigError, match="must not exceed 1"):
        load_config(None, ["simulate={path: x, dirt: {late: 0.6, malformed: 0.6}}"])


@pytest.mark.slow
def test_cleaning_finds_the_dirt(spark: SparkSession, config: Config) -> None:
    """Malformed records are quarantined, duplicates and scrapers go, and no row is lost."""
    assert config.simulate is not None
    many_bots = config.simulate.model_copy(update={"bots": 0.1})
    config = config.model_copy(update={"simulate": many_bots})
    simulate_events.run(config)
    ingest_events.run(config)
    clean_events.run(config)
    received = lines(config, "events")
    dirt = [json.loads(line) for line in lines(config, "dirt")]
    bronze, refused = rows(spark, config, BRONZE_EVENTS), rows(spark, config, EVENTS_REJECTED)
    assert Counter(received) == Counter([row["raw"] for row in refused]) + Counter(
        clean_copy(received, refused)
    )
    assert len(received) == len(bronze) + len(refused)
    must_go = [row for row in dirt if row["dirt"] == "malformed" or row.get("variant") == "user"]
    assert len(refused) >= len(must_go) > 100
    refused_ids = Counter(event_id(row["raw"]) for row in refused)
    assert not Counter(row["event_id"] for row in must_go) - refused_ids, "all that is malformed is found"

    silver, robots = rows(spark, config, SILVER_EVENTS), rows(spark, config, SILVER_REJECTED)
    ids = Counter(row["event_id"] for row in silver)
    assert max(ids.values()) == 1
    twice = {row["event_id"] for row in dirt if row["dirt"] == "exact_duplicate"}
    assert len(twice & ids.keys()) > 100, "the first of two is kept"
    assert config.simulate is not None
    truth = pq.read_table(Path(config.simulate.path, "truth", "users")).to_pylist()
    kind = {row["user_id"]: row["kind"] for row in truth}
    seen = {row["user_id"] for row in bronze}
    caught = {row["user_id"] for row in robots if any("bot:" in reason for reason in row["reasons"])}
    scrapers = {user for user in seen if kind.get(user) == "scraper"}
    assert scrapers and len(caught & scrapers) >= 0.8 * len(scrapers)
    assert caught <= scrapers, "no person is taken for a bot"


def clean_copy(received: list[str], refused: list[dict[str, Any]]) -> list[str]:
    """The lines that were not refused."""
    left = Counter(received)
    left.subtract(Counter(row["raw"] for row in refused))
    assert min(left.values()) >= 0, "what is refused was received, byte for byte"
    return list(left.elements())


def event_id(raw: str) -> str:
    """Of a line that may be cut off; the id comes first."""
    return raw.split('"')[3]
