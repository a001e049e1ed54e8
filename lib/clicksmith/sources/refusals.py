"""Which rows of a log's sample the contract will refuse, mapped as proposed. Needs no Spark."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from clicksmith.config.data import LEAST_PROPENSITY, ContractConfig
from clicksmith.sources.sample import Sample, Values
from clicksmith.sources.texts import NOT_EXACT, NOT_UTF8
from clicksmith.sources.times import is_like_iso
from clicksmith.sources.values import NUMBERS, WHOLE, is_missing, to_number_of
from clicksmith.tables.bronze import EVENT_COLUMNS

_CONTRACT = ContractConfig()
_FIRST = datetime.combine(_CONTRACT.earliest_date, time(), UTC)
_END = datetime.combine(_CONTRACT.latest_date, time(), UTC)
_AHEAD = timedelta(hours=_CONTRACT.max_future_hours)
_BOUNDS = {column.name: (column.minimum, column.maximum) for column in EVENT_COLUMNS} | {
    "price": (0.0, _CONTRACT.max_price)
}


@dataclass(frozen=True)
class Refusal:
    """Rows that break one rule.

    Attributes:
        why: what they do, as it follows on "13 rows".
        rows: their numbers in the sample.
        remedy: what helps, a sentence; empty: the rows themselves would have to be others.
    """

    why: str
    rows: Sequence[int]
    remedy: str = ""


def find_refusals(
    sample: Sample, events: Mapping[str, Any], times: Sequence[datetime | None], now: datetime | None
) -> tuple[Refusal, ...]:
    """What of a sample the contract will not take.

    Args:
        sample: of the log.
        events: its mapping, as settings of source.events.
        times: of its rows, as `read_times` finds them.
        now: later events are those of a wrong clock; None: they are not looked for.
    """
    found = [
        *_of_items(sample, events),
        *_of_users(sample, events),
        *_of_types(sample, events),
        *_of_wrong(sample, events),
        *_of_times(sample, events, times, now),
        *(one for name in NUMBERS if name in events["columns"] for one in _of_numbers(sample, events, name)),
    ]
    return tuple(refusal for refusal in found if refusal.rows)


def _mapped(sample: Sample, events: Mapping[str, Any], name: str) -> Values:
    """The values of a contract's column, without those that stand for none."""
    missing = set(events.get("missing_values", ()))
    return [
        None if value is None or value in missing or not value.strip(" ") else value
        for value in sample.columns[events["columns"][name]]
    ]


def _of_items(sample: Sample, events: Mapping[str, Any]) -> list[Refusal]:
    items, types = _mapped(sample, events, "item_id"), events.get("event_types", {})
    column = events["columns"].get("event_type")
    kinds = sample.columns[column] if column is not None else [None] * len(items)
    searches = {"search", *(kind for kind, known in types.items() if known == "search")}
    rows = [
        row
        for row, (item, kind) in enumerate(zip(items, kinds, strict=True))
        if item is None and kind not in searches
    ]
    return [_lacking(sample, events, "item_id", "have no item", rows)]


def _of_users(sample: Sample, events: Mapping[str, Any]) -> list[Refusal]:
    users = _mapped(sample, events, "user_id")
    if "fallbacks" in events:
        sessions = _mapped(sample, events, "session_id")
        users = [session if user is None else user for user, session in zip(users, sessions, strict=True)]
    rows = [row for row, user in enumerate(users) if user is None]
    return [_lacking(sample, events, "user_id", "do not say who it was", rows)]


def _lacking(sample: Sample, events: Mapping[str, Any], name: str, what: str, rows: Sequence[int]) -> Refusal:
    """Rows without an id; where a word stands there, it may be one after all."""
    column = events["columns"][name]
    values = [sample.columns[column][row] for row in rows]
    words = sorted({value for value in values if value is not None})
    if not words:
        return Refusal(f"{what} ({column})", rows)
    told = [*(["empty"] if None in values else []), *map(repr, words)]
    return Refusal(
        f"{what} ({column}: {', '.join(told)})",
        rows,
        "Where such a text is an id after all, take it out of source.events.missing_values.",
    )


