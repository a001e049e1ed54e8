"""The one global time cut. Everything fitted is fitted strictly before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clicksmith.config import FeaturesConfig
from clicksmith.errors import ConfigError

_DAY = timedelta(days=1)
_TAIL = 0.01
"""So many of a log's events, at either end, may have a wrong time without any effect on the cut."""
_MARGIN = 0.1
"""An end's events are believed up to this share of the others' span away from them."""


@dataclass(frozen=True)
class Cut:
    """Train is before `cut_ts`, validation from it to before `test_ts`, test from there; UTC midnights.

    An event before `first_ts` tells a wrong time: as the first of a user or an item it would make them old.
    """

    first_ts: datetime
    cut_ts: datetime
    test_ts: datetime

    def split_of(self, event_ts: Column) -> Column:
        """The split that a timestamp falls into."""
        return (
            F.when(event_ts < F.lit(self.cut_ts), "train")
            .when(event_ts < F.lit(self.test_ts), "validation")
            .otherwise("test")
        )

    def believed(self, events: DataFrame) -> DataFrame:
        """The events that tell no time before the log's first."""
        return events.where(F.col("event_ts") >= F.lit(self.first_ts))


@dataclass(frozen=True)
class Day:
    """A day's events: how many, the first and the last moment."""

    day: date
    num_events: int
    first: datetime
    last: datetime


def find_cut(events: DataFrame, settings: FeaturesConfig) -> Cut:
    """The cut that a configuration asks for, given the events' time span (see `time_span`).

    Raises:
        ConfigError: a split would be empty.
    """
    rows = (
        events.groupBy(F.to_date("event_ts").alias("day"))
        .agg(
            F.count(F.lit(1)).alias("num_events"),
            F.unix_micros(F.min("event_ts")).alias("first"),
            F.unix_micros(F.max("event_ts")).alias("last"),
        )
        .collect()
    )  # a day a row: the contract's dates bound their number
    days = [Day(row["day"], row["num_events"], _moment(row["first"]), _moment(row["last"])) for row in rows]
    if not days:
        raise ConfigError(
            "There are no clean events to cut in time.", "Check what ingestion and cleaning rejected."
        )
    first, last = time_span(days)
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
    return Cut(first, cut, test)


def time_span(days: Sequence[Day]) -> tuple[datetime, datetime]:
    """The first and the last moment of a log, but for those that wrong clocks tell.

    The days on which all but a hundredth of the events at either end lie are believed, and what is less than
    a tenth of their span away from them: fewer than a hundredth of the events, whatever time they tell, move
    neither end beyond that. A log whose clocks are right keeps its least and greatest time, but where it
    begins or ends so thinly that a hundredth of its events take more than that tenth.

    Args:
        days: in any order, at least one.
    """
    ordered = sorted(days, key=lambda day: day.day)
    begin, end = _after_tail(ordered), _after_tail(ordered[::-1])
    margin = max(_MARGIN * (end - begin), _DAY)
    believed = [day for day in ordered if begin - margin <= day.day <= end + margin]
    return believed[0].first, believed[-1].last


def _after_tail(days: Sequence[Day]) -> date:
    """The first of the days, in their order, that is not of the tail."""
    left = _TAIL * sum(day.num_events for day in days)
    for day in days:
        left -= day.num_events
        if left < 0:
            return day.day
    return days[-1].day


def _moment(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)


def _midnight(moment: datetime) -> datetime:
    return datetime.combine(moment.date(), datetime.min.time(), UTC)
