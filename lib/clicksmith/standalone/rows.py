"""Rows of a table of any columns: their codec, and the caller's table back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from clicksmith.config import PresetOptions
from clicksmith.encoding.options import Options
from clicksmith.encoding.table import Encoded, TableCodec
from clicksmith.generators.tabular.example_codec import with_uniform_rare
from clicksmith.generators.tabular.kind import EXAMPLES, columns_made
from clicksmith.standalone.form import Form

MAX_BINS = 256
"""Of a number. Numbers with fewer distinct values keep these: with 64 trees tell adult's
capital gains from real ones (C2ST .617, with 256 .499, real rows .490)."""


@dataclass(frozen=True)
class RowsCodec:
    """Between a caller's rows and what presets of rows learn.

    Attributes:
        form: of the caller's table.
        core: of all its columns but the user's.
        user: column that says whose a row is, or None; each generated row is of a user of its own.
    """

    form: Form
    core: TableCodec
    user: str | None

    kind: ClassVar[str] = EXAMPLES.name
    block_rows: ClassVar[int] = EXAMPLES.block_rows

    @classmethod
    def fit(cls, form: Form, rows: pa.Table, options: PresetOptions, user: str | None) -> "RowsCodec":
        """Fit to training rows, which `Form.encode` has cast.

        Raises:
            ContractError: values have to be of several users, and there are too few or no user column.
        """
        settings = Options(MAX_BINS, min_users=options.min_users, user_column=user)
        columns = form.columns(rows, frozenset() if user is None else frozenset([user]))
        return cls(form, TableCodec.fit(rows, columns, options=settings), user)

    @property
    def conditions(self) -> tuple[TableCodec, tuple[str, ...]]:
        """The codec of the columns that conditions can be on, and their names."""
        return self.core, self.core.names

    def encode(self, rows: pa.Table) -> Encoded:
        """Codes of cast rows."""
        return self.core.encode(rows)

    def decode(self, batch: Encoded, seed: int, row_ids: NDArray[np.int64]) -> pa.Table:
        """Generated rows with the columns and types of the caller's table."""
        rows = self.core.decode(with_uniform_rare(self.core, batch, seed, row_ids))
        if self.user is not None:
            rows = rows.append_column(self.user, self.form.new_keys(self.user, row_ids))
        return self.form.decode(rows)

    def describe(self) -> str:
        """What it makes, in Markdown."""
        return columns_made(self.core)

    def to_json(self, inline: bool = True) -> dict[str, Any]:
        """What `from_parts` reads."""
        return {
            "kind": self.kind,
            "form": self.form.to_json(),
            "table": self.core.to_json(inline),
            "user": self.user,
        }

    def to_parts(self) -> dict[str, bytes]:
        """File name to bytes: what is too long for JSON text."""
        return self.core.to_parts()

    @classmethod
    def from_parts(cls, value: Mapping[str, Any], parts: Mapping[str, bytes]) -> "RowsCodec":
        """The inverse of `to_json(inline=False)` and `to_parts`."""
        core = TableCodec.from_parts(value["table"], parts)
        return cls(Form.from_json(value["form"]), core, value["user"])
