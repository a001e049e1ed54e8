"""How good generated rows are: every figure beside that of real rows, and a page of them."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from clicksmith.encoding.sequences import Sequences
from clicksmith.errors import ConfigError, ContractError
from clicksmith.evaluation.compare import compare_tables, distribution_metrics
from clicksmith.evaluation.rows import Metric
from clicksmith.evaluation.samples.sample import Coding, columns_of
from clicksmith.evaluation.sequences.compare import compare_sequences
from clicksmith.lakehouse import storage
from clicksmith.reporting.quality import TABLES
from clicksmith.reporting.sections import number
from clicksmith.seeds import counter_uniform, derive_seed
from clicksmith.standalone.form import Form
from clicksmith.standalone.groups import Grouping
from clicksmith.standalone.read import read_table

if TYPE_CHECKING:
    import pandas as pd

GENERATED = "generated"
"""The arm of figures."""


def evaluate(
    real: Any,
    generated: Any,
    holdout: Any,
    *,
    labels: Sequence[str] = (),
    group: str | None = None,
    order: str | None = None,
    owner_columns: Sequence[str] = (),
    item: str | None = None,
    user_column: str | None = None,
    seed: int = 0,
) -> "Report":
    """Measure generated rows: fidelity, diversity, utility and privacy, each beside what real rows reach.

    Args:
        real: the table that the generator was fitted on; all of it, or leaks are missed. Tables are of
            pandas, Polars or Arrow, or paths, in any order of rows.
        generated: its rows, about as many.
        holdout: real rows that it never saw: a tenth as many will do.
        labels: columns of two values that trees learn to predict from generated rows.
        group: column that says which rows belong together; figures are then of sequences.
        order: column that orders the rows of a group; None: as they come.
        owner_columns: columns that are the same in all rows of a group.
        item: column that says what a row of a group is about, such as a product.
        user_column: whose a row is, where a user has several: nobody may be on both real sides.
        seed: of folds, trees and rows drawn.

    Returns:
        The figures.

    Raises:
        ContractError: a table lacks a column or has too few rows, or a user is on both real sides.
        ConfigError: arguments contradict each other.

    Example:
        >>> import numpy as np, pyarrow as pa
        >>> from clicksmith import evaluate
        >>> dice = np.random.default_rng(0).integers(1, 7, size=(3, 200))
        >>> report = evaluate(*(pa.table({"first": some, "second": some % 2}) for some in dice))
        >>> report["fidelity.shapes"].value > 0.8
        True
    """
    form = Form.of(*read_table(real))
    sides = [form.encode(read_table(table)[0]) for table in (real, holdout, generated)]
    if group is None:
        if order is not None or item is not None or owner_columns:
            raise ConfigError(
                "order, item and owner_columns are of groups.", "Name group, or leave them out."
            )
        return _of_rows(sides, labels, user_column, seed)
    if labels or user_column is not None:
        raise ConfigError("labels and user_column are of single rows.", "Leave them out, or leave group out.")
    grouping = Grouping(group, order, tuple(owner_columns))
    groups = [grouping.sequences(_measurable(side, [group])) for side in sides]
    whole = order is not None and pa.types.is_integer(form.coded[order])
    train, held_out, made = (_without(one, order) if whole else one for one in groups)
    metrics = compare_sequences(train, held_out, made, item=item, key=group, generator=GENERATED, seed=seed)
    return Report(metrics, "sequences")


def _of_rows(sides: list[pa.Table], labels: Sequence[str], user: str | None, seed: int) -> "Report":
    kept = [] if user is None else [user]
    train, holdout, generated = (
        _shuffled(_measurable(side, kept), derive_seed(seed, "side", number))
        for number, side in enumerate(sides)
    )
    metrics = compare_tables(
        train, holdout, generated, labels=labels, user_column=user, generator=GENERATED, seed=seed
    )
    coding = Coding.fit(train, [column for column in columns_of(train.schema) if column.name != user])
    pictures = distribution_metrics(coding, coding.encode(train), {GENERATED: coding.encode(generated)})
    return Report([*metrics, *pictures], "examples")


class Report:
    """Figures of generated rows.

    Args:
        figures: each with its ceiling.
        kind: "examples" of rows, "sequences" of groups of rows.

    Example:
        >>> from clicksmith.evaluation.rows import Metric
        >>> Report([Metric("fidelity.shapes", "all", "generated", 0.98, 1000, ceiling=0.99)], "examples")
        Column shapes (1 is best): 0.980, real rows 0.990
    """

    def __init__(self, figures: Sequence[Metric], kind: str) -> None:
        self._figures, self._kind = list(figures), kind

    @property
    def figures(self) -> list[Metric]:
        """All of them, by metric and slice; a ceiling is the same figure of real rows never learnt from.

        >>> Report([], "examples").figures
        []
        """
        return list(self._figures)

    def __getitem__(self, metric: str) -> Metric:
        """The overall figure of a name, such as "fidelity.c2st_auc"."""
        for figure in self._figures:
            if figure.metric == metric and figure.slice == "all":
                return figure
        names = sorted({figure.metric for figure in self._figures if figure.slice == "all"})
        raise KeyError(f"{metric}; there are {', '.join(names)}")

    def to_pandas(self) -> "pd.DataFrame":
        """A row a figure.

        >>> from clicksmith.evaluation.rows import Metric
        >>> report = Report([Metric("fidelity.shapes", "all", "generated", 0.98, 1000)], "examples")
        >>> report.to_pandas()["value"].tolist()
        [0.98]
        """
        import pandas as pd

        names = ["metric", "slice", "value", "ci_low", "ci_high", "ceiling", "num_rows"]
        shown = [m for m in self._figures if not m.metric.startswith("distribution.")]
        return pd.DataFrame([[getattr(m, name) for name in names] for m in shown], columns=names)

    @property
    def lines(self) -> list[tuple[str, str, Metric]]:
        """Title, unit and figure of what matters most, in the order of the report.

        >>> Report([], "sequences").lines
        []
        """
        overall = {m.metric: m for m in self._figures if m.slice == "all"}
        found = TABLES[self._kind][3]
        return [(title, unit, overall[name]) for name, title, unit, _ in found if name in overall]

    @property
    def subject(self) -> tuple[str, str]:
        """What was generated, and what a side has many of.

        >>> Report([], "sequences").subject
        ('groups of rows', 'groups')
        """
        return ("rows", "rows") if self._kind == "examples" else ("groups of rows", "groups")

    def save(self, path: str | Path) -> None:
        """Write the figures, and pictures of columns, as one page of HTML that needs nothing else.

        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> Report([], "examples").save(f"{folder}/report.html")
        """
        from clicksmith.standalone.page import render

        storage.write_bytes(str(path), render(self).encode())

    def __repr__(self) -> str:
        return "\n".join(
            f"{title} ({unit.partition(';')[0]}): {number(m.value)}, real rows {number(m.ceiling)}"
            for title, unit, m in self.lines
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(title)} <small>{escape(unit)}</small></td>"
            f"<td>{number(m.value)}</td><td>{number(m.ceiling)}</td></tr>"
            for title, unit, m in self.lines
        )
        return f"<table><tr><th>figure</th><th>generated</th><th>real</th></tr>{rows}</table>"


def _measurable(rows: pa.Table, kept: list[str]) -> pa.Table:
    """Without lists, of which there is no figure."""
    lists = [f.name for f in rows.schema if pa.types.is_list(f.type) and f.name not in kept]
    rest = rows.drop_columns(lists)
    if len(rest.column_names) == len(kept):
        raise ContractError("There is no column to measure.", "Give the tables some besides lists.")
    return rest


def _without(groups: Sequences, order: str | None) -> Sequences:
    """Without a whole number that only counts the rows of a group."""
    return Sequences(groups.owners, groups.events.drop_columns([order]), groups.offsets)


def _shuffled(rows: pa.Table, seed: int) -> pa.Table:
    """In random order: files are often sorted."""
    drawn = counter_uniform(seed, np.arange(rows.num_rows), 1)[:, 0]
    return rows.take(pa.array(np.argsort(drawn, kind="stable")))
