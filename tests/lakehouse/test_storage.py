"""Small files under a root."""

from pathlib import Path

import pytest

from clicksmith.errors import LakeError
from clicksmith.lakehouse import storage


def test_round_trip(tmp_path: Path) -> None:
    uri = storage.join(str(tmp_path), "a/", "/b", "card.json")
    assert not storage.exists(uri)
    storage.write_json(uri, {"b": 1, "a": [1.5, None, "é"]})
    assert storage.exists(uri)
    assert storage.read_json(uri) == {"a": [1.5, None, "é"], "b": 1}
    assert [path.name for path in Path(uri).parent.iterdir()] == ["card.json"]


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    uri = str(tmp_path / "x")
    storage.write_bytes(uri, b"long content")
    storage.write_bytes(uri, b"short")
    assert storage.read_bytes(uri) == b"short"


def test_equal_values_are_equal_bytes(tmp_path: Path) -> None:
    storage.write_json(str(tmp_path / "1"), {"a": 1, "b": 2})
    storage.write_json(str(tmp_path / "2"), {"b": 2, "a": 1})
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_join() -> None:
    assert storage.join("s3a://bucket/", "gold", "x") == "s3a://bucket/gold/x"
    assert storage.join("/lake", "/gold/", "x/") == "/lake/gold/x"


def test_file_urls(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/x"
    storage.write_bytes(uri, b"1")
    assert (tmp_path / "x").read_bytes() == b"1"


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"Cannot read .*none"):
        storage.read_bytes(str(tmp_path / "none"))


def test_unknown_scheme_names_the_known_ones() -> None:
    with pytest.raises(LakeError, match=r"Cannot open nowhere://x.*s3a://"):
        storage.resolve("nowhere://x")
