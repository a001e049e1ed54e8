"""What a preset's file declares. Imports neither torch nor Ray, and neither do the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from clicksmith.config.presets import PresetOptions
    from clicksmith.generators.recipe import Recipe, Sampler

Options = TypeVar("Options", bound="PresetOptions")


@dataclass(frozen=True)
class Preset(Generic[Options]):
    """One preset: what can be set, and what is made of it.

    Attributes:
        options: the section of the configuration; its field ``preset`` has the name as its one value.
        about: what it is, in words that follow "NAME: ".
        recipe: of options, a seed, the kind's codec and its training rows; imports what it needs.
        sampler: of the codec, and the weights still to be loaded; imports what it needs.
        batch_multiple: of which a rank's batch must be a multiple, by the options.
        private: whether its weights hold no training rows, nor whole parts of them.
        any_event: of sequences, whether an event can be asked for that is somewhere in them.
        is_control: whether it has learnt hardly anything: what it gives as well is no merit of a generator.
    """

    options: type[Options]
    about: str
    recipe: Callable[[Options, int, Any, Any], Recipe[Any]]
    sampler: Callable[[Any], Sampler[Any]]
    batch_multiple: Callable[[Options], int] = lambda options: 1
    private: bool = True
    any_event: bool = True
    is_control: bool = False

    @property
    def name(self) -> str:
        """As the configuration has it."""
        return str(self.options.model_fields["preset"].default)
