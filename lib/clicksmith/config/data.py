"""The sections of a configuration about data: sources, the contract, cleaning, features, table care."""

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, field_validator

from clicksmith.config.section import Section

_PATTERN = re.compile(r"(?:[yMdHhmsSaX]+|'T'|[ .,:/_-])+")

LEAST_PROPENSITY = 1e-9
"""A row stands for 1/propensity rows, and sums of those must stay numbers."""
DECIMAL_COMMA = r"[+-]?(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)(?:,[0-9]+)?"
"""Numbers that ``decimal: ","`` reads, as Java and Python both write the pattern."""


class CompleteJourneyConfig(Section):
    """dunnhumby's The Complete Journey, from a PyPI wheel."""

    name: Literal["complete_journey"] = "complete_journey"
    household_fraction: float = Field(
        default=1.0, gt=0, le=1, description="share of households, by hash of their id"
    )
    converted_impression_rate: float = Field(
        default=0.5, gt=0, le=1, description="share kept of impressions bought"
    )
    other_impression_rate: float = Field(
        default=0.001, gt=0, le=1, description="share kept of all other impressions"
    )


class OpenBanditConfig(Section):
    """ZOZO's Open Bandit Data, from a PyPI wheel."""

    name: Literal["open_bandit"] = "open_bandit"
    policy: Literal["random", "bts"] = "random"
    campaign: Literal["all", "men", "women"] = "all"


class MovieLensConfig(Section):
    """MovieLens 100k, from a PyPI wheel."""

    name: Literal["movielens_100k"] = "movielens_100k"


class FilesTableConfig(Section):
    """A set of files and how their columns map to the contract."""

    path: str = Field(description="a file, folder or glob")
    format: Literal["jsonl", "csv", "parquet"]
    columns: dict[str, str] = Field(description="contract column -> column of the file")
    constants: dict[str, str] = Field(
        default_factory=dict, description="contract column -> the same value in each row"
    )
    event_types: dict[str, str] = Field(
        default_factory=dict, description="the file's event type -> the contract's"
    )
    optional: tuple[str, ...] = Field(
        default=(), description="contract columns whose column some files lack: null there"
    )
    missing_values: tuple[str, ...] = Field(
        default=(), description="texts that stand for no value, such as NA"
    )
    fallbacks: dict[str, str] = Field(
        default_factory=dict,
        description="contract column -> the one that stands in where it is missing, by NAME:VALUE",
    )
    timestamp_unit: Literal["iso", "s", "ms", "us"] = "iso"
    timestamp_date: str | None = Field(
        default=None,
        description="the file's column with a date, from whose midnight (UTC) event_ts counts in its unit; "
        "with iso, event_ts is the time of that day",
    )
    timestamp_format: str | None = Field(
        default=None,
        description="how event_ts is written where it is no ISO time: a pattern of Spark's, such as "
        "d.M.yyyy H:m:s; UTC",
    )
    decimal: Literal[".", ","] = Field(
        default=".", description="the sign before fractions of numbers; with a comma, points part thousands"
    )
    delimiter: str = Field(default=",", description='of CSV: one character, such as a tab as "\\t"')

    @field_validator("delimiter")
    @classmethod
    def _is_one_character(cls, value: str) -> str:
        if len(value) != 1 or value in '"\r\n':
            raise ValueError(
                'a delimiter is one character, and neither a quote nor a line break; a tab is "\\t" in YAML'
            )
        return value

    @field_validator("timestamp_format")
    @classmethod
    def _is_a_pattern(cls, value: str | None) -> str | None:
        if value is not None and not (_PATTERN.fullmatch(value) and all(part in value for part in "yMd")):
            raise ValueError(
                "a pattern has year, month and day as yyyy, M and d, and H (or h with a), m, s and S for the "
                "time, with signs between them: d.M.yyyy H:m:s"
            )
        return value

    @property
    def file_columns(self) -> list[str]:
        """The columns of the files that are read."""
        dated = [] if self.timestamp_date is None else [self.timestamp_date]
        return list(dict.fromkeys([*self.columns.values(), *dated]))

    @property
    def key_columns(self) -> set[str]:
        """Those of them that identify something, so that numbers among them are whole."""
        return {source for name, source in self.columns.items() if name.endswith("_id")}


