"""Any split of a stream into batches of files, in any order of arrival, gives the same silver tables."""

import json
import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import clean_events
import ingest_events
import replay_rejected
from builders import at
from clicksmith.config import Config
from clicksmith.errors import ConfigError, ContractError, LakeError, SourceError
from clicksmith.lakehouse import replay as replay_module
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    EVENTS_REJECTED,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    Table,
)

pytestmark = [pytest.mark.spark, pytest.mark.slow]

NAMES = ("event_id", "event_type", "event_ts", "user_id", "item_id", "request_id")
SILVER = (SILVER_EVENTS, SILVER_SESSIONS, SILVER_REJECTED)
Build = Callable[..., Config]


def stream(seed: int) -> list[str]:
    """400 lines: sessions over days, repeats that come late, a bot, skewed clocks, lines that are none."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for number in range(360):
        user = draw.choice(["u", "v", "w", "bot"])
        when = at(draw.randrange(3), 60 * draw.randrange(24) + draw.randrange(40) / 2)
        if user == "bot":
            when = at(0, draw.random())
        rows.append(
            {
                "event_id": str(number),
                "event_type": draw.choice(["impression", "impression", "click", "purchase", "teleport"]),
                "event_ts": (when + timedelta(seconds=draw.randrange(60))).isoformat(),
                "user_id": user,
                "item_id": draw.choice("abc"),
                "request_id": draw.choice(["r", "s", None]),
            }
        )
    repeated = [row | draw.choice([{}, {"event_id": row["event_id"] + "'"}]) for row in draw.sample(rows, 30)]
    lines = [json.dumps(row) for row in rows + repeated] + ['{"event_id":'] * 10
    draw.shuffle(lines)
    return lines


def settings(folder: Path, incremental: bool = True, **contract: Any) -> list[str]:
    columns = {name: name for name in NAMES}
    events = {"path": str(folder), "format": "jsonl", "columns": columns}
    source = {"name": "files", "events": events, "incremental": incremental, "settle_seconds": 0}
    rules = {"max_rejected_fraction": 0.9, **contract}
    sections = [f"source={json.dumps(source)}", f"contract={json.dumps(rules)}"]
    return [*sections, "cleaning.max_events_per_minute=20"]


def rows_of(lake: Lake, table: Table, *but: str) -> list[str]:
    delta = lake.open(table)
    assert delta is not None, table.name
    return sorted(str(row) for row in delta.to_pyarrow_table().drop_columns(list(but)).to_pylist())


def silver(lake: Lake) -> dict[str, list[str]]:
    """All rows, but for the batch that brought them."""
    return {t.name: rows_of(lake, t, *({"ingest_id"} & set(t.column_names))) for t in SILVER}


def arrive(folder: Path, name: str, lines: list[str]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text("".join(line + "\n" for line in lines))


@pytest.fixture(scope="module")
def whole(spark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The silver tables of the stream as one file, ingested as a whole."""
    from clicksmith.config import load_config

    folder = tmp_path_factory.mktemp("whole")
    arrive(folder / "in", "all", stream(1))
    config = load_config(None, [f"lake.root={folder / 'lake'}", *settings(folder / "in", incremental=False)])
    ingest_events.run(config)
    clean_events.run(config)
    found = silver(Lake.of(config))
    assert all(found.values()), "each of the tables has rows to compare"
    return found


@pytest.mark.parametrize(
    ("seed", "sizes"),
    [
        (3, [1, 200, 199]),
        pytest.param(2, [400], marks=pytest.mark.soak),
        pytest.param(4, [130, 3, 140, 127], marks=pytest.mark.soak),
    ],
)
def test_splits_and_orders(
    seed: int, sizes: list[int], whole: dict[str, list[str]], tmp_path: Path, make_config: Build, lake: Lake
):
    lines = random.Random(seed).sample(stream(1), 400)
    config = make_config(*settings(tmp_path / "in"))
    for number, size in enumerate(sizes):
        arrive(tmp_path / "in", f"{random.Random(number).random()}", [lines.pop() for _ in range(size)])
        ingest_events.run(config)
        if number != 1:  # cleaning need not follow each batch
            clean_events.run(config)
    assert silver(lake) == whole
    assert lake.get(BRONZE_ITEMS).version == 0, "the source has no items: later batches leave their table"
    before = {table.name: lake.get(table).version for table in (BRONZE_EVENTS, *SILVER)}
    ingest_events.run(config)
    clean_events.run(config)
    assert before == {table.name: lake.get(table).version for table in (BRONZE_EVENTS, *SILVER)}


def test_rejected_events_are_replayed_once_a_rule_is_mended(tmp_path: Path, make_config: Build, lake: Lake):
    lines = stream(1)
    teleports = sum("teleport" in line for line in lines)
    arrive(tmp_path / "in", "a", lines[:200])
    arrive(tmp_path / "in", "b", lines[200:])
    mended = make_config(*settings(tmp_path / "in", extra_event_types=["teleport"]))
    ingest_events.run(make_config(*settings(tmp_path / "in")))
    assert (len(rows_of(lake, BRONZE_EVENTS)), len(rows_of(lake, EVENTS_REJECTED))) == (
        390 - teleports,
        10 + teleports,
    )
    began = lake.get(EVENTS_REJECTED).metadata["began"]
    replay_rejected.run(mended)
    assert lake.get(EVENTS_REJECTED).metadata["began"] == began, "times are held against their ingest"
    bronze = rows_of(lake, BRONZE_EVENTS)
    assert (len(bronze), len(rows_of(lake, EVENTS_REJECTED))) == (390, 10)
    version = lake.get(BRONZE_EVENTS).version
    replay_rejected.run(mended)
    assert lake.get(BRONZE_EVENTS).version == version, "the same rules are not tried on the same rows twice"


