"""Which column of a log's sample holds times, and how they are written. Needs no Spark."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clicksmith.errors import SourceError
from clicksmith.sources.sample import Sample, Values, is_numeric

FIRST, LAST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_DAY_SECONDS = 86_400
_ISO = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
_LIKE_ISO = re.compile(
    r"\s*(\d{4})-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.\d*)?)?)?"
    r"\s*(?:Z|[+-][\d:]+|[A-Za-z][\w/+-]*)?)?)?\s*"
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_LOOKED_AT = 2_000
"""Values by which a format is told."""

_ENOUGH = 0.95
"""The share of them that must be of it."""

_DATES = {
    "d.M.yyyy": "%d.%m.%Y",
    "d/M/yyyy": "%d/%m/%Y",
    "M/d/yyyy": "%m/%d/%Y",
    "d-M-yyyy": "%d-%m-%Y",
    "yyyy/M/d": "%Y/%m/%d",
    "yyyy-M-d": "%Y-%m-%d",
    "yyyyMMdd": "%Y%m%d",
}
_CLOCKS = {
    " H:m:s": " %H:%M:%S",
    " H:m": " %H:%M",
    " h:m:s a": " %I:%M:%S %p",
    " h:m a": " %I:%M %p",
    " H:m:s,SSS": " %H:%M:%S,%f",
    "": "",
}
_FORMATS = {
    date + clock: theirs + hours for clock, hours in _CLOCKS.items() for date, theirs in _DATES.items()
}
"""Spark's patterns, and the same in Python's words. Single letters take one digit or two."""


def find_times(
    sample: Sample, column: str | None, taken: Collection[str], is_given: bool = False
) -> dict[str, Any]:
    """The column of times, and how to read it, as settings of source.events.

    Without a named one, it is among those whose values are times the one with most of them distinct: when
    something happened differs from row to row, when a user was born or an item was listed does not.

    Args:
        sample: of the log.
        column: by its name, or None.
        taken: columns that are something else.
        is_given: the user named the column: it is that one, alone or with a column of dates.

    Raises:
        SourceError: there is none.
    """
    free = [name for name in sample.columns if name not in taken]
    named = [] if column is None else [column]
    for names in [named] if is_given else [named, free]:
        found = {name: _settings(sample, name) for name in names}
        timed = {name: settings for name, settings in found.items() if settings is not None}
        if timed:
            best = max(timed, key=lambda name: len(set(sample.columns[name])))
            return {"column": best, **timed[best]}
    dated = {name: _date_format(sample, name) for name in dict.fromkeys([*named, *free])}
    days = {name: settings for name, settings in dated.items() if settings is not None}
    if column in days and is_given:
        days = {column: days[column]}
    day = max(days, key=lambda name: len(set(sample.columns[name])), default=None)
    if day is not None:
        clock = (
            column if column not in (None, day) else _clock(sample, [name for name in free if name != day])
        )
        combined = _of_a_day(sample, day, days[day], clock)
        if not is_given or column in (combined["column"], combined.get("timestamp_date")):
            return combined
    what = "no column holds times" if column is None else f"{column!r} cannot be read as times"
    if any(_iso(value) is not None for value in _known(sample, column)[:_LOOKED_AT]):
        what = f"{column!r} holds no time between {FIRST:%Y} and {LAST:%Y}"
    example = next(iter(_known(sample, column)), None)
    raise SourceError(
        f"LOG: {what}{'' if example is None else f', such as {example!r}'}; the columns are "
        f"{', '.join(sample.columns)}.",
        "Events need their time: as ISO (2026-11-29 14:06:00, UTC where no offset is given), as date and "
        "time in one of the usual orders (29.11.2026 14:06), or as s, ms or us since "
        '1970. Name the column with COLUMNS="event_ts=NAME".',
    )


def read_times(
    columns: Mapping[str, Values], events: Mapping[str, Any], column: str
) -> list[datetime | None]:
    """The time of each row; None: it has none that can be read.

    Args:
        columns: of a sample, or of its tail.
        events: how `column` is read, from `find_times`.
        column: of the times.
    """
    date = events.get("timestamp_date")
    values = columns[column]
    days = columns[date] if date is not None else [None] * len(values)
    return [
        None if value is None or (date is not None and day is None) else _read(day, value, events)
        for day, value in zip(days, values, strict=True)
    ]


def moments(times: Sequence[datetime | None], column: str) -> list[datetime]:
    """The times of the events, but for those that can be none: a writer's zeros, or dates of its null.

    Args:
        times: of the rows, from `read_times`.
        column: of the times.

    Raises:
        SourceError: none is left.
    """
    found = [moment for moment in times if moment is not None and FIRST < moment < LAST]
    if not found:
        raise SourceError(
            f"LOG: {column!r} holds no time between {FIRST:%Y} and {LAST:%Y}.",
            'Name the column of the times with COLUMNS="event_ts=NAME".',
        )
    return found


def last_moments(sample: Sample, events: Mapping[str, Any], column: str) -> list[datetime]:
    """The same of the log's last rows, where they were read; else none."""
    if column not in sample.tail or events.get("timestamp_date", column) not in sample.tail:
        return []
    times = read_times(sample.tail, events, column)
    return [moment for moment in times if moment is not None and FIRST < moment < LAST]


