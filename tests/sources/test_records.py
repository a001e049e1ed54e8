"""Lines and CSV records: each in one range of bytes, however the file is cut."""

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import fs

from clicksmith.errors import SourceError
from clicksmith.sources import records
from clicksmith.sources.records import RecordReader, lines
from clicksmith.sources.streams import Text, open_text


def opened(path: Path, content: bytes) -> Text:
    path.write_bytes(content)
    return open_text(fs.LocalFileSystem(), str(path))


def found(text: Text, start: int = 0, end: int | None = None) -> list[tuple[bytes, bool]]:
    return list(RecordReader(",").records(text, start, end))


def test_a_quoted_line_break_is_part_of_its_record(tmp_path: Path):
    text = opened(tmp_path / "a", b'a,b\n"e4\nx",1\nu,"1\r\n2\n""3"""\r\n"x",5" pipe\n')
    assert found(text) == [
        (b"a,b", False),
        (b'"e4\nx",1', False),
        (b'u,"1\r\n2\n""3"""\r', False),
        (b'"x",5" pipe', False),
    ]


def test_an_open_quote_stands_for_its_line_and_what_looks_like_its_end_is_no_record(tmp_path: Path):
    text = opened(tmp_path / "a", b'a,b\n"e4,1\ngood,2\nx"y,3\nu,"4\nlast,5" pipe')
    assert found(text) == [
        (b"a,b", False),
        (b'"e4,1', True),
        (b"good,2", False),
        (b'x"y,3', True),
        (b'u,"4', True),
        (b'last,5" pipe', False),
    ]


def test_line_ends_of_old_macs_and_of_utf_16(tmp_path: Path):
    assert found(opened(tmp_path / "a", b'a,b\r"1\r2",3')) == [(b"a,b", False), (b'"1\r2",3', False)]
    for encoding in ("utf-16", "utf-32"):
        text = opened(tmp_path / "b", "a,b\r\nä,ß\r\n".encode(encoding))
        assert found(text) == [(b"a,b\r", False), ("ä,ß\r".encode(), False)]
    assert found(opened(tmp_path / "c", b"\xef\xbb\xbfa,b\n1,2")) == [(b"a,b", False), (b"1,2", False)]
    packed = opened(tmp_path / "d", gzip.compress("ä\n".encode("utf-16")))
    assert list(lines(packed, 0, None)) == ["ä".encode()]


PIECES = st.lists(
    st.sampled_from(["a", "b,", '"', '""', '",', ',"', ",", "\n", "x\n", '"\n', '\n"', "1,2\n", "\r\n"]),
    max_size=150,
).map(lambda pieces: "".join(pieces).encode())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=PIECES, size=st.sampled_from([1, 7, 20, 64, 100]))
def test_records_do_not_depend_on_how_a_file_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, size: int
):
    monkeypatch.setattr(records, "REACH", 60)
    text = opened(tmp_path / "a", content)
    starts = range(0, max(1, len(content)), size)
    assert [one for start in starts for one in found(text, start, start + size)] == found(text)
    whole = list(lines(text, 0, None))
    assert [line for start in starts for line in lines(text, start, start + size)] == whole
    assert text.line_end.join(record for record, _ in found(text)) == text.line_end.join(whole), (
        "none is lost"
    )


def test_a_file_of_one_endless_line_is_an_error_not_the_end_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(records, "_LONGEST_LINE", 1 << 20)
    text = opened(tmp_path / "a.jsonl", b"[" + b"1," * (5 << 20))
    with pytest.raises(SourceError, match=r"a\.jsonl has a line of more than"):
        list(lines(text, 0, None))