class FilesConfig(Section):
    """Any JSON lines, CSV or Parquet files."""

    name: Literal["files"] = "files"
    events: FilesTableConfig
    items: FilesTableConfig | None = None
    users: FilesTableConfig | None = None
    incremental: bool = Field(
        default=False,
        description="each run ingests the event files that no run before it did, as a batch of their own; "
        "false: all files anew whenever one has changed",
    )
    max_files: int = Field(default=100_000, ge=1, description="of a batch, in order of their names")
    settle_seconds: float = Field(
        default=60.0,
        ge=0,
        description="a file that was written to later than this ago waits for the next run",
    )
    accept_changed: tuple[str, ...] = Field(
        default=(),
        description="names or globs of files that may have changed since they were ingested: they count as "
        "they are now, and batches that are in the lake keep their rows",
    )


SourceConfig = Annotated[
    CompleteJourneyConfig | OpenBanditConfig | MovieLensConfig | FilesConfig, Field(discriminator="name")
]


class ContractConfig(Section):
    """The bounds that a raw record must keep."""

    earliest_date: date = Field(default=date(1995, 1, 1), description="events before it are rejected")
    latest_date: date = Field(default=date(2050, 1, 1), description="events on or after it are rejected")
    max_future_hours: float = Field(
        default=24.0,
        ge=0,
        le=1_000_000,
        description="an event so much later than the moment of its ingest is rejected",
    )
    extra_event_types: tuple[str, ...] = ()
    max_price: float = Field(
        default=1e9,
        gt=0,
        le=1e12,
        description="records with a price above it, such as a placeholder, are rejected",
    )
    max_rejected_fraction: float = Field(default=0.05, ge=0, le=1, description="above it ingestion stops")


class CleaningConfig(Section):
    """Dedup, bots, clocks, sessions."""

    session_gap_minutes: float = Field(default=30.0, gt=0)
    max_events_per_minute: int = Field(
        default=3000, ge=1, description="a user above it in any minute is a bot"
    )
    max_events_per_user: int = Field(default=1_000_000, ge=1, description="a user above it is a bot")
    max_outcomes_per_second: int | None = Field(
        default=None,
        ge=1,
        description="a user with more clicks, carts and purchases in one second is a bot; null: any",
    )
    max_outcomes_per_impression: float | None = Field(
        default=None,
        gt=0,
        description="a user above it, with at least min_impressions, is a bot; null: any ratio",
    )
    min_impressions: int = Field(default=100, ge=1, description="of a user whose ratio is judged")
    near_duplicate_seconds: float = Field(
        default=0.0,
        ge=0,
        description="an event that repeats type, item and request within it is a duplicate: a double click",
    )
    max_clock_skew_minutes: float = Field(
        default=10.0,
        ge=0,
        description="an outcome this much before its own impression is moved to it, else rejected",
    )


class FeaturesConfig(Section):
    """The time cut and what is built around it."""

    cut_date: date | None = Field(
        default=None, description="test and validation start here; null: by cut_fraction"
    )
    cut_fraction: float = Field(
        default=0.8, gt=0, lt=1, description="share of the time span that trains; wrong clocks do not count"
    )
    validation_fraction: float = Field(default=0.3, gt=0, lt=1, description="share of the time after the cut")
    max_sequence_length: int = Field(default=100, ge=2)
    max_brands: int = Field(default=100, ge=1, description="frequent brands kept by name")
    min_item_events: int = Field(default=1, ge=1, description="rarer ids share index 0 of the vocabulary")
    max_sample_weight: float = Field(default=1000.0, gt=0)
    num_negatives: int = Field(
        default=0,
        ge=0,
        description="items drawn beside each outcome of a log without impressions; 0: it has them",
    )


class MaintenanceConfig(Section):
    """Table care by maintain_tables."""

    target_file_mb: int = Field(default=128, ge=1, description="smaller files are put together up to this")
    retention_days: float = Field(
        default=30.0,
        ge=1,
        description="a file that left a table longer ago is removed, unless a version in use needs it; jobs "
        "that run meanwhile may read what left it up to a day ago",
    )
