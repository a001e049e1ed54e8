"""Files of a line a user ("user item item ..."), as published data sets are, to a log. Needs no Spark."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from clicksmith.lakehouse.listing import list_files
from clicksmith.sources.records import lines
from clicksmith.sources.sample import is_parquet
from clicksmith.sources.streams import open_text

_LINE = re.compile(r"\S+( \S+)+")
_LAST_DAY = datetime(2000, 1, 1, 12, tzinfo=UTC)
_DAY = timedelta(days=1)
TIMES = "Times are made up: one item a day, and everybody's last one on the same day."


def is_user_lines(head: Sequence[str]) -> bool:
    """Whether first lines are of such a file: words between single spaces, here more and there fewer."""
    return (
        bool(head)
        and all(_LINE.fullmatch(line) for line in head)
        and len({line.count(" ") for line in head}) > 1
        and not any(mark in line for line in head for mark in ",;\t|{")
    )


def head_of(path: str, num_lines: int = 50) -> list[str]:
    """The first lines of the first file that a path means; none where it is no text."""
    file = list_files(path, "LOG")[0]
    if is_parquet(file):
        return []
    text = open_text(file.filesystem, file.path)
    found = islice(lines(text, text.start, None), num_lines)
    return [line.decode(errors="replace").rstrip("\r") for line in found if line.strip()]


def write_log(path: str, out: Path) -> None:
    """Write the items of each user as a CSV of events, see `TIMES`.

    Args:
        path: of the files.
        out: the CSV.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("w", encoding="utf-8") as log:
        log.write("user_id,item_id,event_ts\n")
        for file in list_files(path, "LOG"):
            text = open_text(file.filesystem, file.path)
            for line in lines(text, text.start, None):
                words = line.decode(errors="replace").split()
                user, items = words[:1], words[1:]  # none of a blank line
                for back, item in zip(range(len(items) - 1, -1, -1), items, strict=True):
                    log.write(f"{user[0]},{item},{_LAST_DAY - back * _DAY:%Y-%m-%d %H:%M:%S}\n")
