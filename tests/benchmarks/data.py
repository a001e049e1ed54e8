"""The data plane beside a public engine; one JSON line a figure.

Parts, in their order:
    clean    bronze.events to silver on two cores, beside DuckDB with the same rules and the same output
    scale    the same for growing numbers of events: time an event, and memory

The events are simulated with all their dirt and ingested, once a size; `--folder` keeps them.
"""

import argparse
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import psutil
from deltalake import DeltaTable

from benchmarks.lines import print_line
from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.tables import BRONZE_EVENTS, SILVER_EVENTS, SILVER_REJECTED, SILVER_SESSIONS, Table

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "jobs"))

PARTS = ("clean", "scale")
WARM_EVENTS = 250_000
CHECKED = {
    "events": "count(*), sum(hash(event_id, session_id, epoch_us(event_ts)))",
    "sessions": "count(*), sum(hash(session_id, epoch_us(session_start_ts), epoch_us(session_end_ts), "
    "num_events, num_impressions, num_clicks, num_purchases, outcome))",
    "rejected": "count(*), sum(hash(event_id))",
}
"""Of each output: its rows, and a sum that does not depend on their order."""


def config_for(folder: Path, num_events: int) -> Config:
    """A lake of its own for each size; a task holds a million rows, as it would on a cluster."""
    here = folder / f"events_{num_events}"
    overrides = {
        "lake.root": here / "lake",
        "spark.driver_memory": "4g",
        "simulate.path": here / "source",
        "simulate.num_events": num_events,
        "simulate.num_items": 20_000,
        "source.events.path": here / "source" / "log" / "table=events",
        "source.items.path": here / "source" / "items",
        "source.users.path": here / "source" / "users",
    }
    conf = str(ROOT / "conf" / "simulated.yaml")
    return load_config(conf, [f"{key}={value}" for key, value in overrides.items()])


def prepare(config: Config) -> None:
    """Simulate and ingest, unless that is done."""
    import ingest_events
    import simulate_events

    simulate_events.run(config)
    ingest_events.run(config)


def clean(config: Config, warm: Config) -> dict[str, float]:
    """Time of the job in a session that has run it before, and the most memory that it held."""
    import clean_events

    for each in (warm, config):
        for table in (SILVER_EVENTS, SILVER_REJECTED, SILVER_SESSIONS):
            shutil.rmtree(Lake.of(each).uri(table), ignore_errors=True)
    clean_events.run(warm)
    with watch_memory() as peak:
        started = time.perf_counter()
        clean_events.run(config)
        seconds = time.perf_counter() - started
    return {"seconds": seconds, "peak_mb": peak[0]}


@contextmanager
def watch_memory() -> Iterator[list[float]]:
    """The most that this process and those below it hold meanwhile, in MB; shared pages count once."""
    peak, ended = [0.0], threading.Event()

    def watch() -> None:
        me = psutil.Process()
        while not ended.wait(0.5):
            total = 0
            for process in (me, *me.children(recursive=True)):
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:  # it has just ended
                    continue
            peak[0] = max(peak[0], total / 2**20)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()


def in_own_process(function: object, *arguments: object) -> dict[str, float]:
    """A session and its memory of their own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        result: dict[str, float] = pool.apply(function, arguments)  # type: ignore[arg-type]
    return result


def clean_with_duckdb(config: Config, target: Path) -> dict[str, float]:
    """The same with DuckDB, from the same Parquet files."""
    rules = config.cleaning
    bounds = {
        "skew": round(rules.max_clock_skew_minutes * 60e6),
        "gap": round(rules.session_gap_minutes * 60e6),
        "per_user": rules.max_events_per_user,
        "per_minute": rules.max_events_per_minute,
    }
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    script = Path(__file__).with_name("clean_peer.py")
    source = Lake.of(config).uri(BRONZE_EVENTS)
    command = [sys.executable, str(script), source, str(target), json.dumps(bounds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def checksums(files: dict[str, list[str]]) -> dict[str, tuple[int, int]]:
    """Of Parquet files by output, see `CHECKED`."""
    return {
        name: duckdb.sql(f"SELECT {CHECKED[name]} FROM read_parquet({paths!r})").fetchall()[0]
        for name, paths in files.items()
    }


def files_of(lake: Lake, table: Table) -> list[str]:
    """The newest version's."""
    return DeltaTable(lake.uri(table)).file_uris()


def compare_clean(folder: Path, num_events: int) -> None:
    """Both, and their outputs, which must be equal."""
    config, warm = config_for(folder, num_events), config_for(folder, WARM_EVENTS)
    for each in (warm, config):
        in_own_process(prepare, each)
    lake, target = Lake.of(config), folder / "duckdb"
    ours = in_own_process(clean, config, warm)
    theirs = clean_with_duckdb(config, target)
    tables = {"events": SILVER_EVENTS, "sessions": SILVER_SESSIONS, "rejected": SILVER_REJECTED}
    mine = checksums({name: files_of(lake, table) for name, table in tables.items()})
    other = checksums({name: [f"{target}/{name}/*.parquet"] for name in tables})
    if mine != other:
        raise SystemExit(f"The outputs differ (rows, checksum): ours {mine}, DuckDB's {other}.")
    for figure, unit in (("seconds", "s"), ("peak_mb", "MB")):
        print_line("data", f"clean.{figure}", ours[figure], unit, "duckdb", theirs[figure])
    print_line("data", "clean.events", lake.get(BRONZE_EVENTS).num_rows or 0, "rows")


def scale(folder: Path, sizes: list[int]) -> None:
    """Time an event at each size over that at the smallest, and memory."""
    first: float | None = None
    warm = config_for(folder, WARM_EVENTS)
    in_own_process(prepare, warm)
    for num_events in sizes:
        config = config_for(folder, num_events)
        in_own_process(prepare, config)
        figures = in_own_process(clean, config, warm)
        rows = Lake.of(config).get(BRONZE_EVENTS).num_rows or 0
        each = figures["seconds"] / rows
        first = each if first is None else first
        print_line("data", f"scale.{num_events}.us_an_event", each * 1e6, "us")
        print_line("data", f"scale.{num_events}.peak_mb", figures["peak_mb"], "MB")
        print_line("data", f"scale.{num_events}.growth", each / first, "1")


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--events", type=int, default=20_000_000, help="of the part clean")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[5_000_000, 20_000_000, 80_000_000, 200_000_000]
    )
    parser.add_argument("--folder", type=Path, help="keeps the simulated events for another run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        if "clean" in arguments.parts:
            compare_clean(folder, arguments.events)
        if "scale" in arguments.parts:
            scale(folder, arguments.sizes)


if __name__ == "__main__":
    main()
