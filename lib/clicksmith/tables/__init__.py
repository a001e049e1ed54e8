"""The contract: every table's columns, types, keys and checks, declared once."""

from clicksmith.tables.bronze import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVENT_FILES,
    EVENT_TYPES,
    OUTCOMES,
    REJECTED,
)
from clicksmith.tables.evaluation import EVALUATION_METRICS, MEASUREMENTS, VERDICTS
from clicksmith.tables.gold import (
    ITEM_PROFILES,
    RECOMMENDATIONS,
    SEARCH_PAIRS,
    SEQUENCES,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    SYNTHETIC_SEQUENCE_CANDIDATES,
    SYNTHETIC_SEQUENCES,
    TRAINING_EXAMPLES,
    USER_PROFILES,
    VOCABULARY,
)
from clicksmith.tables.ops import JOB_RUNS
from clicksmith.tables.schema import Column, Table
from clicksmith.tables.silver import SILVER_EVENTS, SILVER_REJECTED, SILVER_SESSIONS
from clicksmith.tables.twins import TWINS, Twin

EVENTS_REJECTED, ITEMS_REJECTED, USERS_REJECTED = REJECTED

ALL_TABLES = (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVENT_FILES,
    EVENTS_REJECTED,
    ITEMS_REJECTED,
    USERS_REJECTED,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    USER_PROFILES,
    ITEM_PROFILES,
    TRAINING_EXAMPLES,
    SEQUENCES,
    SEARCH_PAIRS,
    VOCABULARY,
    RECOMMENDATIONS,
    SYNTHETIC_CANDIDATES,
    SYNTHETIC_EXAMPLES,
    SYNTHETIC_SEQUENCE_CANDIDATES,
    SYNTHETIC_SEQUENCES,
    EVALUATION_METRICS,
    VERDICTS,
)
"""Those that hold data; ops.job_runs and gold.measurements tell of runs, and grow with each."""

__all__ = [
    "ALL_TABLES",
    "BRONZE_EVENTS",
    "BRONZE_ITEMS",
    "BRONZE_USERS",
    "EVALUATION_METRICS",
    "EVENTS_REJECTED",
    "EVENT_FILES",
    "EVENT_TYPES",
    "ITEMS_REJECTED",
    "ITEM_PROFILES",
    "JOB_RUNS",
    "MEASUREMENTS",
    "OUTCOMES",
    "RECOMMENDATIONS",
    "SEARCH_PAIRS",
    "SEQUENCES",
    "SILVER_EVENTS",
    "SILVER_REJECTED",
    "SILVER_SESSIONS",
    "SYNTHETIC_CANDIDATES",
    "SYNTHETIC_EXAMPLES",
    "SYNTHETIC_SEQUENCES",
    "SYNTHETIC_SEQUENCE_CANDIDATES",
    "TRAINING_EXAMPLES",
    "TWINS",
    "USERS_REJECTED",
    "USER_PROFILES",
    "VERDICTS",
    "VOCABULARY",
    "Column",
    "Table",
    "Twin",
]
