"""From a file's columns to the contract's, by the configuration alone."""

import difflib
from collections.abc import Collection, Sequence

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from clicksmith import tables
from clicksmith.config import FilesTableConfig
from clicksmith.config.data import DECIMAL_COMMA
from clicksmith.errors import ConfigError, SourceError
from clicksmith.sources.lines import column

_MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
_WRITTEN_AS_FLOAT = r"^-?(?:(?:0|[1-9][0-9]*)\.0+|[1-9]\.[0-9]+[eE]\+?[0-9]+|[1-9](?:\.[0-9]+)?[eE]\+[0-9]+)$"
"""Numbers as languages print floats: no text such as 1E5 or 007.0, which may be a name."""


def check_mapping(settings: FilesTableConfig, purpose: str, columns: Sequence[tables.Column]) -> None:
    """Refuse a mapping that cannot give rows of the contract. Raises `ConfigError`."""
    known = [c.name for c in columns]
    if settings.timestamp_format is not None and settings.timestamp_unit != "iso":
        raise ConfigError(
            f"{purpose}.timestamp_format is {settings.timestamp_format!r}, but {purpose}.timestamp_unit is "
            f"{settings.timestamp_unit}.",
            "Numbers have a unit and texts a format: take one of the two out.",
        )
    given = {*settings.columns, *settings.constants}
    for name, other in settings.fallbacks.items():
        if name not in given or other not in given:
            raise ConfigError(
                f"{purpose}.fallbacks: {name!r} falls back to {other!r}, but not both are mapped.",
                f"Map both in {purpose}.columns.",
            )
    required = [c.name for c in columns if not c.nullable]
    for name in settings.optional:
        if name in required or name not in settings.columns:
            why = "every row needs it" if name in required else f"{purpose}.columns does not map it"
            raise ConfigError(f"{purpose}.optional names {name!r}, but {why}.", "Take it out.")
    for key, mapping in (("columns", settings.columns), ("constants", settings.constants)):
        for name in mapping:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1, cutoff=0.4) or known
                raise ConfigError(
                    f"{purpose}.{key}: the contract has no column {name!r};", f"nearest: {near[0]!r}."
                )
    given = {*settings.columns, *settings.constants, "event_id"}
    missing = [c.name for c in columns if not c.nullable and c.name not in given]
    if missing:
        raise ConfigError(f"{purpose}.columns maps nothing to {', '.join(missing)}, which every row needs.")


def check_columns(wanted: Collection[str], found: Collection[str], purpose: str, where: str) -> None:
    """Refuse files that lack wanted columns; the error names the nearest. Raises `SourceError`."""
    for name in wanted:
        if name not in found:
            near = difflib.get_close_matches(name, list(found), n=1, cutoff=0.4)
            hint = f"The nearest there is {near[0]!r}" if near else f"It has {', '.join(sorted(found)[:20])}"
            raise SourceError(
                f"{purpose}.columns: {where} has no column {name!r}.", f"{hint}; correct the mapping."
            )


def lacking_columns(settings: FilesTableConfig, found: Collection[str]) -> set[str]:
    """Mapped columns that are not there and need not be."""
    needed = {source for name, source in settings.columns.items() if name not in settings.optional}
    return set(settings.columns.values()) - needed - set(found)


def map_columns(
    frame: DataFrame, settings: FilesTableConfig, purpose: str, columns: Sequence[tables.Column]
) -> DataFrame:
    """The files' columns, all text, under the contract's names, in the contract's words and times."""
    sources = settings.file_columns
    numbers = {c.name for c in columns if pa.types.is_integer(c.type) or pa.types.is_floating(c.type)}
    mapped: dict[str, Column] = {name: F.lit(value) for name, value in settings.constants.items()}
    for name, source in settings.columns.items():
        value = F.col(column(sources.index(source)))
        if settings.missing_values:
            value = F.when(~value.isin(*settings.missing_values), value)
        if source in settings.key_columns:
            value = _whole(value)
        if name == "event_type" and settings.event_types:
            value = _translate(value, settings.event_types)
        if name == "event_ts":
            value = (
                _from_text(value, settings)
                if settings.timestamp_unit == "iso"
                else _from_number(value, settings)
            )
        if settings.decimal == "," and name in numbers:
            value = _with_point(value)
        mapped[name] = value
    for name, other in settings.fallbacks.items():
        mapped[name] = F.coalesce(mapped[name], F.concat(F.lit(f"{other}:"), mapped[other]))
    if columns[0].name == "event_id" and "event_id" not in mapped:
        content = [mapped[c.name].alias(c.name) for c in columns if c.name in mapped]
        mapped["event_id"] = F.md5(F.to_json(F.struct(*content)))
    selected = [value.alias(name) for name, value in mapped.items()]
    return frame.select(*selected, "_raw", "_problem")


def _translate(value: Column, names: dict[str, str]) -> Column:
    pairs = [F.lit(text) for pair in names.items() for text in pair]
    return F.coalesce(F.try_element_at(F.create_map(*pairs), value), value)


def _whole(value: Column) -> Column:
    """A key that some writer made a float of, such as 20000001.0 or 2.0000001E7, as a whole number again."""
    number = value.try_cast("decimal(38,6)")
    digits = F.floor(number).cast("decimal(38,0)").cast("string")
    is_whole = value.rlike(_WRITTEN_AS_FLOAT) & (number == F.floor(number))
    # Few keys have a point or a sign: those that have none are not looked at twice.
    return F.when(
        (value.contains(".") | value.contains("+")) & is_whole, F.coalesce(digits, value)
    ).otherwise(value)


def _with_point(value: Column) -> Column:
    """A number with a decimal comma, whose points part thousands, as others write it; other text stays."""
    number = F.trim(value)
    return F.when(
        number.rlike(f"^{DECIMAL_COMMA}$"), F.translate(F.translate(number, ".", ""), ",", ".")
    ).otherwise(value)


def _from_text(value: Column, settings: FilesTableConfig) -> Column:
    """A time of day with its date, and one of a format of its own, as ISO text; what is none stays none."""
    if settings.timestamp_date is not None:
        date = F.col(column(settings.file_columns.index(settings.timestamp_date)))
        value = F.concat(date, F.lit(" "), value)
    if settings.timestamp_format is None:
        return value
    read = F.try_to_timestamp(value, F.lit(settings.timestamp_format))
    return F.coalesce(read.cast("string"), F.concat(F.lit("not by timestamp_format: "), value))


def _from_number(value: Column, settings: FilesTableConfig) -> Column:
    """Seconds, milliseconds or microseconds since 1970 to a time's text; text that is no number stays.

    A number that counts from a date which is missing becomes text that is no time: alone, ``2015`` would be
    read as a year.
    """
    unit = settings.timestamp_unit
    number = value.try_cast("decimal(38,6)")
    micros = F.try_multiply(number, F.lit(_MICROS[unit]).cast("decimal(7,0)"))
    rest = value
    if settings.timestamp_date is not None:
        date = F.col(column(settings.file_columns.index(settings.timestamp_date)))
        micros = micros + F.unix_micros(date.try_cast("date").cast("timestamp"))
        rest = F.when(number.isNull(), value).otherwise(F.concat(F.lit("no date: "), value))
    return F.coalesce(F.timestamp_micros(micros.try_cast("bigint")).cast("string"), rest)
