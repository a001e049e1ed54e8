"""Run as a process of its own: clean and sessionise the same events with DuckDB, to the same output.

Arguments: the files of bronze.events as JSON, a folder to write to, and the rules' bounds as JSON.
Writes events, sessions and rejected, each a folder of Parquet files; the last line says what it took.

Written as one would for speed: users in parts of some 2.5 million rows, so that nothing spills (one statement
over all rows takes 2.7 times as long), and windows only over the rows that can break a rule.
"""

import json
import sys
import time
from pathlib import Path

import duckdb
from lines import peak_mb

THREADS, MEMORY = 2, "4GB"
ROWS_PER_PART = 2_500_000

CONTENT = "event_type, item_id, event_ts, session_id, request_id, query, price, quantity"
ORDER = ", ".join(
    f"{name} NULLS LAST"
    for name in (
        "event_ts event_id event_type item_id session_id request_id query price quantity position properties "
        "ingest_id"
    ).split()
)
OUTCOME = "event_type IN ('click', 'cart', 'purchase')"


def keep_first(key: str) -> str:
    """Delete all but the first row of those that agree in a key."""
    names = key.split(", ")
    agree = " AND ".join(f"part.{name} IS NOT DISTINCT FROM repeated.{name}" for name in names)
    window = f"PARTITION BY {', '.join(f'part.{name}' for name in names)} ORDER BY {ORDER}"
    return f"""
    DELETE FROM part WHERE rowid IN (
        SELECT id FROM (
            SELECT part.rowid AS id, row_number() OVER ({window}) AS n FROM part
            SEMI JOIN (SELECT {key} FROM part GROUP BY ALL HAVING count(*) > 1) AS repeated ON {agree}
        ) WHERE n > 1)
    """


JUDGE = f"""
CREATE OR REPLACE TEMP TABLE cleaned AS
WITH minutes AS (
    SELECT user_id, count(*) AS n FROM part GROUP BY user_id, date_trunc('minute', event_ts)
), bots AS (
    SELECT user_id FROM minutes GROUP BY user_id HAVING sum(n) > $per_user OR max(n) > $per_minute
), outcomes AS (
    SELECT DISTINCT user_id, request_id, item_id FROM part WHERE request_id IS NOT NULL AND {OUTCOME}
), shown AS (
    SELECT user_id, request_id, item_id, min(event_ts) AS shown_ts
    FROM part SEMI JOIN outcomes ON part.user_id = outcomes.user_id
        AND part.request_id = outcomes.request_id AND part.item_id IS NOT DISTINCT FROM outcomes.item_id
    WHERE event_type = 'impression' GROUP BY ALL
), skewed AS (
    SELECT part.*, date_diff('microsecond', event_ts, shown_ts) AS skew, bots.user_id IS NOT NULL AS is_bot
    FROM part LEFT JOIN bots USING (user_id)
    LEFT JOIN shown ON {OUTCOME} AND part.user_id = shown.user_id
        AND part.request_id = shown.request_id AND part.item_id IS NOT DISTINCT FROM shown.item_id
)
SELECT * EXCLUDE (event_ts, event_date, skew, is_bot),
    CASE WHEN skew BETWEEN 1 AND $skew THEN event_ts + to_microseconds(skew) ELSE event_ts END AS event_ts,
    is_bot OR coalesce(skew > $skew, false) AS is_rejected
FROM skewed
"""

SESSIONS = """
CREATE OR REPLACE TEMP TABLE kept AS
WITH gaps AS (
    SELECT * EXCLUDE (is_rejected), session_id IS NULL AS own,
        date_diff('microsecond', lag(event_ts) OVER w, event_ts) AS silence
    FROM cleaned WHERE NOT is_rejected
    WINDOW w AS (PARTITION BY user_id, session_id IS NULL ORDER BY event_ts)
), started AS (
    SELECT * EXCLUDE (silence),
        max(CASE WHEN silence IS NULL OR silence > $gap THEN epoch_us(event_ts) END)
            OVER (PARTITION BY user_id, own ORDER BY event_ts) AS start_us
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

OUTPUTS = {"events": "FROM kept", "sessions": SUMMARY, "rejected": "FROM cleaned WHERE is_rejected"}


def main() -> None:
    """Time all of it, reading and writing included."""
    source, target, rules = json.loads(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
    started = time.perf_counter()
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY})
    connection.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    connection.execute(f"SET temp_directory = '{target}/spill'")
    bronze = f"FROM read_parquet({source!r})"
    num_rows = connection.execute(f"SELECT count(*) {bronze}").fetchall()[0][0]
    num_parts = -(-num_rows // ROWS_PER_PART)
    for name in OUTPUTS:
        (target / name).mkdir()
    for part in range(num_parts):
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE part AS {bronze} WHERE hash(user_id) % {num_parts} = {part}"
        )
        connection.execute(keep_first("user_id, event_id"))
        connection.execute(keep_first(f"user_id, {CONTENT}"))
        connection.execute(JUDGE, {name: rules[name] for name in ("skew", "per_user", "per_minute")})
        connection.execute(SESSIONS, {"gap": rules["gap"]})
        for name, query in OUTPUTS.items():
            connection.execute(f"COPY ({query}) TO '{target}/{name}/{part}.parquet' (COMPRESSION zstd)")
    seconds = time.perf_counter() - started
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "peak_mb": peak_mb()}) + "\n")


if __name__ == "__main__":
    main()
