"""Re-weighted samples: groups of rows that fulfil conditions, each with its share of all rows.

The codes of the columns that conditions are on come from their joint distribution in the training rows,
re-weighted so that each group has its share; every other column is generated given them. Codes that a
generator hardly ever makes together give way to others of their group: a row always fulfils its conditions.

Shapes: K distinct combinations of codes, S sub-columns of the columns in conditions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.config import MixConfig
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.errors import ConfigError
from clicksmith.generators.tabular.fixing import REMEDY, Fixed, TooRareError
from clicksmith.generators.tabular.fulfilled import fulfils
from clicksmith.seeds import counter_uniform, derive_seed, even_uniform

if TYPE_CHECKING:  # synthesis.mix is counted where there may be no torch
    from clicksmith.generators.recipe import Sampler

SETTING = "synthesis.mix"
"""What errors call the groups, where it is not told."""
ALONE = "where"
"""What they call a single group that is all that is asked for."""

MAX_TRIES = 64
"""So often a block asks for other codes in place of those that the generator hardly ever makes."""


def mix_columns(codec: TableCodec, groups: Sequence[MixConfig], setting: str = SETTING) -> list[str]:
    """Names of the columns that conditions are on; `setting` is what errors call the groups.

    Raises:
        ConfigError: generators do not make one of them.
    """
    names = list(dict.fromkeys(name for group in groups for name in group.where))
    for name in names:
        if name not in codec.names:
            raise ConfigError(
                f"{setting} has a condition on {name!r}, which generators do not make.",
                f"Choose among {', '.join(codec.names)}.",
            )
    return names


def _subcolumns(codec: TableCodec, names: Sequence[str]) -> list[int]:
    slots = (codec.slots[codec.names.index(name)] for name in names)
    return [column for slot in slots for column in range(slot.start, slot.stop)]


@dataclass(frozen=True)
class Mix:
    """The re-weighted joint distribution of some sub-columns.

    Attributes:
        columns: the sub-columns.
        codes: their combinations, shape (K, S).
        cumulated: cumulated probability of the combinations, shape (K,).
        groups: number of each one's group, shape (K,); `num_groups` for rows of no group.
        num_groups: of the configuration.
        setting: what errors call the groups.
    """

    columns: tuple[int, ...]
    codes: NDArray[np.int64]
    cumulated: NDArray[np.float64]
    groups: NDArray[np.int64]
    num_groups: int
    setting: str = SETTING

    @classmethod
    def of(
        cls,
        codec: TableCodec,
        groups: Sequence[MixConfig],
        codes: NDArray[np.int64],
        counts: NDArray[np.int64],
        setting: str = SETTING,
    ) -> "Mix":
        """Re-weight counted combinations.

        A row belongs to the first group whose conditions it fulfils. Rows of no group share what the
        groups leave. Of a number in bins those bins belong to a range that lie within it entirely.

        Args:
            codec: of the rows.
            groups: conditions and shares.
            codes: distinct combinations in the training rows, shape (K, S), as `mix_columns` orders them.
            counts: training rows of each, shape (K,).
            setting: what errors call the groups; `ALONE`: there is one.

        Raises:
            ConfigError: no training row is in a group, or in none where the shares leave some.
        """
        columns = _subcolumns(codec, mix_columns(codec, groups, setting))
        group_K = np.full(len(codes), len(groups))
        for number in reversed(range(len(groups))):
            group_K[fulfils(codec, columns, codes, groups[number], _called(setting, number))] = number
        rest = 1.0 - sum(group.share for group in groups)
        shares = [*(group.share for group in groups), rest if rest > 1e-9 else 0.0]
        weight_K = np.zeros(len(codes))
        for number, share in enumerate(shares):
            mine = group_K == number
            total = counts[mine].sum()
            if share > 0 and total == 0:
                raise _no_row(number, groups, setting)
            if total:
                weight_K[mine] = share * counts[mine] / total
        kept = np.argsort(group_K, kind="stable")  # a group is one interval: evenly drawn, its share is exact
        kept = kept[weight_K[kept] > 0]
        cumulated = np.cumsum(weight_K[kept])
        cumulated /= cumulated[-1]
        return cls(tuple(columns), codes[kept], cumulated, group_K[kept], len(groups), setting)

    def choose(self, seed: int, row_ids: NDArray[np.int64], refused: NDArray[np.int64]) -> NDArray[np.int64]:
        """Numbers of the combinations that rows are to have, shape (N,), from the golden ratio's multiples.

        They fill [0, 1) evenly, so that a share of consecutive row ids holds to within a few rows.

        Args:
            seed: of the sampling run.
            row_ids: shape (N,).
            refused: combinations that the generator hardly ever makes: their rows get, by chance, those of
                other rows of their group. Where all of these are refused, they get others of the group.

        Raises:
            ConfigError: all combinations of a group are refused.
        """
        uniform = even_uniform(derive_seed(seed, "mix"), row_ids)
        chosen = np.searchsorted(self.cumulated, uniform, side="right").clip(max=len(self.codes) - 1)
        group, missing = self.groups[chosen], np.isin(chosen, refused)
        again = counter_uniform(derive_seed(seed, "instead"), row_ids, 1)[:, 0]
        for number in np.unique(group[missing]):
            mine, others = (np.flatnonzero(side & (group == number)) for side in (missing, ~missing))
            if len(others):
                chosen[mine] = chosen[others[(again[mine] * len(others)).astype(np.int64)]]
            else:
                chosen[mine] = self._others(number, refused, again[mine])
        return chosen

    def _others(
        self, number: int, refused: NDArray[np.int64], uniform: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        """Combinations of a group that are not refused, by their weights, one for each number; shape (N,)."""
        left = np.setdiff1d(np.flatnonzero(self.groups == number), refused)
        if not len(left):
            raise self._too_rare(number, len(uniform))
        cumulated = np.cumsum(np.diff(self.cumulated, prepend=0.0)[left])
        place = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
        found: NDArray[np.int64] = left[place.clip(max=len(left) - 1)]
        return found

    def sample(
        self, sampler: "Sampler[Encoded]", stream: int, seed: int, row_ids: NDArray[np.int64]
    ) -> Encoded:
        """A block of the mix, shape (N,).

        Args:
            sampler: the generator's.
            stream: its seed.
            seed: of the sampling run.
            row_ids: of the block.

        Raises:
            ConfigError: all combinations of a group are hardly ever made.
        """
        refused, tries = np.empty(0, dtype=np.int64), 0
        while True:  # at least one more is refused each time; of the last of a group there is an error
            chosen = self.choose(seed, row_ids, refused)
            try:
                return sampler.sample(stream, row_ids, self.fixed(chosen))
            except TooRareError as rare:
                refused, tries = np.union1d(refused, chosen[rare.missing]), tries + 1
                if tries == MAX_TRIES:  # a group may have many thousands, none of which is ever made
                    raise

    def fixed(self, chosen: NDArray[np.int64]) -> Fixed:
        """Codes of the sub-columns of rows with these combinations."""
        return {column: self.codes[chosen, place] for place, column in enumerate(self.columns)}

    def _too_rare(self, number: int, num_rows: int) -> ConfigError:
        group = _called(self.setting, number).removesuffix(".where")
        rows = group if number < self.num_groups else f"no group of {self.setting}"
        return ConfigError(
            f"The generator hardly ever makes rows of {rows}: a block wants {num_rows:,}, and there were not "
            "enough of any kind.",
            REMEDY,
        )


def _called(setting: str, number: int) -> str:
    """A group's conditions, as errors call them."""
    return ALONE if setting == ALONE else f"{setting}[{number}].where"


def _no_row(number: int, groups: Sequence[MixConfig], setting: str) -> ConfigError:
    if number == len(groups):
        return ConfigError(
            f"Every training row is in a group of {setting}, but their shares are less than 1 in all.",
            "Raise the shares to 1, or narrow a condition.",
        )
    group = _called(setting, number).removesuffix(".where")
    return ConfigError(
        f"No training row fulfils the conditions of {group} (rows of earlier groups left out): "
        f"{dict(groups[number].where)!r}.",
        "Loosen the conditions: nothing is known of rows that never occur.",
    )


def encode_columns(codec: TableCodec, rows: pa.Table, names: Sequence[str]) -> Encoded:
    """Codes of some columns alone, in the order of `names`."""
    indices = [codec.names.index(name) for name in names]
    part = TableCodec(
        tuple(names), tuple(codec.types[i] for i in indices), tuple(codec.columns[i] for i in indices)
    )
    return part.encode(rows)
