"""What the texts of a log's column are: a value or none, a number or other text. Needs no Spark."""

import math
import re
from collections.abc import Sequence

import pyarrow as pa

from clicksmith.config.data import DECIMAL_COMMA
from clicksmith.tables.bronze import EVENT_COLUMNS

NUMBERS = ("position", "price", "quantity", "propensity")
"""The contract's columns of numbers."""

WHOLE = frozenset(column.name for column in EVENT_COLUMNS if pa.types.is_integer(column.type))
ENOUGH = 0.95
"""The share of a column's values that must be numbers; the contract refuses rows of the others."""

_MISSING = frozenset(
    "|-|--|\\n|na|n/a|n.a.|#n/a|<na>|nan|null|(null)|none|(none)|nil|missing|undefined|unknown|empty|(empty)|"
    "not set|(not set)".split("|")
)
"""Words for no value, in small letters."""

_MOST_WHOLE = 2**31
_COMMA = re.compile(DECIMAL_COMMA)
_COMMAS_OF_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:,[0-9]{3})+")
_POINTS_OF_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+(?:,[0-9]+)?")


def is_missing(value: str | None) -> bool:
    """Whether a text is a common word for no value."""
    return value is None or value.strip().lower() in _MISSING


def known_of(values: Sequence[str | None]) -> list[str]:
    """The values that are there."""
    return [value for value in values if value is not None and not is_missing(value)]


def decimal_of(known: Sequence[str]) -> str:
    """The sign before a column's fractions: a comma where values are written so, and nearly none by a point.

    1,200 says nothing: it may be a thousand and more, or hardly above one. It is no number by a point.
    """
    by_comma = sum(map(_needs_comma, known)) if any("," in value or "." in value for value in known) else 0
    return "," if by_comma and by_comma >= ENOUGH * (by_comma + sum(map(_needs_point, known))) else "."


def decimal_of_all(columns: Sequence[Sequence[str]]) -> str:
    """The one sign of a log's columns of numbers, as there is one setting for all of them.

    A comma where one column is written so, unless more numbers such as 1.250 lie in the columns that do not
    say how they are to be read, or one does in a column that is written by a point.
    """
    signs = [decimal_of(known) for known in columns]
    by_comma = sum(
        _needs_comma(v) for sign, known in zip(signs, columns, strict=True) if sign == "," for v in known
    )
    others = [known for sign, known in zip(signs, columns, strict=True) if sign != ","]
    changed = [sum(map(_is_changed, known)) for known in others]
    is_by_point = any(
        num and any(map(_needs_point, known)) for num, known in zip(changed, others, strict=True)
    )
    return "." if is_by_point or by_comma <= sum(changed) else ","


def _needs_comma(value: str) -> bool:
    """Whether it is a number by a decimal comma alone, and not one whose commas part thousands."""
    value = value.strip()
    if not _COMMA.fullmatch(value) or _COMMAS_OF_THOUSANDS.fullmatch(value):
        return False
    return "," in value or value.count(".") > 1


def _needs_point(value: str) -> bool:
    """Whether it is a number by a decimal point alone, such as 12.50, 0.125 or 1,234.50."""
    value = value.strip()
    if "." not in value or _POINTS_OF_THOUSANDS.fullmatch(value):
        return False
    return to_number(value.replace(",", ""), ".") is not None


def _is_changed(value: str) -> bool:
    """Whether it is another number by a comma than by a point."""
    return to_number(value, ".") not in (None, to_number(value, ","))


def to_number(value: str, decimal: str) -> float | None:
    """A text as the contract reads it; None: it is no number."""
    if decimal == "," and _COMMA.fullmatch(value.strip()):
        value = value.replace(".", "").replace(",", ".")
    if "_" in value or not value.isascii():
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def to_number_of(name: str, value: str, decimal: str) -> float | None:
    """The same for one of the contract's columns: some hold whole numbers alone."""
    number = to_number(value, decimal)
    if number is None or name not in WHOLE:
        return number
    return number if number.is_integer() and abs(number) < _MOST_WHOLE else None


def no_numbers(name: str, known: Sequence[str]) -> list[str]:
    """The values that are no numbers of such a column of the contract, by the decimal sign that they have."""
    sign = decimal_of(known)
    return [value for value in known if to_number_of(name, value, sign) is None]
