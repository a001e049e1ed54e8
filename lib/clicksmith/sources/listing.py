"""Which files a path, folder or glob means, and a fingerprint of what they hold. Needs no Spark."""

import fnmatch
import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyarrow import fs

from clicksmith.errors import SourceError
from clicksmith.lakehouse import storage

_CHUNK = 1 << 22
_BLOCK = 1 << 14
_NUM_BLOCKS = 16
_THREADS = 16
_GLOB = "*?["


@dataclass(frozen=True)
class SourceFile:
    """One file of a source.

    Attributes:
        uri: what Spark opens it by, glob characters escaped.
        path: its path in the file system.
        name: relative to the folder that was named: the same wherever the folder lies.
        size: bytes.
        filesystem: where it lies.
        modified_ns: when it was last written, in nanoseconds since 1970; None where that is not kept.
    """

    uri: str
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
    prefix = f"{path.split('://')[0]}://" if "://" in path else "file://"
    base = path
    while any(character in base for character in _GLOB):
        base = base.rpartition("/")[0] or "."
    filesystem, root = storage.resolve(base)
    root = root.rstrip("/")
    pattern = root + path[len(base) :] if base != "." else f"{root}/{path}"
    try:
        files = _walk(filesystem, root, None if base == path else pattern)
    except OSError as error:
        raise SourceError(f"{purpose}: cannot list {path}: {error}.") from error
    if not files:
        raise SourceError(
            f"{purpose}: {path!r} matches no file.",
            "Name a file, a folder or a glob; names with . or _ first are hidden.",
        )
    if not any(info.size for info in files):
        raise SourceError(f"{purpose}: {path!r} is empty: {len(files)} files without content.")
    return [
        SourceFile(
            uri=prefix + _escape(info.path),
            path=info.path,
            name=info.path[len(root) :].lstrip("/") or info.base_name,
            size=info.size,
            filesystem=filesystem,
            modified_ns=info.mtime_ns,
        )
        for info in sorted(files, key=lambda info: str(info.path))
    ]


def fingerprint(files: list[SourceFile]) -> str:
    """A hash over each file's relative name, size and content."""
    total = hashlib.blake2b(digest_size=16)
    for file in files:
        content = hashlib.blake2b(digest_size=16)
        try:
            with file.filesystem.open_input_stream(file.path, compression=None) as stream:
                while chunk := stream.read(_CHUNK):
                    content.update(chunk)
        except OSError as error:
            raise SourceError(f"Cannot read {file.path}: {error}.") from error
        total.update(f"{file.name}\x1f{file.size}\x1f{content.hexdigest()}\x1e".encode())
    return total.hexdigest()


def content_hashes(files: Iterable[SourceFile]) -> dict[str, str]:
    """By name, a hash over each file's size and up to 16 blocks of 16 KiB, its first and last among them.

    A file of 256 KiB or less is read whole; of a larger one enough to tell another file of the same size.

    Raises:
        SourceError: one cannot be read.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
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


def _walk(filesystem: fs.FileSystem, root: str, pattern: str | None) -> list[fs.FileInfo]:
    info = filesystem.get_file_info(root)
    if info.type == fs.FileType.File:
        return [info]
    if info.type == fs.FileType.NotFound:
        return []
    found = filesystem.get_file_info(fs.FileSelector(root, recursive=True))
    return [
        info
        for info in found
        if info.type == fs.FileType.File
        and not any(part.startswith((".", "_")) for part in info.path[len(root) :].split("/"))
        and (pattern is None or fnmatch.fnmatchcase(info.path, pattern))
    ]


def _escape(path: str) -> str:
    return "".join(f"\\{character}" if character in "*?[]{}\\" else character for character in path)
