"""A file's text, whatever it is packed in: told by its content, not by its name. Needs no Spark."""

import codecs
import lzma
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
from pyarrow import fs

from clicksmith.errors import SourceError

_CHUNK = 1 << 22
_HEAD = 1 << 16
_LONGEST_HEAD = 1 << 24
"""Bytes that are looked through for the first line's end."""

_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"\xfd7zXZ\x00": "xz",
}
_BZ2 = (b"1AY&SY", b"\x17rE8P\x90")
"""What follows ``BZh`` and a digit: a block, or the end of nothing."""
_OTHERS = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "a zip archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"\x1f\x9d": "packed by compress",
    b"\xff\x06\x00\x00sNaPpY": "packed by snappy",
    b"PAR1": "a Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
}
_PACKED_NAMES = (
    ".gz",
    ".bz2",
    ".zst",
    ".lz4",
    ".xz",
    ".zip",
    ".7z",
    ".snappy",
    ".deflate",
    ".br",
    ".lzo",
    ".z",
)
_ENCODINGS = {  # the longer mark first: that of UTF-32 begins with that of UTF-16
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


@dataclass(frozen=True)
class Text:
    """The text of one file.

    Attributes:
        filesystem: where it lies.
        path: of the file there.
        packed: the compression, or None.
        encoding: where it is not UTF-8.
        start: the first byte after a byte order mark.
        line_end: between its lines: a line feed, or a carriage return where its beginning has no line feed.
    """

    filesystem: fs.FileSystem
    path: str
    packed: str | None = None
    encoding: str | None = None
    start: int = 0
    line_end: bytes = b"\n"

    @property
    def can_be_cut(self) -> bool:
        """Whether its bytes are those of the file, so that reading can begin anywhere."""
        return self.packed is None and self.encoding is None

    def chunks(self, start: int) -> Iterator[bytes]:
        """The bytes from `start` on, as UTF-8 where the file has a byte order mark; others as they are.

        Raises:
            SourceError: the file is gone, truncated, damaged, or not in its encoding.
        """
        decoder = codecs.getincrementaldecoder(self.encoding)() if self.encoding else None
        try:
            with self.filesystem.open_input_file(self.path) as file:
                stream = _unpacked(file, self.packed)
                if self.can_be_cut:
                    stream.seek(start)
                else:
                    stream.read(start)
                while chunk := stream.read(_CHUNK):
                    yield chunk if decoder is None else decoder.decode(chunk).encode()
                if decoder is not None:
                    yield decoder.decode(b"", final=True).encode()
        except UnicodeError as error:
            raise SourceError(
                f"{self.path} begins with the mark of {self.encoding} and is not in it: {error}.",
                "Copy the file anew, or write it as UTF-8.",
            ) from None
        except (OSError, EOFError, lzma.LZMAError, pa.ArrowException) as error:
            raise _unreadable(self.path, self.packed, error) from None


def open_text(filesystem: fs.FileSystem, path: str) -> Text:
    """Look at the beginning of a file.

    Raises:
        SourceError: it cannot be read, or is not text: the error says what it is.
    """
    try:
        with filesystem.open_input_file(path) as file:
            head = file.read(_HEAD)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, None, error) from None
    packed = _packed(head)
    if packed is not None:
        head = next(Text(filesystem, path, packed).chunks(0), b"")
    _refuse_others(path, head)
    encoding = next((name for mark, name in _ENCODINGS.items() if head.startswith(mark)), None)
    start = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    text = Text(filesystem, path, packed, encoding, start)
    if encoding is None and b"\n" in head:
        return text
    return replace(text, line_end=_line_end(text))


def _line_end(text: Text) -> bytes:
    found, size = b"\n", 0
    for chunk in text.chunks(text.start):
        if b"\n" in chunk:
            return b"\n"
        if b"\r" in chunk:
            found = b"\r"
        size += len(chunk)
        if size > _LONGEST_HEAD:
            break
    return found


def _unpacked(file: pa.NativeFile, packed: str | None) -> Any:
    if packed is None:
        return file
    return lzma.LZMAFile(file) if packed == "xz" else pa.CompressedInputStream(file, packed)


def _packed(head: bytes) -> str | None:
    if head.startswith(b"BZh") and head[4:].startswith(_BZ2):
        return "bz2"
    return next((name for magic, name in _PACKED.items() if head.startswith(magic)), None)


def _refuse_others(path: str, head: bytes) -> None:
    """Binary content is an error at once, not a million rejected lines."""
    marked = head.startswith((*_ENCODINGS, codecs.BOM_UTF8))
    kind = next((kind for magic, kind in _OTHERS.items() if head.startswith(magic)), None)
    ending = next((ending for ending in _PACKED_NAMES if path.lower().endswith(ending)), None)
    if marked or (kind is None and ending is None) or _is_text(head):
        return
    if kind is None:
        kind = (
            f"damaged, or of an unsupported compression: its name ends in {ending}, its content is not of it"
        )
    raise SourceError(
        f"{path} is {kind}; text was expected, as it is or as gzip, bz2, zstd, lz4 frames or xz.",
        "Unpack it, copy it anew, or correct its format in the configuration.",
    )


def _is_text(head: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return b"\0" not in head


def _unreadable(path: str, packed: str | None, error: Exception) -> SourceError:
    what = " ".join(str(error).split()) or type(error).__name__
    if packed is None:
        return SourceError(f"Cannot read {path}: {what}.")
    return SourceError(
        f"{path} is truncated or damaged: its {packed} content cannot be unpacked ({what}).",
        "Copy the file anew, or take it away.",
    )
