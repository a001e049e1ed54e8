"""From a sample of a log to a mapping of its columns, with what was seen and what is missing. Needs no Spark.

Columns are told by their names, and by their values where the names say nothing.
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources.refusals import Refusal, find_refusals
from clicksmith.sources.sample import Sample, Values, is_numeric
from clicksmith.sources.times import find_times, last_moments, moments, read_times
from clicksmith.sources.values import ENOUGH, NUMBERS, WHOLE, decimal_of_all, is_missing, known_of, no_numbers
from clicksmith.tables.bronze import EVENT_COLUMNS, EVENT_TYPES

_NAMES = {
    "event_ts": "timestamp ts time eventts eventtime eventtimestamp unixts unixtime datetime createdat "
    "occurredat at timeframe when date eventdate invoicedate orderdate",
    "user_id": "userid user uid visitorid visitor customerid customer clientid memberid member accountid "
    "shopperid householdid cookieid deviceid personid buyerid username userpseudoid anonymousid email "
    "customeremail",
    "item_id": "itemid item sku productid product iid pid articleid article asin goodsid stockcode "
    "productcode contentid listingid movieid offerid lineitemsku",
    "event_type": "eventtype event action behavior behaviour behaviortype behaviourtype activity "
    "interaction type eventname kind",
    "session_id": "sessionid session visitid visit basketid orderid invoiceno invoice transactionid sid",
    "event_id": "eventid id rowid uuid",
    "request_id": "requestid impressionid listid pageviewid",
    "position": "position rank slot pos",
    "placement": "placement page pagetype widget",
    "query": "query searchterm searchquery keyword keywords q",
    "price": "price unitprice itemprice amount",
    "quantity": "quantity qty",
    "propensity": "propensity propensityscore pscore",
}
_SHOWN = "impression impressions shown show exposure display displayed served viewitemlist"
_WORDS = {
    "click": "click clicks clicked clk detail select open selectitem",
    "cart": "cart carts addtocart addcart basket addtobasket addtobag atc",
    "purchase": "purchase purchases purchased buy bought transaction order ordered ordercompleted checkout "
    "conversion sale pay paid",
    "search": "search searches query viewsearchresults",
}
_VIEWS = frozenset("view views viewed pv pageview visit viewitem viewcontent productview itemview".split())
_DAY = timedelta(days=1)
_MOST_TYPES = 100
_VAGUE = ("type", "kind", "activity", "interaction")
"""Names that may be of an item's kind as well."""

_OF_NESTED = (
    "Nested fields are not read: write them on the first level, as `jq -c '. + {item_id: .item.id}'` does."
)
EMPTY = "(which is empty)"
"""After the name of a column without values."""
_AS_NUMBERS = (
    "Numbers are written as 12.5 or 12,5. Where such texts stand for no value, leave {name} out of COLUMNS, "
    "and write into the drafted file `{name}: {column}` under columns and the texts into missing_values."
)


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
        first, last: times of the log's events.
        late: the time before which some four fifths of them lie.
        misfits: columns that were passed over for their values, as "name (such as 'value')" and for numbers
            how many are none, by the contract's column that their name says.
        refused: rows of the sample that the contract refuses, by why.
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
    misfits: Mapping[str, str]
    refused: tuple[Refusal, ...]

    @property
    def days(self) -> float:
        """From the first event to the last."""
        return (self.last - self.first) / _DAY

    @property
    def cut_date(self) -> date | None:
        """The day before which some four fifths of the events lie; None: too few days for three splits."""
        first, last = self.first.date(), self.last.date()
        day = min(max(self.late.date(), first + _DAY), last - 2 * _DAY)
        return day if day > first else None


