"""What was tried is counted, once each, on the rows that it was tried on."""

from dataclasses import replace
from pathlib import Path

import pytest
from deltalake import DeltaTable

from clicksmith.errors import LakeError
from clicksmith.lakehouse.catalog import Lake, Snapshot
from clicksmith.lift.ledger import note
from clicksmith.tables import MEASUREMENTS, TRAINING_EXAMPLES


def test_measurements_are_counted_once_and_by_rows(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    examples = Snapshot(TRAINING_EXAMPLES, "uri", 3, "f" * 32, None, {})
    assert note(lake, "first", examples, ["ranking/none", "ranking/gan"]) == 0
    assert note(lake, "second", examples, ["ranking/none"]) == 1
    assert note(lake, "first", examples, ["ranking/none", "ranking/gan"]) == 0, "it goes on, and came first"
    assert note(lake, "third", replace(examples, fingerprint="e" * 32), []) == 0, "of other rows"
    assert note(lake, "fourth", examples, []) == 2
    table = DeltaTable(lake.uri(MEASUREMENTS)).to_pyarrow_table()
    assert table.schema.equals(MEASUREMENTS.arrow_schema)
    rows = sorted(table.to_pylist(), key=lambda row: row["started_ts"])
    assert [row["run_id"] for row in rows] == ["first", "second", "third", "fourth"]
    assert rows[0]["arms"] == ["ranking/gan", "ranking/none"] and rows[0]["training_version"] == 3


def test_what_cannot_be_counted_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("no folder")
    examples = Snapshot(TRAINING_EXAMPLES, "uri", 3, "f" * 32, None, {})
    with pytest.raises(LakeError, match=r"Writing gold\.measurements"):
        note(Lake(str(tmp_path / "lake")), "first", examples, [])
