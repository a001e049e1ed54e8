"""Which files a path, folder or glob means, and a fingerprint of what they hold. Needs no Spark."""

import fnmatch
import hashlib
import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import unquote

from pyarrow import fs

from clicksmith.errors import ClicksmithError, SourceError
from clicksmith.lakehouse import storage

THREADS = 16
"""Files that are opened at once: most of the time goes by in waiting for a store."""
_CHUNK = 1 << 22
_BLOCK = 1 << 14
_NUM_BLOCKS = 16
_GLOB = "*?["
_HIDDEN = re.compile(r"(?:^|/)(?:\.|_(?![^/]*=))")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        path: its path in the file system.
        name: relative to the folder that was named: the same wherever the folder lies.
        size: bytes.
        filesystem: where it lies.
        modified_ns: when it was last written, in nanoseconds since 1970; None where that is not kept.
    """

    path: str
    name: str
    size: int
    filesystem: fs.FileSystem
    modified_ns: int | None = None


def list_files(path: str, purpose: str) -> list[SourceFile]:
    """The files that a path means, by name; hidden ones (``.x``, ``_x``) are left out, as Spark does.

    Args:
        path: a file, a folder (with its subfolders), or a glob; local or a URI.
        purpose: the setting that named it, for errors.

    Raises:
        SourceError: nothing matches, or nothing in it has content.
    """
    base = base_of(path)
    filesystem, root = storage.resolve(base)
    root = root.rstrip("/")
    pattern = path[0 if base == "." else len(base) :].lstrip("/") if base != path else None
    try:
        infos = _walk(filesystem, root, pattern)
    except (OSError, UnicodeError) as error:
        raise SourceError(f"{purpose}: cannot list {path}: {error}.") from error
    if not infos:
        raise SourceError(
            f"{purpose}: {path!r} matches no file.",
            "Name a file, a folder or a glob; names with . or _ first are hidden.",
        )
    if not any(size for _, size, _ in infos):
        raise SourceError(f"{purpose}: {path!r} is empty: {len(infos)} files without content.")
    skipped = len(root) + 1
    return [
        SourceFile(path, path[skipped:] or path.rpartition("/")[2], size, filesystem, modified_ns)
        for path, size, modified_ns in sorted(infos)
    ]


def base_of(path: str) -> str:
    """The folder that a glob looks below; the path itself where it is none, or is there as it stands."""
    if not any(character in path for character in _GLOB) or _is_there(path):
        return path
    base = path
    while any(character in base for character in _GLOB):
        base = base.rpartition("/")[0] or ("/" if path.startswith("/") else ".")
    return base


def folder_values(name: str, wanted: list[str]) -> dict[str, str | None]:
    """The wanted columns that a file's folders hold (``action=click/``), as Hive and Spark write them.

    Args:
        name: of the file, relative to the folder that was named.
        wanted: names of columns.
    """
    pairs = [folder.split("=", 1) for folder in name.split("/")[:-1] if "=" in folder]
    found = {unquote(key): None if value == _NO_VALUE else unquote(value) for key, value in pairs}
    return {key: value for key, value in found.items() if key in wanted}


def fingerprint(files: list[SourceFile]) -> str:
    """A hash over each file's relative name, size and content."""
    total = hashlib.blake2b(digest_size=16)
    with ThreadPoolExecutor(THREADS) as pool:
        for file, content in zip(files, pool.map(_hash, files), strict=True):
            total.update(f"{file.name}\x1f{file.size}\x1f{content}\x1e".encode())
    return total.hexdigest()


def content_hashes(files: Iterable[SourceFile]) -> dict[str, str]:
    """By name, a hash over each file's size and up to 16 blocks of 16 KiB, its first and last among them.

    A file of 256 KiB or less is read whole; of a larger one enough to tell another file of the same size.

    Raises:
        SourceError: one cannot be read.
    """
    with ThreadPoolExecutor(THREADS) as pool:
        return dict(pool.map(lambda file: (file.name, _content_hash(file)), files))


def _content_hash(file: SourceFile) -> str:
    content = hashlib.blake2b(str(file.size).encode(), digest_size=16)
    last = max(file.size - _BLOCK, 0)
    starts: Sequence[int] = range(0, file.size, _BLOCK)
    if len(starts) > _NUM_BLOCKS:
        starts = [last * number // (_NUM_BLOCKS - 1) for number in range(_NUM_BLOCKS)]
    try:
        with file.filesystem.open_input_file(file.path) as opened:
            for start in starts:
                content.update(opened.read_at(_BLOCK, start))
    except OSError as error:
        raise SourceError(f"Cannot read {file.path}: {error}.") from error
    return content.hexdigest()


def _hash(file: SourceFile) -> str:
    content = hashlib.blake2b(digest_size=16)
    try:
        with file.filesystem.open_input_stream(file.path, compression=None) as stream:
            while chunk := stream.read(_CHUNK):
                content.update(chunk)
    except OSError as error:
        raise SourceError(f"Cannot read {file.path}: {error}.") from error
    return content.hexdigest()


def _is_there(path: str) -> bool:
    try:
        return storage.exists(path)
    except (ClicksmithError, OSError):
        return False


def _walk(filesystem: fs.FileSystem, root: str, pattern: str | None) -> list[tuple[str, int, int | None]]:
    """Paths, sizes and times of writing of the files below a root."""
    info = filesystem.get_file_info(root)
    if info.type == fs.FileType.File:
        return [(info.path, info.size, info.mtime_ns)]
    if info.type == fs.FileType.NotFound:
        return []
    matches = re.compile("" if pattern is None else fnmatch.translate(pattern)).match
    skipped = len(root) + 1
    found: list[tuple[str, int, int | None]] = []
    for info in filesystem.get_file_info(fs.FileSelector(root, recursive=True)):
        if info.type == fs.FileType.File:
            name = info.path[skipped:]
            if not _HIDDEN.search(name) and matches(name):
                found.append((info.path, info.size, info.mtime_ns))
    return found