def is_like_iso(text: str) -> bool:
    """Whether a text is a time as Spark reads ISO, which is with fewer digits too, and with zones by name."""
    match = _LIKE_ISO.fullmatch(text)
    if match is None:
        return False
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        datetime(year, month, day or 1, hour, minute, second)
    except ValueError:
        return False
    return True


def _read(day: str | None, value: str, events: Mapping[str, Any]) -> datetime | None:
    """One time, of a day where that is written beside it."""
    if events["timestamp_unit"] == "iso":
        text = value if day is None else f"{day} {value}"
        pattern = events.get("timestamp_format")
        return _iso(text) if pattern is None else _by(_FORMATS[pattern], text)
    start = _iso(day) if day is not None else None
    if (day is not None and start is None) or not is_numeric([value]):
        return None
    seconds = (start.timestamp() if start else 0.0) + float(value) / _PER_SECOND[events["timestamp_unit"]]
    return datetime.fromtimestamp(min(max(seconds, 0.0), LAST.timestamp()), UTC)


def _known(sample: Sample, name: str | None) -> list[str]:
    return [value for value in sample.columns.get(name or "", []) if value is not None]


def _settings(sample: Sample, name: str) -> dict[str, Any] | None:
    """How a column's values are read as times; None: they are none, or none of an event's."""
    known = _known(sample, name)
    if name in sample.times:
        return {"timestamp_unit": "iso"}
    if not known:
        return None
    numbers = [float(value) for value in known if is_numeric([value])]
    if len(numbers) >= _ENOUGH * len(known) and min(numbers) >= 0:
        middle = sorted(numbers)[len(numbers) // 2]
        for unit, per in _PER_SECOND.items():
            if FIRST.timestamp() < middle / per < LAST.timestamp():
                return {"timestamp_unit": unit}
    if not any(":" in value for value in known[:100]):
        return None
    return _format_of(known)


def _format_of(known: list[str]) -> dict[str, Any] | None:
    """ISO, or the pattern that nearly all values follow."""
    looked_at = known[:: max(1, len(known) // _LOOKED_AT)]
    enough = _ENOUGH * len(looked_at)
    read = [moment for moment in map(_iso, looked_at) if moment is not None]
    if len(read) >= enough:
        return {"timestamp_unit": "iso"} if _is_plausible(read) else None
    fitting = {}
    for pattern, theirs in _FORMATS.items():
        read = [moment for moment in (_by(theirs, value) for value in looked_at) if moment is not None]
        if len(read) >= enough and _is_plausible(read):
            fitting[pattern] = read
    if not fitting:
        return None
    # Day and month in the wrong order scatter a log's days over the months of the year.
    best = min(fitting, key=lambda pattern: max(fitting[pattern]) - min(fitting[pattern]))
    return {"timestamp_unit": "iso", "timestamp_format": best}


def _date_format(sample: Sample, name: str) -> dict[str, Any] | None:
    known = _known(sample, name)
    return _format_of(known) if known else None


def _of_a_day(sample: Sample, day: str, settings: dict[str, Any], clock: str | None) -> dict[str, Any]:
    """A column of dates, with the one that says when on that day, if there is such a one."""
    values = _known(sample, clock)
    if clock is None or not values:
        return {"column": day, **settings}
    if all(_CLOCK.fullmatch(value) for value in values):
        pattern = settings.get("timestamp_format")
        has_seconds = all(value.count(":") == 2 for value in values)
        own = {} if pattern is None else {"timestamp_format": pattern + (" H:m:s" if has_seconds else " H:m")}
        return {"column": clock, "timestamp_unit": "iso", "timestamp_date": day, **own}
    most = max(map(float, values)) if is_numeric(values) else -1.0
    unit = next((unit for unit, per in _PER_SECOND.items() if 0 <= most < per * _DAY_SECONDS), None)
    if unit is not None and "timestamp_format" not in settings:
        return {"column": clock, "timestamp_unit": unit, "timestamp_date": day}
    return {"column": day, **settings}


def _clock(sample: Sample, free: list[str]) -> str | None:
    """The column whose values are times of day."""
    for name in free:
        values = _known(sample, name)
        if values and all(_CLOCK.fullmatch(value) for value in values[:_LOOKED_AT]):
            return name
    return None


def _is_plausible(read: list[datetime]) -> bool:
    return FIRST < sorted(read)[len(read) // 2] < LAST


def _iso(text: str) -> datetime | None:
    if not _ISO.match(text) or "," in text:
        return None
    try:
        moment = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _by(pattern: str, text: str) -> datetime | None:
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=UTC)
    except ValueError:
        return None
