"""How logs write times, read as Spark reads them: what it would not read is none here. Needs no Spark."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

_ISO = re.compile(
    r"\s*(?P<day>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<clock>\d{2}(?::\d{2}(?P<second>:\d{2}(?:\.\d+)?)?)?)"
    r"(?(second)(?: ?(?P<zone>Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?))?\s*",
    re.ASCII,
)
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
    " H:m:s,SSSSSS": " %H:%M:%S,%f",
    " H:m:s.SSSSSS": " %H:%M:%S.%f",
    "": "",
}
FORMATS = {
    date + clock: theirs + hours for clock, hours in _CLOCKS.items() for date, theirs in _DATES.items()
}
"""Spark's patterns, and the same in Python's words. Single letters take one digit or two."""

_WIDTHS = {
    "yyyy": r"\d{4}",
    "MM": r"\d{2}",
    "dd": r"\d{2}",
    "SSS": r"\d{1,3}",
    "SSSSSS": r"\d{1,6}",
    "a": "[AaPp][Mm]",
    ".": r"\.",
}
_TEXTS = {
    pattern: re.compile(
        re.sub(r"([A-Za-z])\1*|\.", lambda part: _WIDTHS.get(part[0], r"\d{1,2}"), pattern), re.ASCII
    )
    for pattern in FORMATS
}
"""The texts that Spark takes by them: Python lets any spaces and any fraction pass."""


def read_iso(text: str) -> datetime | None:
    """A time in ISO: a letter T or one space before the clock, a zone after its seconds alone."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    day, clock, zone = match["day"], match["clock"], match["zone"]
    written = day if clock is None else f"{day} {clock}"
    if zone is not None:
        written += "+00:00" if zone.isalpha() else zone
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def read_one(pattern: str, text: str) -> datetime | None:
    """A time by one of `FORMATS`."""
    if _TEXTS[pattern].fullmatch(text) is None:
        return None
    try:
        return datetime.strptime(text, FORMATS[pattern]).replace(tzinfo=UTC)
    except ValueError:
        return None


def read_by(pattern: str, texts: Sequence[str]) -> list[datetime]:
    """The times among the texts, by one of `FORMATS`."""
    return [moment for moment in (read_one(pattern, text) for text in texts) if moment is not None]
