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
    both, ranking = ["ranking/none", "ranking/gan"], {"ranking": 0}
    assert note(lake, "first", examples, both) == ranking
    assert note(lake, "second", examples, ["ranking/none"]) == {"ranking": 1}
    assert note(lake, "first", examples, both) == ranking, "it goes on, and came first"
    assert note(lake, "third", replace(examples, fingerprint="e" * 32), both) == ranking, "of other rows"
    assert note(lake, "fourth", examples, both) == {"ranking": 2}
    table = DeltaTable(lake.uri(MEASUREMENTS)).to_pyarrow_table()
    assert table.schema.equals(MEASUREMENTS.arrow_schema)
    rows = sorted(table.to_pylist(), key=lambda row: row["started_ts"])
    assert [row["run_id"] for row in rows] == ["first", "second", "third", "fourth"]
    assert rows[0]["arms"] == ["ranking/gan", "ranking/none"] and rows[0]["training_version"] == 3


def test_each_kind_of_task_is_counted_by_itself(tmp_path: Path) -> None:
    """Another family of a task tries that task once more, as another generator does."""
    lake = Lake(str(tmp_path / "lake"))
    examples = Snapshot(TRAINING_EXAMPLES, "uri", 3, "f" * 32, None, {})
    assert note(lake, "first", examples, ["ranking/none", "ranking/logistic/none"]) == {"ranking": 0}
    assert note(lake, "second", examples, ["next_item/none", "next_item/crop"]) == {"next_item": 0}
    every = ["ranking/logistic/none", "next_item/none", "search/none"]
    assert note(lake, "third", examples, every) == {"ranking": 1, "next_item": 1, "search": 0}
    assert note(lake, "fourth", examples, every) == {"ranking": 2, "next_item": 2, "search": 1}


def test_what_cannot_be_counted_is_not_begun(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("no folder")
    examples = Snapshot(TRAINING_EXAMPLES, "uri", 3, "f" * 32, None, {})
    with pytest.raises(LakeError, match=r"Writing gold\.measurements"):
        note(Lake(str(tmp_path / "lake")), "first", examples, [])
