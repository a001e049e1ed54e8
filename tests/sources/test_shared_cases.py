"""The cases that once failed, where this checkout has them: each is read as a user expects."""

from collections import Counter
from pathlib import Path

import pytest

from clicksmith.config import FilesConfig, load_config
from clicksmith.errors import ConfigError, SourceError
from clicksmith.events.catalogue import warn_of_strangers
from clicksmith.events.contract import check
from clicksmith.sources import files
from clicksmith.tables.bronze import EVENT_COLUMNS, ITEM_COLUMNS

pytestmark = [pytest.mark.spark]

GOOD = {
    "colon_in_name": 126,
    "column_time64": 126,
    "columns_differ_in_case": 126,
    "csv_cr": 126,
    "csv_quoted_line_break": 127,
    "gz_of_nothing": 126,
    "hive_folders": 126,
    "ids_float": 126,
    "timestamps_ns_us": 126,
    "types_drift_id": 126,
    "types_drift_price": 126,
}
REJECTED = {"ids_not_utf8": "uid: not UTF-8", "price_placeholder": "price: above 1e+09"}


@pytest.fixture
def case(shared_data: Path, monkeypatch: pytest.MonkeyPatch):
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the cases are absent: {folder}")

    def enter(name: str) -> FilesConfig:
        monkeypatch.chdir(folder / name)
        source = load_config("conf.yaml").source
        assert isinstance(source, FilesConfig)
        return source

    return enter


@pytest.mark.parametrize("name", [*GOOD, *REJECTED])
def test_a_case_is_read(spark, case, name: str):
    source = case(name)
    raw = files.read(spark, source)
    checked = check(raw.events, EVENT_COLUMNS, load_config("conf.yaml").contract).collect()
    reasons = Counter(reason for row in checked for reason in row.reasons)
    if name in GOOD:
        assert (len(checked), reasons) == (GOOD[name], {})
    else:
        assert len(checked) == 126 and set(reasons) == {REJECTED[name]}
    if raw.items is not None:
        items = check(raw.items, ITEM_COLUMNS, load_config("conf.yaml").contract)
        accepted = spark.createDataFrame([(row.item_id,) for row in checked], "item_id string")
        assert warn_of_strangers(accepted, items) == 1.0


def test_a_truncated_file_is_named(spark, case):
    with pytest.raises(SourceError, match=r"e\.jsonl\.gz is truncated or damaged"):
        files.read(spark, case("gz_truncated"))


def test_a_delimiter_of_two_characters_is_an_error_of_the_configuration(case):
    with pytest.raises(ConfigError, match="a delimiter is one character"):
        case("csv_delimiter_of_two")
