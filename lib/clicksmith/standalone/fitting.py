"""From a table to a trained generator."""

import logging
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clicksmith.config import PresetOptions
from clicksmith.errors import ContractError
from clicksmith.generators.recipe import Sampler
from clicksmith.seeds import derive_seed
from clicksmith.standalone.form import Form
from clicksmith.standalone.groups import Grouping, GroupsCodec
from clicksmith.standalone.rows import RowsCodec
from clicksmith.standalone.training import Split, Trained, train

logger = logging.getLogger(__name__)

NAMES_ROWS = 0.9
"""A text column with so many distinct values a row is taken for a name: its values are real ones."""
MIN_NAMES = 100


@dataclass(frozen=True)
class Fitted:
    """A trained generator.

    Attributes:
        options: of its preset.
        codec: of its rows or groups.
        sampler: its network.
        num_rows: rows or groups that it was trained on.
        num_held_out: that it was stopped by.
        history: figures of steps.
        metrics: of the end.
        card: all that is told of it.
    """

    options: PresetOptions
    codec: RowsCodec | GroupsCodec
    sampler: Sampler[Any]
    num_rows: int
    num_held_out: int
    history: list[dict[str, float]]
    metrics: dict[str, float]
    card: dict[str, Any] = field(default_factory=dict)

    def with_card(self, card: dict[str, Any]) -> "Fitted":
        """The same with a card."""
        return replace(self, card=card)


def fit(
    table: pa.Table,
    library: str,
    options: PresetOptions,
    seed: int,
    grouping: Grouping | None,
    user: str | None,
    holdout: float,
) -> Fitted:
    """Fit the codec to rows not held out, and train; see `Generator.fit`."""
    named = [("user_column", user)]
    if grouping is not None:
        named += [("group", grouping.group), ("order", grouping.order)]
        named += [("owner_columns", name) for name in grouping.owner_columns]
    for role, name in named:
        if name is not None and name not in table.column_names:
            raise ContractError(
                f"{role} is {name!r}, which is no column of the table.",
                f"Choose among {', '.join(table.column_names)}.",
            )
    if not table.num_rows:
        raise ContractError("The table has no rows.", "Fit on a table that has some.")
    form = Form.of(table, library)
    key = user if grouping is None else grouping.group
    if key is not None:
        form = form.with_key(key, table.column(key))
    rows = form.encode(table)
    _warn_of_names(rows, {name for _, name in named if name is not None})
    if grouping is None:
        return _fit_rows(form, rows, options, seed, user, holdout)
    return _fit_groups(form, rows, options, seed, grouping, holdout)


def _fit_rows(
    form: Form, rows: pa.Table, options: PresetOptions, seed: int, user: str | None, holdout: float
) -> Fitted:
    owners = np.arange(rows.num_rows)
    if user is not None:
        if nulls := rows.column(user).null_count:
            raise ContractError(
                f"Column {user!r} says whose a row is, and is null in {nulls:,} of {rows.num_rows:,} rows.",
                "Give each row a user, or leave these rows out.",
            )
        owners = rows.column(user).combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    split = Split.of(owners, holdout, options.max_rows, seed)
    shown, held_out = (rows.take(pa.array(part)) for part in (split.shown, split.held_out))
    codec = RowsCodec.fit(form, shown, options, user)
    if user is not None:
        codec = replace(codec, form=_protected(form, shown, user, options.min_users))
    users = None if user is None else owners[split.held_out]
    batches = codec.encode(shown), codec.encode(held_out)
    trained = train(options, derive_seed(seed, "fit"), codec.core, *batches, users)
    return _fitted(options, codec, trained, split)


def _fit_groups(
    form: Form, rows: pa.Table, options: PresetOptions, seed: int, grouping: Grouping, holdout: float
) -> Fitted:
    groups = grouping.sequences(rows)
    split = Split.of(np.arange(len(groups)), holdout, options.max_rows, seed)
    shown, held_out = groups.take(split.shown), groups.take(split.held_out)
    codec = GroupsCodec.fit(form, shown, grouping, options)
    kept = _protected(
        form, shown.to_rows(), grouping.group, options.min_users, getattr(options, "item", None)
    )
    codec = replace(codec, form=kept)
    batches = codec.encode(shown), codec.encode(held_out)
    trained = train(options, derive_seed(seed, "fit"), codec.core, *batches, None)
    return _fitted(options, codec, trained, split)


def _fitted(options: PresetOptions, codec: RowsCodec | GroupsCodec, trained: Trained, split: Split) -> Fitted:
    sizes = len(split.shown), len(split.held_out)
    return Fitted(options, codec, trained.sampler, *sizes, trained.history, trained.metrics)


def _protected(form: Form, shown: pa.Table, key: str, min_users: int, public: str | None = None) -> Form:
    """The values of dictionaries are those that at least so many users show; of a public column all shown."""
    for column in form.like.schema if min_users > 1 else ():
        if pa.types.is_dictionary(column.type):
            pairs = (
                shown.select([column.name, key]).group_by(column.name).aggregate([(key, "count_distinct")])
            )
            enough = pc.greater_equal(
                pairs[f"{key}_count_distinct"], 1 if column.name == public else min_users
            )
            form = form.with_known(column.name, pairs[column.name].filter(enough).drop_null())
    return form


def _warn_of_names(rows: pa.Table, known: set[str]) -> None:
    for name in rows.column_names:
        column = rows.column(name)
        if name in known or not pa.types.is_string(column.type):
            continue
        distinct: int = pc.count_distinct(column).as_py()
        if distinct > max(MIN_NAMES, NAMES_ROWS * len(column)):
            logger.warning(
                "Column %s has %s distinct values in %s rows: generated rows repeat real ones. Where these "
                "are names or ids, leave the column out.",
                name,
                f"{distinct:,}",
                f"{len(column):,}",
            )
