"""Run as a process of its own: point-in-time training examples of the same events with DuckDB.

Arguments: JSON with the files of silver.events, bronze.items and bronze.users, the cut's times, the bounds,
and a folder to write to. Writes examples/*.parquet with the columns of gold.training_examples; the last line
says what it took.

Written as one would for speed: outcomes are few, so their running totals are small tables, and impressions
find the newest that is before them by as-of joins.
"""

import json
import sys
import time
from pathlib import Path

import duckdb
from lines import peak_mb

THREADS, MEMORY = 2, "4GB"
DAY_US = 86_400_000_000
NUM_PARTS = 8

SPLIT = "CASE WHEN us < $cut_us THEN 'train' WHEN us < $test_us THEN 'validation' ELSE 'test' END"

PREPARE = f"""
CREATE TEMP TABLE catalogue AS
    SELECT item_id, c.category AS item_category, c.subcategory AS item_subcategory, c.brand FROM (
        SELECT item_id, min(struct_pack(category, subcategory, brand)) AS c FROM items GROUP BY item_id);
CREATE TEMP TABLE outcomes AS
    SELECT user_id, item_id, session_id, event_type, event_ts, epoch_us(event_ts) AS us, {SPLIT} AS split,
        item_category, (event_type = 'purchase')::BIGINT AS bought,
        CASE WHEN event_type = 'purchase' THEN round(price * 1e6)::BIGINT END AS micros
    FROM events LEFT JOIN catalogue USING (item_id) WHERE event_type IN ('click', 'cart', 'purchase');
CREATE TEMP TABLE brands AS
    SELECT brand FROM outcomes JOIN catalogue USING (item_id)
    WHERE us < $cut_us AND brand IS NOT NULL GROUP BY brand ORDER BY count(*) DESC, brand LIMIT $max_brands;
CREATE TEMP TABLE seen AS
    SELECT item_id, min(epoch_us(event_ts)) AS first_us FROM events
    WHERE event_type IN ('impression', 'click', 'cart', 'purchase') GROUP BY item_id;
CREATE TEMP TABLE first_seen AS
    SELECT user_id, min(epoch_us(event_ts)) AS first_us FROM events
    WHERE event_type IN ('impression', 'click', 'cart', 'purchase') GROUP BY user_id;
CREATE TEMP TABLE profiles AS
    SELECT user_id, p.age_band, p.income_band, p.household FROM (
        SELECT user_id, min(struct_pack(age_band, income_band, household)) AS p FROM users GROUP BY user_id);
"""


def running(name: str, keys: str, **values: str) -> str:
    """Running totals of the outcomes after each moment of a key."""
    sums = ", ".join(f"sum(sum({value})) OVER w AS {alias}" for alias, value in values.items())
    return f"""
    CREATE TEMP TABLE {name} AS SELECT {keys}, us, {sums} FROM outcomes GROUP BY {keys}, us
    WINDOW w AS (PARTITION BY {keys} ORDER BY us)
    """


PRICES = {"total": "coalesce(micros, 0)", "prices": "(micros IS NOT NULL)::BIGINT"}
RUNNING = (
    running("by_item", "item_id", n="bought", **PRICES),
    running("by_user", "user_id", n="1", bought="bought", **PRICES),
    running("by_category", "user_id, item_category", n="1"),
    running("by_pair", "user_id, item_id", bought="bought"),
)
LAST = """
CREATE TEMP TABLE last_in_split AS
    SELECT user_id, session_id, item_id, split,
        max(us) FILTER (event_type = 'click') AS click_us, max(us) FILTER (event_type = 'cart') AS cart_us,
        max(us) FILTER (event_type = 'purchase') AS purchase_us
    FROM outcomes GROUP BY ALL
"""