class Killed(Exception):
    """In place of a signal that ends the process."""


@pytest.fixture
def replaying(tmp_path: Path, make_config: Build) -> Config:
    """Half of the stream, ingested by a rule that is too strict; settings without it."""
    arrive(tmp_path / "in", "a", stream(1)[:200])
    ingest_events.run(make_config(*settings(tmp_path / "in")))
    return make_config(*settings(tmp_path / "in", extra_event_types=["teleport"]))


def arrive_and_ingest(tmp_path: Path, make_config: Build) -> None:
    """The other half, by the strict rule."""
    arrive(tmp_path / "in", "b", stream(1)[200:])
    ingest_events.run(make_config(*settings(tmp_path / "in")))


def assert_nothing_is_lost_or_doubled(lake: Lake) -> None:
    delta = lake.open(BRONZE_EVENTS)
    assert delta is not None
    found = delta.to_pyarrow_table()["event_id"].to_pylist()
    assert sorted(found) == sorted(json.loads(line)["event_id"] for line in stream(1) if line[-1] == "}")
    assert len(rows_of(lake, EVENTS_REJECTED)) == 10


@pytest.mark.soak
def test_a_batch_that_comes_during_a_replay_keeps_its_rejected_rows(
    replaying: Config, tmp_path: Path, make_config: Build, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    replay, came = replay_rejected.replay, []

    def replay_late(*arguments: Any) -> Any:
        if not came:
            came.append(True)
            arrive_and_ingest(tmp_path, make_config)
        return replay(*arguments)

    monkeypatch.setattr(replay_rejected, "replay", replay_late)
    replay_rejected.run(replaying)
    replay_rejected.run(replaying)
    assert_nothing_is_lost_or_doubled(lake)


@pytest.mark.soak
def test_a_replay_that_was_killed_before_a_batch_came_is_ended(
    replaying: Config, tmp_path: Path, make_config: Build, lake: Lake, monkeypatch: pytest.MonkeyPatch
):
    rejected = len(rows_of(lake, EVENTS_REJECTED))
    commit = replay_module.commit

    def commit_or_die(frame: Any, table: Table, *arguments: Any, **named: Any) -> Any:
        if table is EVENTS_REJECTED:
            raise Killed
        return commit(frame, table, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(replay_module, "commit", commit_or_die)
        with pytest.raises(Killed):
            replay_rejected.run(replaying)
    assert len(rows_of(lake, EVENTS_REJECTED)) == rejected
    arrive_and_ingest(tmp_path, make_config)
    replay_rejected.run(replaying)
    assert_nothing_is_lost_or_doubled(lake)
    version = lake.get(BRONZE_EVENTS).version
    replay_rejected.run(replaying)
    assert lake.get(BRONZE_EVENTS).version == version


@pytest.mark.soak
def test_tables_that_were_set_back_are_caught_up_with(
    replaying: Config, tmp_path: Path, make_config: Build, lake: Lake, spark
):
    replay_rejected.run(replaying)
    arrive_and_ingest(tmp_path, make_config)
    replay_rejected.run(replaying)
    spark.sql(f"RESTORE TABLE delta.`{lake.uri(BRONZE_EVENTS)}` TO VERSION AS OF 0").collect()
    for job in (ingest_events, replay_rejected):
        with pytest.raises(LakeError, match="set back to before events were replayed into it") as caught:
            job.run(replaying)
    remedy = re.search(r"RESTORE TABLE .* TO VERSION AS OF \d+", str(caught.value))
    assert remedy is not None
    spark.sql(remedy.group()).collect()
    ingest_events.run(replaying)
    replay_rejected.run(replaying)
    assert_nothing_is_lost_or_doubled(lake)


def test_a_batch_of_rubbish_is_stopped_and_done_again_with_mended_rules(
    tmp_path: Path, make_config: Build, lake: Lake
):
    lines = stream(1)
    good = [line for line in lines if "teleport" not in line and line != '{"event_id":']
    teleports = [line for line in lines if "teleport" in line]
    arrive(tmp_path / "in", "a", good)
    strict = {"max_rejected_fraction": 0.05}
    ingest_events.run(make_config(*settings(tmp_path / "in", **strict)))
    arrive(tmp_path / "in", "b", teleports)
    with pytest.raises(ContractError, match=r"broke the contract, more than the fraction 0.05.*event_type"):
        ingest_events.run(make_config(*settings(tmp_path / "in", **strict)))
    assert len(rows_of(lake, BRONZE_EVENTS)) == len(good)
    mended = make_config(*settings(tmp_path / "in", extra_event_types=["teleport"], **strict))
    ingest_events.run(mended)
    assert len(rows_of(lake, BRONZE_EVENTS)) == len(good) + len(teleports)
    assert rows_of(lake, EVENTS_REJECTED) == [], "the batch's earlier rejections were replaced"


def test_only_batches_are_replayed(tmp_path: Path, make_config: Build):
    arrive(tmp_path / "in", "a", stream(1))
    config = make_config(*settings(tmp_path / "in", incremental=False))
    ingest_events.run(config)
    with pytest.raises(ConfigError, match="Run ingest_events again"):
        replay_rejected.run(config)


def test_files_of_a_begun_batch_must_stay(tmp_path: Path, make_config: Build):
    arrive(tmp_path / "in", "a", ["no record"] * 9)
    config = make_config(*settings(tmp_path / "in", max_rejected_fraction=0.1))
    with pytest.raises(ContractError):
        ingest_events.run(config)
    (tmp_path / "in" / "a.json").rename(tmp_path / "in" / "b.json")
    with pytest.raises(SourceError, match=r"gone: a\.json"):
        ingest_events.run(config)
