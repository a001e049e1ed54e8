"""Three public click logs through the same jobs by conf alone; counts as DuckDB finds them in the files.

Of the users a few, all of each one's events; in `make soak` a third of the two long logs' users, and all of
the short one's.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from zlib import crc32

import duckdb
import pyarrow.compute as pc
import pytest

import build_profiles
import build_training_set
import clean_events
import ingest_events
from clicksmith.config import Config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import (
    BRONZE_EVENTS,
    EVENTS_REJECTED,
    ITEM_PROFILES,
    SEQUENCES,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    TRAINING_EXAMPLES,
    USER_PROFILES,
    VOCABULARY,
    Table,
)

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
LOGS = {
    "retailrocket": (
        "retailrocket_multi_behavior",
        """SELECT CAST(user_id AS VARCHAR) AS user_id, CAST(item_id AS VARCHAR) AS item_id,
            CASE behavior WHEN 'view' THEN 'click' WHEN 'buy' THEN 'purchase' ELSE behavior END AS event_type,
            unix_ts * 1000000 AS us, NULL AS session FROM read_parquet('{folder}/*.parquet')""",
    ),
    "yoochoose": (
        "yoochoose_clicks_100k",
        """SELECT SessionId AS user_id, ItemId AS item_id, 'click' AS event_type,
            CAST(CAST(Time AS DECIMAL(20, 6)) * 1000000 AS BIGINT) AS us, SessionId AS session
            FROM read_csv('{folder}/*.tsv', delim = '\t', all_varchar = true)""",
    ),
    "diginetica": (
        "diginetica_raw",
        """SELECT CASE WHEN user_id = 'NA' THEN 'session_id:' || session_id ELSE user_id END AS user_id,
            item_id, 'click' AS event_type,
            epoch_us(CAST(eventdate AS DATE)) + 1000 * CAST(timeframe AS BIGINT) AS us, session_id AS session
            FROM read_csv('{folder}/*.csv', delim = ';', all_varchar = true)""",
    ),
}


def some_users(name: str, folder: Path, to: Path, one_in: int) -> Path:
    """A copy of the log with the lines of one in so many users."""
    if one_in == 1:
        return folder
    to.mkdir()
    if name == "retailrocket":
        duckdb.execute(
            f"""COPY (SELECT * FROM read_parquet('{folder}/*.parquet') WHERE hash(user_id) % {one_in} = 0)
                TO '{to}/events.parquet' (FORMAT parquet)"""
        )
        return to
    separator = {"yoochoose": "\t", "diginetica": ";"}[name]
    for file in folder.glob("*.?sv"):
        header, *lines = file.read_text().splitlines(keepends=True)
        kept = [line for line in lines if crc32(line.split(separator)[0].encode()) % one_in == 0]
        (to / file.name).write_text("".join([header, *kept]))
    return to


def from_files(name: str, folder: Path) -> dict[str, Any]:
    """What the tables must hold, computed from the source files by other means."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute(f"CREATE VIEW source AS {LOGS[name][1].format(folder=folder)}")
    connection.execute("CREATE TABLE distinct_events AS SELECT DISTINCT * FROM source")
    connection.execute(
        """CREATE TABLE starts AS SELECT *, session IS NULL AND coalesce(us - lag(us) OVER (
            PARTITION BY user_id ORDER BY us) > 30 * 60000000, true) AS is_start FROM distinct_events"""
    )
    # Where no session is the source's own, sessions are numbered within the user.
    connection.execute(
        """CREATE TABLE numbered AS SELECT user_id, item_id, us,
            min(us) OVER (PARTITION BY item_id) AS first_us, coalesce(session, CAST(sum(is_start::INT) OVER (
            PARTITION BY user_id ORDER BY us) AS VARCHAR)) AS session FROM starts"""
    )

    def one(query: str) -> Any:
        return connection.execute(query).fetchall()[0][0]

    return {
        "rows": one("SELECT count(*) FROM source"),
        "distinct": one("SELECT count(*) FROM distinct_events"),
        "users": one("SELECT count(DISTINCT user_id) FROM source"),
        "items": one("SELECT count(DISTINCT item_id) FROM source"),
        "sessions": one(
            """SELECT count(*) FILTER (is_start)
                + count(DISTINCT (user_id, session)) FILTER (session IS NOT NULL) FROM starts"""
        ),
        "types": dict(
            connection.execute("SELECT event_type, count(*) FROM distinct_events GROUP BY 1").fetchall()
        ),
        "us": one("SELECT sum(us) FROM distinct_events"),
        # An item's first event is no impression: no list could have held it.
        "taken": one(
            """SELECT count(*) FROM (SELECT min(us) > any_value(first_us) AS was_there FROM numbered
                GROUP BY user_id, session, item_id) WHERE was_there"""
        ),
    }


