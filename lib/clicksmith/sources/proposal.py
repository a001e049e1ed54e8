"""From a sample of a log to a mapping of its columns, with what was seen and what is missing. Needs no Spark.

Columns are told by their names, and by their values where the names say nothing.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources.sample import Sample, Values, is_numeric
from clicksmith.tables.bronze import EVENT_COLUMNS, EVENT_TYPES

_NAMES = {
    "event_ts": "timestamp ts time eventts eventtime eventtimestamp unixts unixtime datetime createdat "
    "occurredat at timeframe when date eventdate invoicedate orderdate",
    "user_id": "userid user uid visitorid visitor customerid customer clientid memberid member accountid "
    "shopperid householdid cookieid deviceid personid buyerid username",
    "item_id": "itemid item sku productid product iid pid articleid article asin goodsid stockcode "
    "productcode contentid listingid movieid offerid",
    "event_type": "eventtype event action behavior behaviour behaviortype behaviourtype activity "
    "interaction type eventname kind",
    "session_id": "sessionid session visitid visit basketid orderid invoiceno invoice transactionid sid",
    "event_id": "eventid id rowid uuid",
    "request_id": "requestid impressionid listid pageviewid",
    "position": "position rank slot pos",
    "placement": "placement page pagetype widget",
    "query": "query searchterm searchquery keyword keywords q",
    "price": "price unitprice itemprice",
    "quantity": "quantity qty",
    "propensity": "propensity propensityscore pscore",
}
_SHOWN = "impression impressions shown show exposure display displayed served"
_WORDS = {
    "click": "click clicks clicked clk detail select open",
    "cart": "cart carts addtocart addcart basket addtobasket atc",
    "purchase": "purchase purchases purchased buy bought transaction order ordered checkout conversion sale "
    "pay paid",
    "search": "search searches query",
}
_VIEWS = frozenset("view views viewed pv pageview visit".split())
_MISSING = ("NA", "N/A", "NULL", "null", "None", "nan", "NaN", "\\N", "-", "unknown")
_FIRST, _LAST = datetime(1995, 1, 1, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000}
_DAY_SECONDS = 86_400
_DAY = timedelta(days=1)
_ISO = re.compile(r"\s*\d{4}-\d{2}-\d{2}")
_MOST_TYPES = 12


@dataclass(frozen=True)
class Proposal:
    """A mapping of a log, and what its sample holds.

    Attributes:
        events: the section source.events, as plain values, without path and format.
        extra_event_types: that the contract does not know.
        unused: columns that are not mapped.
        counts: events of the sample by the contract's type.
        num_users, num_items: distinct, of the sample.
        user_share: events whose user is known.
        first, last: times of the sample's events.
        late: the time before which four fifths of them lie.
    """

    events: dict[str, Any]
    extra_event_types: tuple[str, ...]
    unused: tuple[str, ...]
    counts: Mapping[str, int]
    num_users: int
    num_items: int
    user_share: float
    first: datetime
    last: datetime
    late: datetime

    @property
    def days(self) -> float:
        """From the first event to the last."""
        return (self.last - self.first).total_seconds() / _DAY_SECONDS

    @property
    def cut_date(self) -> date | None:
        """The day before which some four fifths of the events lie; None: too few days for three splits."""
        first, last = self.first.date(), self.last.date()
        day = min(max(self.late.date(), first + _DAY), last - 2 * _DAY)
        return day if day > first else None


def propose(sample: Sample, given: Mapping[str, str] | None = None) -> Proposal:
    """Guess a mapping.

    Args:
        sample: of the log.
        given: contract column -> column of the log, where the user knows better.

    Raises:
        ConfigError: `given` names what is not there.
        SourceError: no column tells when something happened, or to which item, or who did it.
    """
    columns = _named(sample, given or {})
    names = columns.copy()
    time = _time(sample, names.get("event_ts"), names.values())
    names["event_ts"] = time.pop("column")
    if "user_id" not in names and "session_id" in names:
        names["user_id"] = names["session_id"]
    _check_required(sample, names)
    events: dict[str, Any] = {"columns": _ordered(names), **time}
    types, unknown, constant = _event_types(sample, names)
    events |= {"event_types": types} if types else {}
    events |= {"constants": {"event_type": constant}} if constant else {}
    missing, empty_users = _missing(sample, names)
    events |= {"missing_values": missing} if missing else {}
    if empty_users and names.get("session_id", names["user_id"]) != names["user_id"]:
        events["fallbacks"] = {"user_id": "session_id"}
    users = [
        value for value in sample.columns[names["user_id"]] if value is not None and value not in missing
    ]
    moments = sorted(_moments(sample, names["event_ts"], events))
    kinds = [None] if constant else sample.columns[names["event_type"]]
    words = Counter(types.get(kind, kind) for kind in kinds if kind is not None)
    counts = {constant: sample.num_rows} if constant else dict(words)
    return Proposal(
        events=events,
        extra_event_types=tuple(unknown),
        unused=tuple(
            name for name in sample.columns if name not in {*names.values(), time.get("timestamp_date")}
        ),
        counts=counts,
        num_users=len(set(users)),
        num_items=len({value for value in sample.columns[names["item_id"]] if value is not None}),
        user_share=len(users) / sample.num_rows,
        first=moments[0],
        last=moments[-1],
        late=moments[int(0.8 * len(moments))],
    )


def _named(sample: Sample, given: Mapping[str, str]) -> dict[str, str]:
    """Contract column -> column of the log, by names."""
    known = [column.name for column in EVENT_COLUMNS]
    for name, column in given.items():
        if name not in known:
            raise ConfigError(f"COLUMNS: the contract has no column {name!r}; it has {', '.join(known)}.")
        if column not in sample.columns:
            raise ConfigError(
                f"COLUMNS: the log has no column {column!r}; it has {', '.join(sample.columns)}."
            )
    found = dict(given)
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(sample.columns)}
    for name, words in _NAMES.items():
        taken = set(found.values())
        match = next(
            (plain[word] for word in words.split() if word in plain and plain[word] not in taken), None
        )
        if name not in found and match is not None and _fits(name, sample.columns[match]):
            found[name] = match
    return found


def _fits(name: str, values: Values) -> bool:
    """Whether the values may be of such a column."""
    known = [value for value in values if value is not None]
    if name == "event_type":
        return not is_numeric(known) and len(set(known)) <= _MOST_TYPES
    if name in ("position", "price", "quantity", "propensity"):
        return is_numeric(known)
    if name == "event_id":
        return len(set(known)) == len(values)
    return bool(known)


def _time(sample: Sample, column: str | None, taken: Collection[str]) -> dict[str, Any]:
    """The column of times, and how to read it; without a named one, the first whose values are times."""
    free = [name for name in sample.columns if name not in taken]
    for name in [column] if column is not None else free:
        unit = _unit(sample, name)
        if unit is not None:
            return {"column": name, "timestamp_unit": unit}
    dated = next((name for name in free if _is_date(sample.columns[name])), None)
    if column is not None and dated is not None and is_numeric(sample.columns[column]):
        most = max(float(value) for value in sample.columns[column] if value is not None)
        unit = next((unit for unit, per in _PER_SECOND.items() if most < per * _DAY_SECONDS), None)
        if unit is not None:
            return {"column": column, "timestamp_unit": unit, "timestamp_date": dated}
    if dated is not None or (column is not None and _is_date(sample.columns[column])):
        return {"column": dated or column, "timestamp_unit": "iso"}
    what = "no column holds times" if column is None else f"{column!r} cannot be read as times"
    example = next((value for value in sample.columns.get(column or "", []) if value is not None), None)
    raise SourceError(
        f"LOG: {what}{'' if example is None else f', such as {example!r}'}; the columns are "
        f"{', '.join(sample.columns)}.",
        "Events need their time: as ISO (2026-11-29 14:06:00, UTC where no offset is given), or as seconds, "
        'milliseconds or microseconds since 1970. Name the column with COLUMNS="event_ts=NAME".',
    )


def _unit(sample: Sample, name: str) -> str | None:
    """In which unit a column's values are plausible times."""
    known = [value for value in sample.columns[name] if value is not None]
    if name in sample.times:
        return "iso"
    if not known:
        return None
    if is_numeric(known):
        middle = sorted(map(float, known))[len(known) // 2]
        fitting = (
            u for u, per in _PER_SECOND.items() if _FIRST.timestamp() < middle / per < _LAST.timestamp()
        )
        return next(fitting, None) if min(map(float, known)) > 0 else None
    read = sum(_iso(value) is not None for value in known)
    has_clock = any(":" in value for value in known[:100])
    return "iso" if read >= 0.95 * len(known) and has_clock else None


def _is_date(values: Values) -> bool:
    known = [value for value in values[:1000] if value is not None]
    return bool(known) and all(_iso(value) is not None for value in known)


def _iso(text: str) -> datetime | None:
    if not _ISO.match(text):
        return None
    try:
        moment = datetime.fromisoformat(text.strip().removesuffix(" UTC"))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _moments(sample: Sample, column: str, events: Mapping[str, Any]) -> list[datetime]:
    """The times of the events, but for those that can be none: a writer's zeros, or dates of its null."""
    unit, values = events["timestamp_unit"], sample.columns[column]
    if unit == "iso":
        read = (_iso(value) for value in values if value is not None)
        found = [moment for moment in read if moment is not None and _FIRST < moment < _LAST]
    else:
        starts = [0.0] * len(values)
        if "timestamp_date" in events:
            dates = (_iso(value) if value else None for value in sample.columns[events["timestamp_date"]])
            starts = [moment.timestamp() if moment else 0.0 for moment in dates]
        counts = zip(starts, values, strict=True)
        seconds = [start + float(value) / _PER_SECOND[unit] for start, value in counts if value is not None]
        first, last = _FIRST.timestamp(), _LAST.timestamp()
        found = [datetime.fromtimestamp(moment, UTC) for moment in seconds if first < moment < last]
    if not found:
        raise SourceError(
            f"LOG: {column!r} holds no time between {_FIRST:%Y} and {_LAST:%Y}.",
            'Name the column of the times with COLUMNS="event_ts=NAME".',
        )
    return found


def _check_required(sample: Sample, names: Mapping[str, str]) -> None:
    for name, what in (("item_id", "which item it was"), ("user_id", "who did it, or in which session")):
        if name not in names:
            raise SourceError(
                f"LOG: no column tells {what}; the columns are {', '.join(sample.columns)}.",
                f'Name it with COLUMNS="{name}=NAME".',
            )


def _event_types(sample: Sample, names: Mapping[str, str]) -> tuple[dict[str, str], list[str], str | None]:
    """The log's types in the contract's words, those that have none, or the one type of all events."""
    if "event_type" not in names:
        bought = {"quantity", "price"} & names.keys()
        return {}, [], "purchase" if bought else "click"
    known = {value for value in sample.columns[names["event_type"]] if value is not None}
    plain = {value: re.sub(r"[^a-z]", "", value.lower()) for value in known}
    words = {word: kind for kind, text in _WORDS.items() for word in text.split()}
    words |= {word: "impression" for word in _SHOWN.split()}
    # A view is what was shown where clicks are told apart, else it is the click on an item's page.
    has_clicks = any(words.get(text) == "click" for text in plain.values())
    words |= {word: "impression" if has_clicks else "click" for word in _VIEWS}
    types = {value: words[text] for value, text in sorted(plain.items()) if text in words}
    unknown = sorted(known - types.keys())
    return {value: kind for value, kind in types.items() if value != kind}, unknown, None


def _missing(sample: Sample, names: Mapping[str, str]) -> tuple[list[str], bool]:
    """Texts that stand for no value in columns of ids, and whether users are missing in some rows."""
    keys = [names[name] for name in ("user_id", "item_id", "session_id") if name in names]
    found = {value for column in keys for value in sample.columns[column] if value in _MISSING}
    users = sample.columns[names["user_id"]]
    return sorted(found), any(value is None or value in found for value in users)


def _ordered(names: Mapping[str, str]) -> dict[str, str]:
    order: Sequence[str] = [column.name for column in EVENT_COLUMNS]
    return {name: names[name] for name in order if name in names}


def known_types(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of the contract's own types, all of them."""
    return {kind: counts.get(kind, 0) for kind in EVENT_TYPES}
