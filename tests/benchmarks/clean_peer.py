"""Run as a process of its own: clean and sessionise the same events with DuckDB, to the same output.

Arguments: a folder with bronze.events as Parquet files, a folder to write to, and the rules' bounds as JSON.
Writes events.parquet, sessions.parquet and rejected.parquet; the last line says what it took.
"""

import json
import sys
import time
from pathlib import Path

import duckdb
from lines import peak_mb

THREADS, MEMORY = 2, "4GB"

CONTENT = "event_type, item_id, event_ts, session_id, request_id, query, price, quantity"
ORDER = ", ".join(
    f"{name} NULLS LAST"
    for name in (
        "event_ts event_id event_type item_id session_id request_id query price quantity position properties "
        "ingest_id"
    ).split()
)

CLEAN = f"""
CREATE TEMP TABLE cleaned AS
WITH by_id AS (
    SELECT *, row_number() OVER (PARTITION BY user_id, event_id ORDER BY {ORDER}) AS n FROM bronze
), by_content AS (
    SELECT * EXCLUDE (n), row_number() OVER (PARTITION BY user_id, {CONTENT} ORDER BY {ORDER}) AS n
    FROM by_id WHERE n = 1
), counted AS (
    SELECT * EXCLUDE (n),
        count(*) OVER (PARTITION BY user_id) AS per_user,
        count(*) OVER (PARTITION BY user_id, date_trunc('minute', event_ts)) AS in_minute,
        CASE WHEN request_id IS NOT NULL AND event_type IN ('click', 'cart', 'purchase') THEN
            date_diff('microsecond', event_ts, min(event_ts) FILTER (event_type = 'impression')
                OVER (PARTITION BY user_id, request_id, item_id)) END AS skew
    FROM by_content WHERE n = 1
), judged AS (
    SELECT *, max(in_minute) OVER (PARTITION BY user_id) AS per_minute FROM counted
)
SELECT * EXCLUDE (event_ts, event_date, skew, in_minute),
    CASE WHEN skew BETWEEN 1 AND $skew THEN event_ts + to_microseconds(skew) ELSE event_ts END AS event_ts,
    per_user > $per_user OR per_minute > $per_minute OR coalesce(skew > $skew, false) AS is_rejected,
    skew
FROM judged
"""

SESSIONS = f"""
CREATE TEMP TABLE kept AS
WITH gaps AS (
    SELECT * EXCLUDE (per_user, per_minute, is_rejected, skew), session_id IS NULL AS own,
        date_diff('microsecond', lag(event_ts) OVER w, event_ts) AS silence
    FROM cleaned WHERE NOT is_rejected
    WINDOW w AS (PARTITION BY user_id, session_id IS NULL ORDER BY {ORDER})
), started AS (
    SELECT * EXCLUDE (silence),
        max(CASE WHEN silence IS NULL OR silence > $gap THEN epoch_us(event_ts) END) OVER (
            PARTITION BY user_id, own ORDER BY {ORDER} ROWS UNBOUNDED PRECEDING) AS start_us
    FROM gaps
)
SELECT * EXCLUDE (own, start_us, session_id), CAST(event_ts AS DATE) AS event_date,
    user_id || '/' || CASE WHEN own THEN CAST(start_us AS VARCHAR) ELSE session_id END AS session_id
FROM started
"""

SUMMARY = """
SELECT session_id, any_value(user_id) AS user_id,
    min(event_ts) AS session_start_ts, max(event_ts) AS session_end_ts, count(*) AS num_events,
    count(*) FILTER (event_type = 'impression') AS num_impressions,
    count(*) FILTER (event_type = 'click') AS num_clicks,
    count(*) FILTER (event_type = 'purchase') AS num_purchases,
    CASE WHEN bool_or(event_type = 'purchase') THEN 'purchase' WHEN bool_or(event_type = 'cart') THEN 'cart'
        WHEN bool_or(event_type = 'click') THEN 'click'
        WHEN bool_or(event_type = 'impression') THEN 'impression'
        WHEN bool_or(event_type = 'search') THEN 'search' ELSE 'other' END AS outcome
FROM kept GROUP BY session_id
"""


def main() -> None:
    """Time all of it, reading and writing included."""
    source, target, rules = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    started = time.perf_counter()
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY})
    connection.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    connection.execute(f"SET temp_directory = '{target}/spill'")
    connection.execute(f"CREATE VIEW bronze AS FROM read_parquet('{source}/**/*.parquet')")
    connection.execute(CLEAN, {name: rules[name] for name in ("skew", "per_user", "per_minute")})
    connection.execute(SESSIONS, {"gap": rules["gap"]})
    for name, query in {
        "events": "FROM kept",
        "sessions": SUMMARY,
        "rejected": "FROM cleaned WHERE is_rejected",
    }.items():
        connection.execute(f"COPY ({query}) TO '{target}/{name}.parquet' (COMPRESSION zstd)")
    seconds = time.perf_counter() - started
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "peak_mb": peak_mb()}) + "\n")


if __name__ == "__main__":
    main()