EXAMPLES = f"""
SELECT i.event_id AS example_id, i.user_id, i.item_id, i.session_id, i.request_id, i.event_ts, i.placement,
    hour(i.event_ts)::INT AS hour_of_day, isodow(i.event_ts)::INT AS day_of_week,
    p.age_band AS user_age_band, p.income_band AS user_income_band, p.household AS user_household,
    coalesce(u.n, 0)::BIGINT AS user_num_events,
    (coalesce(u.bought, 0) - coalesce(m.bought, 0))::BIGINT AS user_num_purchases_30d,
    CASE WHEN u.prices > 0 THEN u.total::DOUBLE / u.prices / 1000000 END AS user_mean_price,
    (i.us - u.us)::DOUBLE / {DAY_US} AS user_days_since_last,
    c.item_category, c.item_subcategory,
    CASE WHEN c.brand IS NOT NULL THEN coalesce(b.brand, 'other') END AS item_brand,
    CASE WHEN t.prices > 0 THEN t.total::DOUBLE / t.prices / 1000000 END AS item_price,
    coalesce(t.n, 0)::BIGINT AS item_num_purchases,
    CASE WHEN s.first_us < i.us THEN (i.us - s.first_us)::DOUBLE / {DAY_US} END AS item_days_since_first,
    CASE WHEN c.item_category IS NOT NULL AND u.n > 0 THEN coalesce(k.n, 0)::DOUBLE / u.n ELSE 0 END
        AS user_category_share,
    coalesce(q.bought, 0)::BIGINT AS user_item_num_purchases,
    (i.us - q.us)::DOUBLE / {DAY_US} AS user_item_days_since_last,
    coalesce(l.click_us >= i.us, false) AS label_click, coalesce(l.cart_us >= i.us, false) AS label_cart,
    coalesce(l.purchase_us >= i.us, false) AS label_purchase,
    i.us >= $cut_us AND f.first_us >= $cut_us AS is_cold_user,
    s.first_us >= $cut_us AS is_cold_item,
    i.propensity, least(1 / coalesce(i.propensity, 1), $max_weight)::DOUBLE AS sample_weight,
    i.split
FROM (SELECT *, epoch_us(event_ts) AS us, us - 30 * {DAY_US} AS month_us, {SPLIT} AS split FROM events
      WHERE event_type = 'impression' AND hash(user_id) % {NUM_PARTS} = $part) AS i
LEFT JOIN catalogue AS c ON i.item_id = c.item_id
LEFT JOIN brands AS b ON c.brand = b.brand
LEFT JOIN seen AS s ON i.item_id = s.item_id
LEFT JOIN first_seen AS f ON i.user_id = f.user_id
LEFT JOIN profiles AS p ON i.user_id = p.user_id
LEFT JOIN last_in_split AS l
    ON i.user_id = l.user_id AND i.session_id = l.session_id AND i.item_id = l.item_id AND i.split = l.split
ASOF LEFT JOIN by_item AS t ON i.item_id = t.item_id AND i.us > t.us
ASOF LEFT JOIN by_user AS u ON i.user_id = u.user_id AND i.us > u.us
ASOF LEFT JOIN by_user AS m ON i.user_id = m.user_id AND i.month_us > m.us
ASOF LEFT JOIN by_category AS k
    ON i.user_id = k.user_id AND c.item_category = k.item_category AND i.us > k.us
ASOF LEFT JOIN by_pair AS q ON i.user_id = q.user_id AND i.item_id = q.item_id AND i.us > q.us
"""


def main() -> None:
    """Time all of it, reading and writing included."""
    arguments = json.loads(sys.argv[1])
    target = Path(arguments["target"])
    started = time.perf_counter()
    connection = duckdb.connect(config={"threads": THREADS, "memory_limit": MEMORY})
    connection.execute("SET preserve_insertion_order = false; SET TimeZone = 'UTC'")
    connection.execute(f"SET temp_directory = '{target}/spill'")
    for name in ("events", "items", "users"):
        connection.execute(f"CREATE VIEW {name} AS FROM read_parquet({arguments[name]!r})")
    bounds = {name: arguments[name] for name in ("cut_us", "test_us", "max_weight")}
    for statement in filter(str.strip, PREPARE.split(";")):
        known = {name: arguments[name] for name in ("cut_us", "test_us", "max_brands")}
        connection.execute(statement, {k: v for k, v in known.items() if f"${k}" in statement})
    for statement in (*RUNNING, LAST):
        connection.execute(statement)
    (target / "examples").mkdir()
    for part in range(NUM_PARTS):
        query = f"COPY ({EXAMPLES}) TO '{target}/examples/{part}.parquet' (COMPRESSION zstd)"
        connection.execute(query, {**bounds, "part": part})
    seconds = time.perf_counter() - started
    sys.stdout.write("\n" + json.dumps({"seconds": seconds, "peak_mb": peak_mb()}) + "\n")


if __name__ == "__main__":
    main()
