"""A generator of anybody's table."""

import json
import logging
import time
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

import clicksmith
from clicksmith.config import PresetOptions, generator_options
from clicksmith.errors import ConfigError, NotFittedError
from clicksmith.generators.presets import PRESETS
from clicksmith.seeds import derive_seed
from clicksmith.standalone import fitting
from clicksmith.standalone.fitting import Fitted
from clicksmith.standalone.folder import load_folder, save_folder
from clicksmith.standalone.groups import Grouping, GroupsCodec
from clicksmith.standalone.read import read_table
from clicksmith.standalone.sampling import continue_groups, sample_rows
from clicksmith.standalone.wishes import Wanted, Where

logger = logging.getLogger(__name__)


class Generator:
    """Learns a table, and makes rows like its own.

    Tables may be of pandas, Polars or Arrow, or files; what is generated has the same columns, types and kind
    of table. Everything happens in this process. The same seed gives the same rows.

    Args:
        preset: the model: "tabular_ar" (the default), "tabular_gan", "ctgan", "tvae" and others for rows of a
            table; "markov", "graph_walk" and others for rows that belong together (``fit(..., group=...)``).
        seed: of everything random.
        **options: what the preset can be asked, such as ``num_steps=300``.

    Raises:
        ConfigError: there is no such preset or option; the error names the nearest.

    Example:
        >>> import pandas as pd
        >>> from clicksmith import Generator
        >>> people = pd.DataFrame({"age": [25, 32, 47, 51] * 50, "city": ["Rome", "Oslo"] * 100})
        >>> generator = Generator("tabular_ar", num_steps=20).fit(people)
        >>> generator.sample(3, where={"city": "Oslo"})["city"].tolist()
        ['Oslo', 'Oslo', 'Oslo']
    """

    def __init__(self, preset: str = "tabular_ar", *, seed: int = 0, **options: Any) -> None:
        self._options = generator_options(preset, options)
        self._asked = frozenset(options)
        self._seed = seed
        self._fitted: Fitted | None = None
        self._num_samples = 0

    @property
    def preset(self) -> str:
        """The model's name.

        >>> Generator("ctgan").preset
        'ctgan'
        """
        return self._options.preset

    def fit(
        self,
        table: Any,
        *,
        group: str | None = None,
        order: str | None = None,
        owner_columns: Sequence[str] | None = None,
        user_column: str | None = None,
        holdout: float = 0.1,
        version: int | None = None,
    ) -> "Generator":
        """Learn a table.

        Args:
            table: of pandas, Polars or Arrow, or the path or URI of Parquet, CSV or a Delta table.
            group: column whose equal values say which rows belong together, such as a customer; the preset
                must be one of sequences. Generated groups have keys of their own.
            order: column that orders the rows of a group: a moment, whose gaps are learnt to the second, or a
                whole number, which is counted anew; None: as they come.
            owner_columns: columns that are the same in all rows of a group.
            user_column: whose a row is. Values of fewer than ``min_users`` users (5 unless it is an option)
                are not learnt, whole users are held out, and generated rows have users of their own. Without
                it and without `group` every value may be learnt. With `group` the groups are the users.
            holdout: share of the rows, groups or users that is kept from training, which stops by them.
            version: of the Delta table.

        Returns:
            Itself.

        Raises:
            ContractError: the table is empty, lacks a column, or a column has a type that cannot be learnt.
            ConfigError: the preset is not for this.
            SourceError: the file cannot be read.
            TrainingError: training diverged.

        Example:
            >>> import pyarrow as pa
            >>> visits = pa.table({"who": [1, 1, 2, 2] * 10, "page": ["a", "b"] * 20})
            >>> generator = Generator("markov", min_users=1).fit(visits, group="who")
            >>> generator.sample(2)["page"].to_pylist()[:2]
            ['a', 'b']
        """
        grouping = None
        if group is not None:
            grouping = Grouping(group, order, tuple(owner_columns or ()))
        elif order is not None or owner_columns:
            raise ConfigError("order and owner_columns are of groups.", "Name group too, or leave them out.")
        if group is not None and user_column is not None:
            raise ConfigError("The groups are the users: name group or user_column.", "Leave one out.")
        self._check_kind(grouping)
        started = time.monotonic()
        options = self._options
        if group is None and user_column is None and "min_users" not in self._asked:
            options = options.model_copy(update={"min_users": 1})
        rows, library = read_table(table, version)
        fitted = fitting.fit(rows, library, options, self._seed, grouping, user_column, holdout)
        card = _card(options, self._seed, fitted, holdout, time.monotonic() - started)
        self._fitted, self._num_samples = fitted.with_card(card), 0
        return self

    def sample(
        self,
        n: int | None = None,
        *,
        where: Where | None = None,
        mix: Sequence[Mapping[str, Any]] | None = None,
        prefix: Any = None,
        seed: int | None = None,
    ) -> Any:
        """Generate rows, or groups of rows.

        Args:
            n: how many rows, or groups.
            where: what each has, exactly: column to a value, a list of values, or ``{"min": .., "max": ..}``.
                Of groups, columns among `owner_columns`.
            mix: groups of rows with their shares: ``[{"share": 0.5, "where": {...}}, ...]``; rows of no group
                share the rest.
            prefix: a table like the one that was fitted, whose groups are continued: their rows come first,
                as they are. `n` is then the number of its groups.
            seed: of this sample: the same one gives the same rows. None: rows of its own at every call.

        Returns:
            A table of the library that was fitted (of Arrow, if it was a file), with the same columns.

        Raises:
            NotFittedError: there was no `fit`.
            ConfigError: `n` is negative, a value was never seen, or no row is as wished for.

        Example:
            >>> import pyarrow as pa
            >>> table = pa.table({"size": ["S", "M", "L", "M"] * 25, "price": [1.0, 2.0, 3.0, 2.5] * 25})
            >>> generator = Generator("independent").fit(table)
            >>> half = generator.sample(1000, mix=[{"share": 0.5, "where": {"size": "L"}}], seed=1)
            >>> round(half["size"].to_pylist().count("L") / 1000, 1)
            0.5
        """
        fitted = self._need()
        if seed is None:
            seed = derive_seed(self._seed, "sample", self._num_samples)
            self._num_samples += 1
        if prefix is not None:
            if where is not None or mix is not None:
                raise ConfigError("prefix says what each group has.", "Leave where and mix out.")
            made = continue_groups(fitted, read_table(prefix)[0], n, seed)
        else:
            if n is None:
                raise ConfigError("n is missing: how many rows, or groups.", "For instance sample(1000).")
            made = sample_rows(fitted, _count(n), Wanted.of(where, mix), seed)
        return fitted.codec.form.to_caller(made)

    def save(self, folder: str | Path) -> None:
        """Write the generator: weights.safetensors, codec.json, README.md, card.json; nothing that runs code.

        Args:
            folder: path or URI; files there of the same names are replaced.

        Raises:
            NotFittedError: there was no `fit`.

        Example:
            >>> import tempfile, pyarrow as pa
            >>> generator = Generator("independent").fit(pa.table({"size": ["S", "M"] * 20}))
            >>> folder = tempfile.mkdtemp()
            >>> generator.save(folder)
            >>> Generator.load(folder).sample(5, seed=1) == generator.sample(5, seed=1)
            True
        """
        save_folder(str(folder), self._need())

    @classmethod
    def load(cls, folder: str | Path) -> "Generator":
        """The inverse of `save`.

        Raises:
            NotFittedError: there is no complete generator.
            LakeError: a file is damaged.

        Example:
            >>> Generator.load("nowhere")
            Traceback (most recent call last):
            ...
            clicksmith.errors.NotFittedError: There is no complete generator in nowhere. Save one there first.
        """
        fitted = load_folder(str(folder))
        generator = cls(fitted.options.preset, seed=fitted.card["seed"])
        generator._options, generator._fitted = fitted.options, fitted
        generator._asked = frozenset(["min_users"])  # as it was fitted
        return generator

    @property
    def card(self) -> dict[str, Any]:
        """What was learnt from, how, and what came of it; plain values.

        Raises:
            NotFittedError: there was no `fit`.

        Example:
            >>> import pyarrow as pa
            >>> Generator("independent").fit(pa.table({"size": ["S", "M"] * 20})).card["num_rows"]
            36
        """
        copy: dict[str, Any] = json.loads(json.dumps(self._need().card))
        return copy

    def __repr__(self) -> str:
        if self._fitted is None:
            return f"Generator({self.preset!r}, seed={self._seed}), not fitted"
        card = self._fitted.card
        counted = "groups" if isinstance(self._fitted.codec, GroupsCodec) else "rows"
        return (
            f"Generator({self.preset!r}, seed={self._seed}), fitted on {card['num_rows']:,} {counted} with "
            f"{len(card['columns'])} columns in {card['seconds']:g} s"
        )

    def _repr_html_(self) -> str:
        return f"<p><b>clicksmith</b> {escape(repr(self))}</p>"

    def _need(self) -> Fitted:
        if self._fitted is None:
            raise NotFittedError("The generator has learnt nothing yet.", "Call fit(table) first.")
        return self._fitted

    def _check_kind(self, grouping: Grouping | None) -> None:
        wanted = "examples" if grouping is None else "sequences"
        if self._options.kind != wanted:
            others = [name for name, preset in PRESETS.items() if preset.options.kind == wanted]
            raise ConfigError(
                f"{self.preset} makes "
                + (
                    "rows of a table, but group is given."
                    if grouping
                    else "sequences, but group is not given."
                ),
                f"Choose among {', '.join(others)}, or {'leave group out' if grouping else 'name group'}.",
            )


def _count(n: Any) -> int:
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 0:
        raise ConfigError(f"n is {n!r}; a whole number of at least 0 was expected.")
    return int(n)


def _card(
    options: PresetOptions, seed: int, fitted: Fitted, holdout: float, seconds: float
) -> dict[str, Any]:
    like: pa.Schema = fitted.codec.form.like.schema
    return {
        "version": clicksmith.__version__,
        "preset": options.preset,
        "about": PRESETS[options.preset].about,
        "kind": options.kind,
        "seed": seed,
        "settings": options.model_dump(),
        "columns": {field.name: str(field.type) for field in like},
        "num_rows": fitted.num_rows,
        "num_held_out": fitted.num_held_out,
        "holdout": holdout,
        "seconds": round(seconds, 1),
        "history": fitted.history,
        "metrics": fitted.metrics,
    }
