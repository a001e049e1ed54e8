"""Small files (models, cards, reports) under any root URI, through Arrow's file systems."""

import json
from pathlib import Path
from typing import Any

from pyarrow import fs

from clicksmith.errors import LakeError


def resolve(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system and path of a URI; a plain path is a local one."""
    try:
        if "://" not in uri:
            return fs.LocalFileSystem(), str(Path(uri).absolute())
        filesystem, path = fs.FileSystem.from_uri(uri.replace("s3a://", "s3://", 1))
        return filesystem, path
    except (ValueError, OSError, NotImplementedError) as error:
        raise LakeError(
            f"Cannot open {uri}: {error}.", "Use a local path, s3a://, abfss:// or gs://."
        ) from None


def join(root: str, *parts: str) -> str:
    """Join a root URI and path parts with single slashes."""
    return "/".join([root.rstrip("/"), *(part.strip("/") for part in parts)])


def exists(uri: str) -> bool:
    """Whether a file or folder is there."""
    filesystem, path = resolve(uri)
    return bool(filesystem.get_file_info(path).type != fs.FileType.NotFound)


def read_bytes(uri: str) -> bytes:
    """A file's content. Raises `LakeError` where it is missing or unreadable."""
    filesystem, path = resolve(uri)
    try:
        with filesystem.open_input_file(path) as file:
            return bytes(file.read())
    except OSError as error:
        raise LakeError(f"Cannot read {uri}: {error}.") from None


def find_files(uri: str, name: str) -> list[str]:
    """Files of a name below a folder, which need not exist, as URIs in order.

    Raises:
        LakeError: it cannot be listed.
    """
    filesystem, path = resolve(uri)
    try:
        found = filesystem.get_file_info(fs.FileSelector(path, allow_not_found=True, recursive=True))
    except OSError as error:
        raise LakeError(f"Cannot list {uri}: {error}.") from None
    return sorted(join(uri, info.path[len(path) :]) for info in found if info.base_name == name)


def write_bytes(uri: str, content: bytes) -> None:
    """Write a file whole: under another name first, then moved into place."""
    filesystem, path = resolve(uri)
    filesystem.create_dir(path.rsplit("/", 1)[0], recursive=True)
    with filesystem.open_output_stream(f"{path}.partial") as stream:
        stream.write(content)
    filesystem.move(f"{path}.partial", path)


def read_json(uri: str) -> Any:
    """A JSON file's value."""
    return json.loads(read_bytes(uri))


def write_json(uri: str, value: Any) -> None:
    """Write a value as JSON, keys sorted, so that equal values are equal bytes."""
    write_bytes(uri, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())
