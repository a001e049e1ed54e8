"""What all presets of generators are asked, and which there are: each preset's file owns its own options."""

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, ClassVar

from pydantic import Field

from clicksmith.config.section import Section

ROOMS = ("clicksmith.generators.tabular.presets", "clicksmith.generators.sequence.presets")
"""Packages in which each module declares a preset, as its ``PRESET``. They import neither torch nor Ray: a
configuration is read where neither is installed."""


@dataclass(frozen=True)
class Schedule:
    """How long a generator is trained. A preset that counts needs a single step.

    Attributes:
        num_steps: of the optimizer.
        batch_size: global, over all workers.
        checkpoint_every: steps.
        max_rollbacks: returns to the last good checkpoint after a collapse.
    """

    num_steps: int = 1
    batch_size: int = 1
    checkpoint_every: int = 1
    max_rollbacks: int = 0


class PresetOptions(Section):
    """What every preset can be asked."""

    kind: ClassVar[str]
    """Of the data that it makes, see `tables.TWINS`."""

    preset: str
    max_rows: int = Field(
        default=200_000,
        ge=100,
        description="rows to train on, chosen by hash of their id; those of the held-out users are counted, "
        "but not shown",
    )
    min_users: int = Field(
        default=5, ge=1, description="a category or an extreme of fewer users is not learnt; 1 learns any"
    )

    @property
    def schedule(self) -> Schedule:
        """How long it is trained."""
        return Schedule()

    @property
    def streams(self) -> bool:
        """Whether its rows are read batch by batch, not held in memory."""
        return False


class TrainedOptions(PresetOptions):
    """What every preset can be asked that is trained by gradients."""

    num_steps: int = Field(default=600, ge=1, description="optimizer steps of the generator")
    batch_size: int = Field(default=500, ge=2, description="global: over all workers")
    learning_rate: float | None = Field(default=None, gt=0, description="null: the preset's own")
    checkpoint_every: int = Field(default=200, ge=1, description="steps")
    mixed_precision: bool = Field(
        default=True,
        description="bfloat16 where the device multiplies it faster; false: on any number of workers the "
        "same weights up to rounding",
    )
    max_rollbacks: int = Field(
        default=3, ge=0, description="returns to the last good checkpoint after a collapse; 0: never"
    )

    @property
    def schedule(self) -> Schedule:
        """See `PresetOptions.schedule`."""
        return Schedule(self.num_steps, self.batch_size, self.checkpoint_every, self.max_rollbacks)


def declared_presets() -> Iterator[Any]:
    """The ``PRESET`` of every module in `ROOMS`, by its name; see `clicksmith.generators.preset.Preset`.

    They are found, not imported by name: whoever adds a preset adds a file, and changes none.
    """
    for room in ROOMS:
        names = sorted(module.name for module in pkgutil.iter_modules(import_module(room).__path__))
        for name in names:
            if not name.startswith("_"):  # what some of them share
                yield import_module(f"{room}.{name}").PRESET
