"""The lines and records that begin in a range of a file's bytes: each in exactly one range. Needs no Spark.

A CSV record may go over several lines (RFC 4180). Which lines are one record is decided by the text near
them alone, so that a file can be read from any byte on: an open quote is looked for in the following
`REACH` bytes, and where it is not closed by the rules there, its line stands for itself and is rejected.
"""

import re
from collections import deque
from collections.abc import Iterator
from itertools import chain

from clicksmith.errors import SourceError
from clicksmith.sources.streams import Text

REACH = 1 << 20
"""Bytes after an open quote in which it must be closed."""
_LONGEST_LINE = 1 << 28

Line = tuple[int, bytes]
"""Where it begins, and its bytes without the line's end."""


def lines_from(text: Text, start: int) -> Iterator[Line]:
    """The lines that begin at `start` or after it.

    Raises:
        SourceError: the file cannot be read, or has a line that is too long to be one.
    """
    end = text.line_end
    # The line's end just before `start` makes `start` a beginning.
    skip = start > text.start
    position = start - len(end) if skip else text.start
    parts: list[bytes] = []
    for chunk in text.chunks(position):
        parts.append(chunk)
        if end not in chunk:
            if sum(map(len, parts)) > _LONGEST_LINE:
                raise SourceError(
                    f"{text.path} has a line of more than {_LONGEST_LINE >> 20} MB, at byte {position:,}.",
                    "Each record needs a line of its own.",
                )
            continue
        *whole, last = b"".join(parts).split(end)
        parts = [last]
        for line in whole:
            if not skip:
                yield position, line
            skip = False
            position += len(line) + len(end)
    last = b"".join(parts)
    if last and not skip:
        yield position, last


def lines(text: Text, start: int, end: int | None) -> Iterator[bytes]:
    """The lines that begin in [start, end); `end` None reads to the file's end."""
    for position, line in lines_from(text, start):
        if end is not None and position >= end:
            return
        yield line


class RecordReader:
    """Finds CSV records.

    Args:
        delimiter: between fields, one character.
    """

    def __init__(self, delimiter: str) -> None:
        comma = re.escape(delimiter.encode())
        other = b"(?:(?!%s).)" % comma
        inner = b'[^"]*+(?:""[^"]*+)*+'
        field = rb'(?:"%s"(?=%s|\Z)|(?!")%s*+)' % (inner, comma, other)
        before = b"(?:%s%s)*+" % (field, comma)
        after = b"(?:%s%s)*?" % (comma, field)
        self._opens = re.compile(b'%s"%s' % (before, inner), re.DOTALL)
        self._goes_on = re.compile(inner, re.DOTALL)
        self._closes = re.compile(b'%s"%s' % (inner, after), re.DOTALL)
        self._closes_and_opens = re.compile(b'%s"%s%s"%s' % (inner, after, comma, inner), re.DOTALL)
        self._is_tail = re.compile(b'(?!")(?:(?!%s)[^"])*+"' % comma, re.DOTALL)

    def records(self, text: Text, start: int, end: int | None) -> Iterator[tuple[bytes, bool]]:
        """The records that begin in [start, end), and whether each is a piece of one that is broken."""
        found = self._chain(text, lines_from(text, self._before(text, start)))
        for position, record, is_piece in found:
            if end is not None and position >= end:
                return
            if position >= start:
                yield record, is_piece

    def _before(self, text: Text, start: int) -> int:
        """Where a record surely begins, so far before `start` that nothing before it matters after it."""
        first = start - 3 * REACH
        while first > text.start:
            surely, reached = None, first + REACH
            ahead = _Ahead(lines_from(text, first))
            for position, line in ahead:
                if position > start - REACH:
                    break
                if position >= reached:
                    surely = position
                if b'"' in line and self._opens.fullmatch(line.rstrip(b"\r")):
                    reached = max(reached, position + len(self._joined(text, line, ahead)[0]) + 1)
            if surely is not None:
                return surely
            first -= start - first
        return text.start

    def _chain(self, text: Text, lines: Iterator[Line]) -> Iterator[tuple[int, bytes, bool]]:
        ahead = _Ahead(lines)
        broken = -REACH - 1
        for position, line in ahead:
            if b'"' not in line:
                yield position, line, False
            elif self._opens.fullmatch(line.rstrip(b"\r")):
                record, num_lines = self._joined(text, line, ahead)
                ahead.drop(num_lines)
                if not num_lines:
                    broken = position
                yield position, record, not num_lines
            else:
                # After a broken record, what looks like its end is no record of its own.
                is_piece = position - broken <= REACH and self._is_tail.match(line) is not None
                yield position, line, is_piece

    def _joined(self, text: Text, line: bytes, ahead: "_Ahead") -> tuple[bytes, int]:
        """The record that begins with an open quote, and how many lines it takes after its first."""
        parts, size = [line], len(line)
        for _, following in ahead.peek():
            parts.append(following)
            size += len(following) + 1
            if size > REACH:
                break
            stripped = following.rstrip(b"\r")
            if self._goes_on.fullmatch(stripped) or self._closes_and_opens.fullmatch(stripped):
                continue
            if self._closes.fullmatch(stripped):
                return text.line_end.join(parts), len(parts) - 1
            break
        return line, 0


class _Ahead:
    """An iterator of lines that can look ahead."""

    def __init__(self, lines: Iterator[Line]) -> None:
        self._lines = lines
        self._seen: deque[Line] = deque()

    def __iter__(self) -> Iterator[Line]:
        while True:
            if self._seen:
                yield self._seen.popleft()
            elif (line := next(self._lines, None)) is not None:
                yield line
            else:
                return

    def peek(self) -> Iterator[Line]:
        return chain(self._seen, self._more())

    def _more(self) -> Iterator[Line]:
        for line in self._lines:
            self._seen.append(line)
            yield line

    def drop(self, number: int) -> None:
        for _ in range(number):
            self._seen.popleft()
