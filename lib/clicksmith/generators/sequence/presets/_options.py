"""Options that presets of sequences share."""

from typing import Any, ClassVar

from pydantic import Field

from clicksmith.config.presets import PresetOptions, TrainedOptions
from clicksmith.generators.sequence.shop_codec import ITEM

MAX_OWNERS = 2_000_000
"""More training sequences than a worker should hold."""


class Counted(PresetOptions):
    """Of a preset without gradients."""

    kind: ClassVar[str] = "sequences"

    max_rows: int = Field(
        default=200_000,
        ge=100,
        le=MAX_OWNERS,
        description="sequences to learn from, chosen by hash of the user; those of the held-out users are "
        "counted, but not shown",
    )


class OfItems(Counted):
    """Of a preset to which the item of an event is what matters."""

    item: str | None = Field(
        default=None,
        description="column of events that is the item; null: item_ids, or else all columns together",
    )

    def item_of(self, codec: Any) -> str | None:
        """The column, of those that the codec has."""
        return self.item or (ITEM if ITEM in codec.events.names else None)


class Trained(TrainedOptions):
    """Of a preset that is trained by gradients."""

    kind: ClassVar[str] = "sequences"

    batch_size: int = Field(default=128, ge=2, description="sequences, global: over all workers")

    max_rows: int = Field(
        default=200_000,
        ge=100,
        le=MAX_OWNERS,
        description="sequences to train on, chosen by hash of the user; those of the held-out users are "
        "counted, but not shown",
    )


LIKELIHOOD_RATE = 3e-3
"""The papers' 1e-2 makes so many hidden units learn training sequences by heart within a few epochs."""

AVERAGE_DECAY = 0.99
"""Of the weights that are kept; the papers keep the last ones."""


class Game(Trained):
    """Of an LSTM over tokens that is trained by likelihood, then in a game; larger than the papers'."""

    num_steps: int = Field(default=1000, ge=1, description="optimizer steps of the generator")
    checkpoint_every: int = Field(
        default=100, ge=1, description="steps; likelihood that is no better after three of them ends"
    )
    embedding: int = Field(default=64, ge=1, description="of a token; 32 in the papers")
    hidden: int = Field(default=128, ge=1, description="of the LSTM; 32 in the papers")
    likelihood_share: float = Field(
        default=0.96,
        ge=0,
        le=1,
        description="of the steps; the rest is the game, whose steps take some hundred times as long",
    )
