"""Cleaning through Spark: one shuffle, balanced counts, any number of partitions."""

import pytest

from builders import at, event, rows_of
from clicksmith.config import CleaningConfig
from clicksmith.errors import ContractError
from clicksmith.events.clean import clean_events, shuffle_and_clean
from clicksmith.tables import BRONZE_EVENTS

pytestmark = pytest.mark.spark

ROWS = [event(str(i % 70), "click", at(0, i), user=f"u{i % 5}", item=str(i % 3)) for i in range(140)]


@pytest.fixture
def events(spark):
    return spark.createDataFrame(rows_of(BRONZE_EVENTS, ROWS))


def test_counts_balance_and_sessions_match_events(events):
    result = clean_events(events, CleaningConfig(), 140, "v1", num_partitions=2, max_rows=100)
    assert result.counts == {"rows_in": 140, "accepted": 70, "deduplicated": 70, "rejected": 0}
    sessions = {row["session_id"]: row["num_events"] for row in result.sessions.collect()}
    by_hand = {
        row["session_id"]: row["count"] for row in result.events.groupBy("session_id").count().collect()
    }
    assert sessions == by_hand


def test_a_wrong_row_count_is_an_error(events):
    with pytest.raises(ContractError, match="do not balance"):
        clean_events(events, CleaningConfig(), 141, "v1", num_partitions=2, max_rows=100)


def test_the_plan_has_one_exchange(events):
    events.sparkSession.catalog.clearCache()  # else the plan shows another test's cached frame
    whole = shuffle_and_clean(events, CleaningConfig(), 2, 100)
    plan = whole._jdf.queryExecution().executedPlan().toString()
    assert plan.count("Exchange") == 1, plan


@pytest.mark.parametrize(("num_partitions", "max_rows"), [(14, 1000), (1, 1000), (2, 9)])
def test_partitioning_and_spilling_do_not_change_the_rows(events, num_partitions, max_rows):
    def rows(num_partitions: int, max_rows: int) -> dict[str, list[str]]:
        found = clean_events(
            events, CleaningConfig(), 140, "v1", num_partitions=num_partitions, max_rows=max_rows
        )
        return {
            name: sorted(map(str, getattr(found, name).collect()))
            for name in ("events", "sessions", "rejected")
        }

    assert rows(num_partitions, max_rows) == rows(3, 1000)
