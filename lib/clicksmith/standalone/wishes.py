"""What generated rows must have: conditions, and groups of rows with shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from clicksmith.config import MixConfig
from clicksmith.encoding.sequence_codec import EncodedSequences
from clicksmith.encoding.table import TableCodec
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.sequence.given import Given
from clicksmith.generators.tabular.fulfilled import exact_codes
from clicksmith.generators.tabular.mix import ALONE, Mix, mix_columns

Where = Mapping[str, Any]
_NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes:
        groups: of rows, with their shares.
        setting: what errors call them.
    """

    groups: list[MixConfig]
    setting: str

    @classmethod
    def of(cls, where: Where | None, mix: Sequence[Mapping[str, Any]] | None) -> "Wanted | None":
        """From what a caller gives: conditions on all rows, or groups with a share each.

        Raises:
            ConfigError: both are given, or they are not of the right form.
        """
        if where is not None and mix is not None:
            raise ConfigError("Both where and mix are given.", "Put the conditions of where into each group.")
        if where is not None:
            return None if not where else cls([_group({"share": 1.0, "where": where}, "where")], ALONE)
        if not mix:
            return None
        groups = [_group(group, f"mix[{number}]") for number, group in enumerate(mix)]
        if sum(group.share for group in groups) > 1 + 1e-9:
            raise ConfigError("The shares of mix are more than 1 in all.", "Lower one.")
        return cls(groups, "mix")

    def check(self, known: Sequence[str]) -> None:
        """Refuse columns that no condition can be on."""
        for group in self.groups:
            for name in group.where:
                if name not in known:
                    raise ConfigError(
                        f"{self.setting} has a condition on {name!r}, on which none can be.",
                        f"Choose among {', '.join(known)}." if known else "Name owner_columns in fit.",
                    )

    def mix_of(self, codec: TableCodec, drawn: NDArray[np.int64]) -> Mix:
        """The joint distribution of the conditions' columns, re-weighted.

        Training rows are not kept: how often values come together is told by rows that were drawn. A group
        that asks for one value of each column needs none of these.

        Args:
            codec: of the columns.
            drawn: codes of generated rows, shape (N, S).

        Raises:
            ConfigError: a value was never seen, or no row is in a group.
        """
        names = mix_columns(codec, self.groups, self.setting)
        slots = [codec.slots[codec.names.index(name)] for name in names]
        columns = [column for slot in slots for column in range(slot.start, slot.stop)]
        codes, counts = np.unique(drawn[:, columns], axis=0, return_counts=True)
        for number, group in enumerate(self.groups):
            if set(group.where) == set(names):
                in_order = MixConfig(share=group.share, where={name: group.where[name] for name in names})
                called = ALONE if self.setting == ALONE else f"{self.setting}[{number}].where"
                one = exact_codes(codec, in_order, called)
                if one is not None and not (codes == one).all(axis=1).any():
                    codes, counts = np.vstack([codes, one]), np.append(counts, 1)
        return Mix.of(codec, self.groups, codes, counts, self.setting)


@dataclass(frozen=True)
class OwnersMix:
    """The same for groups of rows: of what is the same in all rows of one."""

    mix: Mix

    def sample(self, sampler: Any, stream: int, seed: int, row_ids: NDArray[np.int64]) -> EncodedSequences:
        """A block of groups.

        Raises:
            ConfigError: values that were asked for never come together.
        """
        fixed = self.mix.fixed(self.mix.choose(seed, row_ids, _NOBODY))
        try:
            found: EncodedSequences = sampler.sample(stream, row_ids, Given(owners=fixed))
        except NotFittedError:
            raise ConfigError(
                "No group that the generator has learnt from has all the values that were asked for.",
                "Ask for values that occur together.",
            ) from None
        return found


def _group(value: Any, called: str) -> MixConfig:
    """One group, its numpy numbers made plain.

    Raises:
        ConfigError: it is not of the form ``{share: .6, where: {column: value}}``.
    """
    try:
        where = {name: _plain(wanted) for name, wanted in value["where"].items()}
        return MixConfig.model_validate({**value, "where": where})
    except (ValidationError, LookupError, TypeError, AttributeError):
        raise ConfigError(
            f"{called} is not understood: {value if called != 'where' else value['where']!r}.",
            "A condition is a column's name with a value, a list of values, or {'min': ..., 'max': ...} of "
            "numbers; a group of mix is {'share': 0.6, 'where': {...}}.",
        ) from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list | tuple | set):
        return tuple(_plain(one) for one in value)
    return value
