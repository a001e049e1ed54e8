"""Options that presets of rows of a table share."""

from typing import ClassVar

from pydantic import Field, model_validator

from clicksmith.config.presets import PresetOptions, TrainedOptions

MEMORY_ROWS = 4_000_000
"""More training rows than a worker should hold."""


class Counted(PresetOptions):
    """Of a preset without gradients, which holds its rows in memory."""

    kind: ClassVar[str] = "examples"

    @model_validator(mode="after")
    def _fits_into_memory(self) -> "Counted":
        _require_memory(self)
        return self


class Trained(TrainedOptions):
    """Of a preset that holds its rows in memory."""

    kind: ClassVar[str] = "examples"

    @model_validator(mode="after")
    def _fits_into_memory(self) -> "Trained":
        _require_memory(self)
        return self


class Streamed(TrainedOptions):
    """Of a preset that can read its rows batch by batch."""

    kind: ClassVar[str] = "examples"

    memory_rows: int = Field(
        default=MEMORY_ROWS,
        ge=100,
        description="rows that a worker may hold in memory; with a higher max_rows they are read from the "
        "table batch by batch",
    )

    @property
    def streams(self) -> bool:
        """See `PresetOptions.streams`."""
        return self.max_rows > self.memory_rows


def _require_memory(options: PresetOptions) -> None:
    if options.max_rows > MEMORY_ROWS:
        raise ValueError(
            f"max_rows is {options.max_rows:,}, but {options.preset} holds its rows in memory, at most "
            f"{MEMORY_ROWS:,}. Lower it, or choose tabular_ar or tabular_gan, which read batch by batch"
        )
