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


def is_missing(value: str | None) -> bool:
    """Whether a text is a common word for no value."""
    return value is None or value.strip().lower() in _MISSING


def known_of(values: Sequence[str | None]) -> list[str]:
    """The values that are there."""
    return [value for value in values if value is not None and value.strip().lower() not in _MISSING]


def decimal_of(known: Sequence[str]) -> str:
    """The sign before fractions: a comma where more values are written so than with a point."""
    if not any("," in value for value in known):
        return "."
    commas = sum(re.fullmatch(DECIMAL_COMMA, value.strip()) is not None for value in known)
    return "," if commas > sum(to_number(value, ".") is not None for value in known) else "."


def to_number(value: str, decimal: str) -> float | None:
    """A text as the contract reads it; None: it is no number."""
    if decimal == "," and re.fullmatch(DECIMAL_COMMA, value.strip()):
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
    """The values that are no numbers of such a column of the contract."""
    decimal = decimal_of(known)
    return [value for value in known if to_number_of(name, value, decimal) is None]
