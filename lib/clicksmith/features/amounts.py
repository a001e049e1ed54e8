"""Amounts as whole micro-units, so that sums and means do not depend on the order of rows."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

MICROS = 1_000_000
MICROS_PER_DAY = 86_400 * MICROS


def micros(amount: Column) -> Column:
    """An amount as a whole number of millionths."""
    return F.round(amount * MICROS).cast("long")


def micros_of(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def mean_of(total_micros: Column, count: Column) -> Column:
    """The mean, null where nothing was counted."""
    return F.when(count > 0, total_micros / count / MICROS)


def days_between(earlier_us: Column, later_us: Column) -> Column:
    """Days between two times in microseconds."""
    return (later_us - earlier_us) / MICROS_PER_DAY