def from_lake(lake: Lake) -> dict[str, Any]:
    connection = duckdb.connect()

    def one(query: str, table: Table) -> Any:
        delta = lake.open(table)
        assert delta is not None, table.name
        connection.register("rows", delta.to_pyarrow_table())
        return connection.execute(query.replace("TABLE", "rows")).fetchall()

    events = SILVER_EVENTS
    return {
        "rows": one("SELECT count(*) FROM TABLE", BRONZE_EVENTS)[0][0],
        "distinct": one("SELECT count(*) FROM TABLE", events)[0][0],
        "users": one("SELECT count(DISTINCT user_id) FROM TABLE", events)[0][0],
        "items": one("SELECT count(DISTINCT item_id) FROM TABLE", events)[0][0],
        "sessions": one("SELECT count(*) FROM TABLE", SILVER_SESSIONS)[0][0],
        "types": dict(one("SELECT event_type, count(*) FROM TABLE GROUP BY 1", events)),
        "us": one("SELECT sum(epoch_us(event_ts)) FROM TABLE", events)[0][0],
    }


@pytest.mark.parametrize(
    ("name", "one_in"),
    [
        ("retailrocket", 40),
        pytest.param("retailrocket", 3, marks=pytest.mark.soak),
        pytest.param("yoochoose", 3, marks=pytest.mark.soak),
        pytest.param("diginetica", 1, marks=pytest.mark.soak),
    ],
)
def test_counts(
    name: str,
    one_in: int,
    shared_data: Path,
    spark,
    make_config: Callable[..., Config],
    lake: Lake,
    tmp_path: Path,
):
    folder = some_users(name, shared_data / LOGS[name][0], tmp_path / "log", one_in)
    suffix = {"yoochoose": "/*.tsv", "diginetica": "/*.csv", "retailrocket": ""}[name]
    config = make_config(f"source.events.path={folder}{suffix}", conf=str(ROOT / "conf" / f"{name}.yaml"))
    for job in (ingest_events, clean_events, build_profiles, build_training_set):
        job.run(config)
    expected = from_files(name, folder)
    num_taken = expected.pop("taken")
    assert from_lake(lake) == expected
    assert [lake.count_rows(lake.get(table)) for table in (EVENTS_REJECTED, SILVER_REJECTED)] == [0, 0]
    counts = lake.get(SILVER_EVENTS).metadata["counts"]
    assert counts["deduplicated"] == expected["rows"] - expected["distinct"]
    # Nothing was shown: examples are of what each session took, and of items drawn beside it.
    examples = lake.open(TRAINING_EXAMPLES).to_pyarrow_table()  # type: ignore[union-attr]
    taken = pc.is_null(examples["propensity"])
    assert pc.sum(taken).as_py() == num_taken
    has_outcome = pc.or_(pc.or_(examples["label_click"], examples["label_cart"]), examples["label_purchase"])
    assert pc.all(has_outcome.filter(taken)).as_py()
    drawn = has_outcome.filter(pc.invert(taken))
    assert 3 * num_taken < len(drawn) <= 4 * num_taken
    assert pc.mean(drawn.cast("int8")).as_py() < 0.1, "few of the drawn items are taken as well"
    sequences = lake.open(SEQUENCES).to_pyarrow_table()  # type: ignore[union-attr]
    assert len(set(sequences["user_id"].to_pylist())) == expected["users"]
    for table in (USER_PROFILES, ITEM_PROFILES, VOCABULARY):
        assert 0 < lake.count_rows(lake.get(table)) <= max(expected["users"], expected["items"])
