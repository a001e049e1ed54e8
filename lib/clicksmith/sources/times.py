"""Which column of a log's sample holds times, and how they are written. Needs no Spark."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from clicksmith.errors import SourceError
from clicksmith.sources.sample import Sample, Values, is_numeric
from clicksmith.sources.time_formats import FORMATS, read_by, read_iso, read_one
from clicksmith.sources.values import known_of

FIRST, LAST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_DAY_SECONDS = 86_400
_LIKE_ISO = re.compile(
    r"\s*(\d{4})-(\d{1,2})(?:-(\d{1,2})(?:[T ](\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.\d*)?"
    r"\s*(?:[+-](?:1[0-8]|0?\d)(?::?\d{2}){0,2}|[A-Z][\w/+:-]*)?)?)?)?)?\s*",
    re.ASCII,
)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?")
_LOOKED_AT = 2_000
"""Values by which a format is told."""

_ENOUGH, _ENOUGH_NAMED = 0.95, 0.5
"""The share of them that must be of it; the second where the column's name, or the user, says so."""


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
        found = {name: _settings(sample, name, _enough(name, column)) for name in names}
        timed = {name: settings for name, settings in found.items() if settings is not None}
        if timed:
            best = max(timed, key=lambda name: len(set(sample.columns[name])))
            return {"column": best, **timed[best]}
    dated = {
        name: _format_of(_known(sample, name), _enough(name, column))
        for name in dict.fromkeys([*named, *free])
    }
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
    what, example = _what_is_wrong(sample, column)
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
        return read_iso(text) if pattern is None else read_one(pattern, text)
    start = read_iso(day) if day is not None else None
    if (day is not None and start is None) or not is_numeric([value]):
        return None
    seconds = (start.timestamp() if start else 0.0) + float(value) / _PER_SECOND[events["timestamp_unit"]]
    return datetime.fromtimestamp(min(max(seconds, 0.0), LAST.timestamp()), UTC)


def _what_is_wrong(sample: Sample, column: str | None) -> tuple[str, str | None]:
    """Why there are no times, and a value that is none."""
    known = _known(sample, column)
    if column is None:
        return "no column holds times", None
    read = {value: moment for value in known[:_LOOKED_AT] if (moment := read_iso(value)) is not None}
    if not read:
        return f"{column!r} cannot be read as times", next(iter(known), None)
    if not any(FIRST < moment < LAST for moment in read.values()):
        return f"{column!r} holds no time between {FIRST:%Y} and {LAST:%Y}", known[0]
    return f"most of {column!r} cannot be read as times", next(
        (v for v in known if read_iso(v) is None), None
    )


def _known(sample: Sample, name: str | None) -> list[str]:
    return known_of(sample.columns.get(name or "", []))


def _enough(name: str, column: str | None) -> float:
    return _ENOUGH_NAMED if name == column else _ENOUGH


def _settings(sample: Sample, name: str, enough: float) -> dict[str, Any] | None:
    """How a column's values are read as times; None: they are none, or none of an event's."""
    known = _known(sample, name)
    if name in sample.times:
        return {"timestamp_unit": "iso"}
    numbers = [float(value) for value in known if is_numeric([value])]
    if numbers and len(numbers) >= enough * len(known):
        middle = sorted(numbers)[len(numbers) // 2]
        for unit, per in _PER_SECOND.items():
            if FIRST.timestamp() < middle / per < LAST.timestamp():
                return {"timestamp_unit": unit}
    return _format_of(known, enough) if any(":" in value for value in known[:100]) else None


def _format_of(known: list[str], enough: float) -> dict[str, Any] | None:
    """ISO, or the pattern that most values follow, which have to be enough of them."""
    looked_at = known[:: max(1, len(known) // _LOOKED_AT)]
    iso = [moment for moment in map(read_iso, looked_at) if moment is not None]
    if iso and len(iso) >= _ENOUGH * len(looked_at):
        return {"timestamp_unit": "iso"} if _is_plausible(iso) else None
    found = {pattern: read_by(pattern, looked_at) for pattern in FORMATS}
    most = max(len(iso), *map(len, found.values()))
    if not most or most < enough * len(looked_at):
        return None
    if len(iso) == most:
        return {"timestamp_unit": "iso"} if _is_plausible(iso) else None
    fitting = {
        pattern: read
        for pattern, read in found.items()
        if len(read) >= max(_ENOUGH * most, enough * len(looked_at)) and _is_plausible(read)
    }
    if not fitting:
        return None
    # Day and month in the wrong order scatter a log's days over the months of the year.
    best = min(fitting, key=lambda pattern: max(fitting[pattern]) - min(fitting[pattern]))
    return {"timestamp_unit": "iso", "timestamp_format": best}


def _of_a_day(sample: Sample, day: str, settings: dict[str, Any], clock: str | None) -> dict[str, Any]:
    """A column of dates, with the one that says when on that day, if there is such a one."""
    values = _known(sample, clock)
    if clock is None or not values:
        return {"column": day, **settings}
    if _are_clocks(values):
        pattern = settings.get("timestamp_format")
        own = {} if pattern is None else {"timestamp_format": pattern + _pattern_of_clocks(values)}
        return {"column": clock, "timestamp_unit": "iso", "timestamp_date": day, **own}
    most = max(map(float, values)) if is_numeric(values) else -1.0
    unit = next((unit for unit, per in _PER_SECOND.items() if 0 <= most < per * _DAY_SECONDS), None)
    if unit is not None and "timestamp_format" not in settings:
        return {"column": clock, "timestamp_unit": unit, "timestamp_date": day}
    return {"column": day, **settings}


def _clock(sample: Sample, free: list[str]) -> str | None:
    """The column whose values are times of day."""
    return next((name for name in free if _are_clocks(_known(sample, name)[:_LOOKED_AT])), None)


def _are_clocks(values: list[str]) -> bool:
    clocks = sum(_CLOCK.fullmatch(value) is not None for value in values)
    return bool(clocks) and clocks >= _ENOUGH * len(values)


def _pattern_of_clocks(values: list[str]) -> str:
    """By which the most of them are read, behind a date."""
    patterns = (" H:m:s", " H:m", " H:m:s.SSSSSS")
    today = "20000101"
    return max(patterns, key=lambda p: len(read_by("yyyyMMdd" + p, [f"{today} {value}" for value in values])))


def _is_plausible(read: list[datetime]) -> bool:
    return FIRST < sorted(read)[len(read) // 2] < LAST
