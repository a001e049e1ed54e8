"""The one global time cut. Everything fitted is fitted strictly before it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clicksmith.config import FeaturesConfig
from clicksmith.errors import ConfigError

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Cut:
    """Train is before `cut_ts`, validation from it to before `test_ts`, test from there; UTC midnights."""

    cut_ts: datetime
    test_ts: datetime

    def split_of(self, event_ts: Column) -> Column:
        """The split that a timestamp falls into."""
        return (
            F.when(event_ts < F.lit(self.cut_ts), "train")
            .when(event_ts < F.lit(self.test_ts), "validation")
            .otherwise("test")
        )


def find_cut(events: DataFrame, settings: FeaturesConfig) -> Cut:
    """The cut that a configuration asks for, given the events' time span.

    Raises:
        ConfigError: a split would be empty.
    """
    row = events.agg(
        F.unix_micros(F.min("event_ts")).alias("first"), F.unix_micros(F.max("event_ts")).alias("last")
    ).first()
    if row is None or row["first"] is None:
        raise ConfigError(
            "There are no clean events to cut in time.", "Check what ingestion and cleaning rejected."
        )
    first, last = (datetime.fromtimestamp(row[name] / 1e6, UTC) for name in ("first", "last"))
    if settings.cut_date is not None:
        cut = datetime.combine(settings.cut_date, datetime.min.time(), UTC)
    else:
        cut = _midnight(first + settings.cut_fraction * (last - first))
    test = _midnight(cut + settings.validation_fraction * (last - cut))
    test = max(test, cut + _DAY)
    if not first < cut < test <= last:
        raise ConfigError(
            f"The cut at {cut:%Y-%m-%d} with test from {test:%Y-%m-%d} leaves a split without events, "
            f"which span {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}.",
            "Set features.cut_date inside the span, at least two days before its end.",
        )
    return Cut(cut, test)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), datetime.min.time(), UTC)