def propose(
    sample: Sample,
    given: Mapping[str, str] | None = None,
    given_types: Mapping[str, str] | None = None,
    now: datetime | None = None,
) -> Proposal:
    """Guess a mapping.

    Args:
        sample: of the log.
        given: contract column -> column of the log, where the user knows better.
        given_types: the log's event type -> the contract's, likewise.
        now: events from after it are said to be refused; None: they are not.

    Raises:
        ConfigError: one of them names what is not there.
        SourceError: no column tells when something happened, or to which item, or who did it.
    """
    given = given or {}
    names, misfits = _named(sample, given)
    time = find_times(sample, names.get("event_ts"), names.values(), "event_ts" in given)
    names["event_ts"] = time.pop("column")
    if "user_id" not in names and "session_id" in names:
        names["user_id"] = names["session_id"]
    _check_required(sample, names)
    events: dict[str, Any] = {"columns": _ordered(names), **time}
    types, unknown, constant = _event_types(sample, names, given_types or {})
    events |= {"event_types": types} if types else {}
    events |= {"constants": {"event_type": constant}} if constant else {}
    missing = _missing(sample, names)
    events |= {"missing_values": missing} if missing else {}
    numbers = [known_of(sample.columns[names[name]]) for name in NUMBERS if name in names]
    events |= {"decimal": ","} if decimal_of_all(numbers) == "," else {}
    users = known_of(sample.columns[names["user_id"]])
    if len(users) < sample.num_rows and names.get("session_id", names["user_id"]) != names["user_id"]:
        events["fallbacks"] = {"user_id": "session_id"}
    times = read_times(sample.columns, events, names["event_ts"])
    found = sorted(moments(times, names["event_ts"]))
    last = max([found[-1], *last_moments(sample, events, names["event_ts"])])
    # Of a log that was not read to its end, the rows say nothing of what comes later.
    whole = sample.share == 1 or last == found[-1]
    kinds = [None] if constant else sample.columns[names["event_type"]]
    words = Counter(types.get(kind, kind) for kind in kinds if kind is not None)
    used = {*names.values(), time.get("timestamp_date")}
    return Proposal(
        events=events,
        extra_event_types=tuple(unknown),
        unused=tuple(name for name in sample.columns if name not in used),
        counts={constant: sample.num_rows} if constant else dict(words),
        num_users=len(set(users)),
        num_items=len(set(known_of(sample.columns[names["item_id"]]))),
        user_share=len(users) / sample.num_rows,
        first=found[0],
        last=last,
        late=found[int(0.8 * len(found))] if whole else found[0] + 0.8 * (last - found[0]),
        misfits=misfits,
        refused=find_refusals(sample, events, times, now),
    )