def _of_types(sample: Sample, events: Mapping[str, Any]) -> list[Refusal]:
    column = events["columns"].get("event_type")
    if column is None:
        return []
    kinds = sample.columns[column]
    lacking = [row for row, kind in enumerate(kinds) if kind is None]
    worded = [row for row, kind in enumerate(kinds) if kind is not None and is_missing(kind)]
    words = ", ".join(sorted({repr(kinds[row]) for row in worded}))
    return [
        Refusal(f"have no event type ({column})", lacking),
        Refusal(
            f"have an event type that says nothing ({column}: {words})",
            worded,
            "Name it in contract.extra_event_types, and such rows are kept.",
        ),
    ]


def _of_wrong(sample: Sample, events: Mapping[str, Any]) -> list[Refusal]:
    """Of Parquet, whose columns are no text."""
    found = []
    for name, column in events["columns"].items():
        wrong = sample.wrong.get(column, {})
        rows = {kind: [row for row, one in wrong.items() if one == kind] for kind in (NOT_UTF8, NOT_EXACT)}
        found.append(Refusal(f"are not UTF-8 ({column})", rows[NOT_UTF8]))
        if name.endswith("_id"):
            why = f"have {NOT_EXACT} ({column})"
            found.append(Refusal(why, rows[NOT_EXACT], "Write ids as whole numbers, or as text."))
    return found


def _of_times(
    sample: Sample, events: Mapping[str, Any], times: Sequence[datetime | None], now: datetime | None
) -> list[Refusal]:
    column = events["columns"]["event_ts"]
    values = _mapped(sample, events, "event_ts")
    unread = [row for row, moment in enumerate(times) if moment is None and not _may_be(sample, events, row)]
    lacking = [row for row in unread if values[row] is None]
    broken = [row for row in unread if values[row] is not None]
    example = f", such as {sample.columns[column][broken[0]]!r}" if broken else ""
    read = [(row, moment) for row, moment in enumerate(times) if moment is not None]
    ahead = [] if now is None else [row for row, moment in read if now + _AHEAD < moment < _END]
    return [
        Refusal(f"have no time ({column})", lacking),
        Refusal(f"have a time that cannot be read ({column}{example})", broken),
        Refusal(f"have a time before {_FIRST:%Y} ({column})", [row for row, m in read if m < _FIRST]),
        Refusal(f"have a time of {_END:%Y} or later ({column})", [row for row, m in read if m >= _END]),
        Refusal(
            f"have a time in the future ({column}), by over {_CONTRACT.max_future_hours:g} hours",
            ahead,
            "contract.max_future_hours sets that bound.",
        ),
    ]


def _may_be(sample: Sample, events: Mapping[str, Any], row: int) -> bool:
    """Whether Spark reads a time that was not read here, as it has more ways of writing one."""
    value = sample.columns[events["columns"]["event_ts"]][row]
    if value is None or "timestamp_format" in events:
        return False
    date = events.get("timestamp_date") if events["timestamp_unit"] == "iso" else None
    return is_like_iso(value if date is None else f"{sample.columns[date][row]} {value}")


def _of_numbers(sample: Sample, events: Mapping[str, Any], name: str) -> list[Refusal]:
    values, decimal = _mapped(sample, events, name), events.get("decimal", ".")
    known = [(row, value, to_number_of(name, value, decimal)) for row, value in enumerate(values) if value]
    others = [(row, value) for row, value, number in known if number is None]
    numbers = [(row, number) for row, _, number in known if number is not None]
    least, most = _BOUNDS[name]
    kind = "whole number" if name in WHOLE else "number"
    example = f", such as {others[0][1]!r}" if others else ""
    found = [
        Refusal(
            f"have a {name} that is no {kind}{example}",
            [row for row, _ in others],
            "Where such a text stands for no value, name it in source.events.missing_values: then its row is "
            f"kept, without a {name}.",
        )
    ]
    if least is not None:
        returns = ", such as returns" if name in ("price", "quantity") else ""
        below = [row for row, number in numbers if number < least]
        found.append(Refusal(f"have a {name} below {least:g}{returns}", below))
    if most is not None:
        found.append(
            Refusal(f"have a {name} above {most:,.0f}", [row for row, number in numbers if number > most])
        )
    if name == "propensity":
        tiny = [row for row, number in numbers if 0 <= number < LEAST_PROPENSITY]
        found.append(Refusal(f"have a propensity below {LEAST_PROPENSITY:g}", tiny))
    return found
