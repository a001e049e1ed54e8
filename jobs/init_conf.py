"""Draft a configuration for a log of one's own: a mapping of its columns, and what it lacks."""

import argparse
import logging
import sys
from datetime import UTC, datetime
from pathlib import Path

from clicksmith.config import load_config
from clicksmith.errors import ConfigError
from clicksmith.lakehouse.job import run_command
from clicksmith.sources.draft import draft
from clicksmith.sources.lacks import lacks
from clicksmith.sources.proposal import propose
from clicksmith.sources.sample import read_sample
from clicksmith.sources.user_lines import TIMES, head_of, is_user_lines, write_log

logger = logging.getLogger("clicksmith.jobs.init_conf")


def run(log: str, out: Path, columns: list[str], types: list[str]) -> None:
    """Read a sample of the log and write the draft, unless there is a file already."""
    if not log.strip():
        raise ConfigError("LOG is empty.", "Name a file, folder or glob: make init LOG=path.")
    if out.exists():
        raise ConfigError(
            f"{out} is there already.", "Remove it, or name another file with OUT=conf/NAME.yaml."
        )
    given = _pairs(columns, "COLUMNS", "item_id=sku event_ts=at")
    given_types = _pairs(types, "TYPES", "seen=impression bought=purchase")
    if is_user_lines(head_of(log)):
        log, source = str(Path(".lake", out.stem, "_source", "events.csv")), log
        write_log(source, Path(log))
        logger.warning("%s has a line a user: written as a log to %s. %s", source, log, TIMES)
    sample = read_sample(log)
    proposal = propose(sample, given, given_types, datetime.now(UTC))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(draft(sample, proposal, log, out), encoding="utf-8")
    load_config(out)
    for sentence in lacks(sample, proposal):
        logger.warning("%s", sentence)
    logger.info("%s: look at every line of it, then: make run CONF=%s", out, out)


def _pairs(given: list[str], name: str, example: str) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    if any(not separator for _, separator, _ in pairs):
        raise ConfigError(f"{name} is {' '.join(given)!r}.", f'Write pairs: {name}="{example}".')
    return {key: value for key, _, value in pairs}


def main() -> int:
    """From the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", help="a file, folder or glob of JSON lines, CSV with a header, or Parquet")
    parser.add_argument("--out", type=Path, help="the file to write; else conf/NAME.yaml by the log's name")
    parser.add_argument("--columns", nargs="*", default=[], metavar="NAME=COLUMN", help="e.g. item_id=sku")
    parser.add_argument("--types", nargs="*", default=[], metavar="NAME=TYPE", help="e.g. bought=purchase")
    arguments = parser.parse_args()
    name = (
        "".join(c if c.isalnum() else "_" for c in Path(arguments.log.rstrip("/*")).stem).strip("_") or "own"
    )
    out = arguments.out or Path("conf", f"{name}.yaml")
    return run_command(lambda: run(arguments.log, out, arguments.columns, arguments.types), "init_conf")


if __name__ == "__main__":
    sys.exit(main())
