"""Files are what their content is, whatever their name; what cannot be read is named."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from clicksmith.errors import SourceError
from clicksmith.sources.records import lines
from clicksmith.sources.streams import open_text

LINES = b"".join(b"line %d\n" % (number * 7919 % 100_003) for number in range(20_000))


def by_arrow(codec: str) -> Callable[[bytes], bytes]:
    def pack(content: bytes) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.CompressedOutputStream(sink, codec) as stream:
            stream.write(content)
        return sink.getvalue().to_pybytes()

    return pack


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": by_arrow("zstd"),
    "lz4": by_arrow("lz4"),
}


def read(path: Path, content: bytes) -> bytes:
    path.write_bytes(content)
    text = open_text(fs.LocalFileSystem(), str(path))
    return b"".join(line + b"\n" for line in lines(text, 0, None))


@pytest.mark.parametrize("kind", PACKERS)
def test_packed_files(tmp_path: Path, kind: str):
    packed = PACKERS[kind](LINES)
    assert read(tmp_path / f"a.jsonl.{kind}", packed) == LINES
    assert read(tmp_path / "b.jsonl", packed) == LINES, "by any name"
    assert read(tmp_path / f"c.jsonl.{kind}", packed + packed) == LINES + LINES
    assert read(tmp_path / f"d.jsonl.{kind}", PACKERS[kind](b"")) == b"", "of nothing"
    for length in (len(packed) // 2, len(packed) - 3):
        with pytest.raises(SourceError, match=rf"e\.jsonl\.{kind} is truncated or damaged"):
            read(tmp_path / f"e.jsonl.{kind}", packed[:length])


def test_text_that_is_named_as_packed(tmp_path: Path):
    assert read(tmp_path / "a.csv.gz", b"a,b\n") == b"a,b\n"


def zip_file() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("a.csv", LINES)
    return sink.getvalue()


def parquet_file() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.zip", zip_file(), "a zip archive"),
        ("a.jsonl", zip_file(), "a zip archive"),
        ("a.jsonl", parquet_file(), "a Parquet file"),
        ("a.jsonl.lz4", b"\x00\x00\x10\x00\x00\x00\x08\x00" * 9, "unsupported compression"),
        ("a.snappy", b"\xff\x06\x00\x00sNaPpY\x01\x02", "packed by snappy"),
        ("a.gz", b"\x00" * 500, "damaged"),
        ("a.jsonl", gzip.compress(parquet_file()), "a Parquet file"),
    ],
)
def test_what_is_no_text_is_told_by_its_name_and_kind(tmp_path: Path, name: str, content: bytes, what: str):
    with pytest.raises(SourceError, match=rf"{name} is .*{what}"):
        read(tmp_path / name, content)


def test_text_that_is_not_in_the_encoding_of_its_mark(tmp_path: Path):
    with pytest.raises(SourceError, match=r"a\.csv begins with the mark of utf-16 and is not in it"):
        read(tmp_path / "a.csv", "a,b\n1,2".encode("utf-16")[:-1])