def _named(sample: Sample, given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Contract column -> column of the log, by names; and those whose values do not fit."""
    known = [column.name for column in EVENT_COLUMNS]
    for name, column in given.items():
        if name not in known:
            raise ConfigError(f"COLUMNS: the contract has no column {name!r}; it has {', '.join(known)}.")
        if column not in sample.columns:
            raise ConfigError(
                f"COLUMNS: the log has no column {column!r}; it has {', '.join(sample.columns)}.",
                _OF_NESTED if sample.nested else "",
            )
        if name != "event_ts" and not _fits(name, column, sample.columns[column]):
            as_numbers = _AS_NUMBERS.format(name=name, column=column) if name in NUMBERS else ""
            few = "A column of event types has few values, and words." if name == "event_type" else ""
            misfit = _misfit(name, column, sample.columns[column])
            raise ConfigError(f"COLUMNS: {name} cannot be {misfit}.", as_numbers or few)
    found, misfits = dict(given), dict[str, str]()
    plain = {re.sub(r"[^a-z0-9]", "", name.lower()): name for name in reversed(sample.columns)}
    for name, words in _NAMES.items():
        taken = set(found.values())
        matches = [plain[word] for word in words.split() if word in plain and plain[word] not in taken]
        if name in found or not matches:
            continue
        fitting = (one for one in matches if name == "event_ts" or _fits(name, one, sample.columns[one]))
        if (match := next(fitting, None)) is not None:
            found[name] = match
        else:
            misfits[name] = _misfit(name, matches[0], sample.columns[matches[0]])
    return found, misfits


def _misfit(name: str, column: str, values: Values) -> str:
    """A column with what does not fit: of numbers, what is none."""
    known = known_of(values)
    others = no_numbers(name, known) if name in NUMBERS else known
    if not others:
        return f"{column!r} {EMPTY}"
    kind = "whole numbers" if name in WHOLE else "numbers"
    counts = f"; {len(others):,} of {len(known):,} values are no {kind}" if name in NUMBERS else ""
    return f"{column!r} (such as {others[0]!r}{counts})"


def _fits(name: str, column: str, values: Values) -> bool:
    """Whether the values may be of such a column."""
    known = known_of(values)
    if name == "event_type":
        is_vague = re.sub(r"[^a-z]", "", column.lower()) in _VAGUE
        few = len(set(known)) <= _MOST_TYPES
        return bool(known) and few and not is_numeric(known) and not (is_vague and not _meanings(set(known)))
    if name in NUMBERS:
        return bool(known) and len(no_numbers(name, known)) <= (1 - ENOUGH) * len(known)
    if name == "event_id":
        return len(set(known)) == len(values)
    return bool(known)


def _check_required(sample: Sample, names: Mapping[str, str]) -> None:
    required = {"item_id": "which item it was", "user_id": "who did it, or in which session"}
    lacking = [name for name in required if name not in names]
    if lacking:
        nested = f" {_OF_NESTED}" if sample.nested else ""
        raise SourceError(
            f"LOG: no column tells {', nor '.join(required[name] for name in lacking)}; the columns are "
            f"{', '.join(sample.columns)}.",
            f'Name it with COLUMNS="{" ".join(f"{name}=NAME" for name in lacking)}".{nested}',
        )


def _event_types(
    sample: Sample, names: Mapping[str, str], given: Mapping[str, str]
) -> tuple[dict[str, str], list[str], str | None]:
    """The log's types in the contract's words, those that have none, or the one type of all events."""
    known = set(known_of(sample.columns[names["event_type"]])) if "event_type" in names else set()
    for value, kind in given.items():
        if value not in known or kind not in EVENT_TYPES:
            raise ConfigError(
                f"TYPES: {value}={kind} is no type of the log's and one of the contract's.",
                f"The log has {', '.join(sorted(known)) or 'no column of them'}; the contract has "
                f"{', '.join(EVENT_TYPES)}.",
            )
    if not known:
        bought = {"quantity", "price"} & names.keys()
        return {}, [], "purchase" if bought else "click"
    types = {**_meanings(known), **given}
    unknown = sorted(known - types.keys())
    return {value: kind for value, kind in sorted(types.items()) if value != kind}, unknown, None


def _meanings(values: Collection[str]) -> dict[str, str]:
    """Event types in the contract's words, those that have one."""
    plain = {value: re.sub(r"[^a-z]", "", value.lower()) for value in values}
    words = {word: kind for kind, text in _WORDS.items() for word in text.split()}
    words |= {word: "impression" for word in _SHOWN.split()}
    # A view is what was shown where clicks are told apart, else it is the click on an item's page.
    has_clicks = any(words.get(text) == "click" for text in plain.values())
    words |= {word: "impression" if has_clicks else "click" for word in _VIEWS}
    return {value: words[text] for value, text in sorted(plain.items()) if text in words}


def _missing(sample: Sample, names: Mapping[str, str]) -> list[str]:
    """Texts that stand for no value in columns of ids and numbers, as the log spells them."""
    ids = ("user_id", "item_id", "session_id", "request_id")
    columns = {names[name] for name in (*ids, *NUMBERS) if name in names}
    values = {value for column in columns for value in sample.columns[column] if value is not None}
    return sorted(filter(is_missing, values))


def _ordered(names: Mapping[str, str]) -> dict[str, str]:
    order: Sequence[str] = [column.name for column in EVENT_COLUMNS]
    return {name: names[name] for name in order if name in names}


def known_types(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts of the contract's own types, all of them."""
    return {kind: counts.get(kind, 0) for kind in EVENT_TYPES}
