"""Amounts as whole micro-units, so that sums and means do not depend on the order of rows."""

from datetime import UTC, datetime, timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

MICROS = 1_000_000
MAX_AMOUNT = 1e12
"""In units: its micro-units are a 64-bit number, with room for nine of them."""
MICROS_PER_DAY = 86_400 * MICROS


def micros(amount: Column) -> Column:
    """A finite amount as a whole number of millionths; beyond `MAX_AMOUNT` either way, that."""
    bounded = F.greatest(F.lit(-MAX_AMOUNT), F.least(amount, F.lit(MAX_AMOUNT)))
    return F.when(amount.isNotNull(), F.round(bounded * MICROS).cast("long"))


def total(whole: Column, times: Column | None = None) -> Column:
    """The sum of whole numbers, each times a whole number; 0 of none."""
    value = wide(whole)
    return F.coalesce(F.sum(value if times is None else value * times.cast("decimal(10,0)")), F.lit(0))


def wide(whole: Column) -> Column:
    """A whole number as a decimal: a 64-bit sum overflows with ten amounts of `MAX_AMOUNT`."""
    return whole.cast("decimal(19,0)")


def to_units(whole: Column) -> Column:
    """Micro-units as a number of units."""
    return whole.cast("double") / MICROS


def micros_of(moment: datetime) -> int:
    """A moment in microseconds since 1970."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def mean_of(total_micros: Column, count: Column) -> Column:
    """The mean, null where nothing was counted."""
    return F.when(count > 0, total_micros.cast("double") / count / MICROS)


def days_between(earlier_us: Column, later_us: Column) -> Column:
    """Days between two times in microseconds."""
    return (later_us - earlier_us) / MICROS_PER_DAY
