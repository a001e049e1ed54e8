"""How numbers and times are written: by the shop, not by us."""

from pathlib import Path

import pydantic
import pytest

from clicksmith.config import FilesConfig
from clicksmith.sources import files

COLUMNS = {"user_id": "who", "item_id": "what", "event_ts": "at", "price": "price"}


def read(spark, path: Path, lines: list[str], **more):
    path.write_text("\n".join(lines) + "\n")
    table = {"path": str(path), "format": "csv", "delimiter": ";", "columns": COLUMNS, **more}
    settings = FilesConfig.model_validate({"events": {"constants": {"event_type": "click"}, **table}})
    return files.read(spark, settings).events.orderBy("user_id").collect()


def test_decimal_commas_and_times_of_a_format_of_its_own(spark, tmp_path: Path):
    lines = ["who;what;at;price"]
    lines += ["a;i;01.03.2025 08:01:20;1.234,50", "b;i;1.3.2025 8:01:20;12", "c;i;2025-03-01 08:01:20;-0,5"]
    lines += ["d;i;31.02.2025 08:00:00;12.50", "e;i;;1,2,3"]
    found = read(spark, tmp_path / "a.csv", lines, timestamp_format="d.M.yyyy H:m:s", decimal=",")
    assert [row.event_ts for row in found] == [
        "2025-03-01 08:01:20",
        "2025-03-01 08:01:20",
        "not by timestamp_format: 2025-03-01 08:01:20",
        "not by timestamp_format: 31.02.2025 08:00:00",
        None,
    ]
    assert [row.price for row in found] == ["1234.50", "12", "-0.5", "12.50", "1,2,3"]
    assert [row.item_id for row in found] == ["i"] * 5


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("M/d/yyyy h:m:s a", "3/1/2025 02:01:20 PM"),
        ("yyyy-M-d H:m:s,SSS", "2025-03-01 14:01:20,000"),
        ("yyyyMMdd H:m:s", "20250301 14:01:20"),
        ("yyyy/M/d H:m:s", "2025/03/01 14:01:20"),
    ],
)
def test_the_formats_that_are_proposed(spark, tmp_path: Path, pattern: str, text: str):
    lines = ["who;what;at;price", f"a;i;{text};1"]
    (row,) = read(spark, tmp_path / "a.csv", lines, timestamp_format=pattern)
    assert row.event_ts == "2025-03-01 14:01:20"


def test_a_time_of_day_stands_beside_its_date(spark, tmp_path: Path):
    lines = ["who;what;day;at;price", "a;i;2025-03-01;14:01:20;1", "b;i;;14:01:20;1"]
    found = read(spark, tmp_path / "a.csv", lines, timestamp_date="day")
    assert [row.event_ts for row in found] == ["2025-03-01 14:01:20", None]
    lines = ["who;what;day;at;price", "a;i;1.3.2025;14:01;1"]
    (row,) = read(spark, tmp_path / "b.csv", lines, timestamp_date="day", timestamp_format="d.M.yyyy H:m")
    assert row.event_ts == "2025-03-01 14:01:00"


@pytest.mark.parametrize("pattern", ["%d.%m.%Y", "", "HH:mm", "d.M.yyyy {}"])
def test_what_is_no_pattern_is_refused(pattern: str):
    table = {"path": "x", "format": "csv", "columns": COLUMNS, "timestamp_format": pattern}
    with pytest.raises(pydantic.ValidationError, match="a pattern has year, month and day"):
        FilesConfig.model_validate({"events": table})
