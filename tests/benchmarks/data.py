"""The data plane beside a public engine; one JSON line a figure.

Parts, in their order:
    clean      bronze.events to silver on two cores, beside DuckDB and Polars with the same rules and output
    features   silver.events to gold.training_examples, beside DuckDB with the same output
    skew       both when a user has 5 % of all events and an item 20 %, beside the same without
    scale      cleaning of growing numbers of events: time an event, and memory

The events are simulated with all their dirt and ingested; `--folder` keeps them. Those of the part scale are
copies of the least number's, each copy with users of its own.
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
from clicksmith.config import Config, LakeConfig, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.reporting import plots
from clicksmith.tables import (
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    TRAINING_EXAMPLES,
    Table,
)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "jobs"))

PARTS = ("clean", "features", "skew", "scale")
WARM_EVENTS = 250_000
CHECKED = {
    "events": "count(*), sum(hash(event_id, session_id, epoch_us(event_ts)))",
    "sessions": "count(*), sum(hash(session_id, epoch_us(session_start_ts), epoch_us(session_end_ts), "
    "num_events, num_impressions, num_clicks, num_purchases, outcome))",
    "rejected": "count(*), sum(hash(event_id))",
}
"""Of each output: its rows, and a sum that does not depend on their order."""

CHECKED["examples"] = "count(*), " + ", ".join(
    f'sum(hash(example_id, "{name}"))' for name in TRAINING_EXAMPLES.column_names
)


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
    source = json.dumps(files_of(Lake.of(config), BRONZE_EVENTS))
    return run_peer("clean_peer.py", target, source, str(target), json.dumps(bounds))


def clean_with_polars(config: Config, target: Path) -> dict[str, float]:
    """The same with Polars and no Spark."""
    source = json.dumps(files_of(Lake.of(config), BRONZE_EVENTS))
    return run_peer("clean_polars_peer.py", target, source, str(target), config.cleaning.model_dump_json())


def run_peer(script: str, target: Path, *arguments: str) -> dict[str, float]:
    """What a script of the peer's says that it took."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    command = [sys.executable, str(Path(__file__).with_name(script)), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return figures


def features(config: Config) -> dict[str, float]:
    """Time of the training examples, read and written, in a new session, and the most memory that it held."""
    from clicksmith.features.examples import training_examples
    from clicksmith.features.split import find_cut
    from clicksmith.lakehouse.commit import commit, read
    from clicksmith.lakehouse.lineage import Lineage
    from clicksmith.lakehouse.session import open_session

    lake = Lake.of(config)
    shutil.rmtree(lake.uri(TRAINING_EXAMPLES), ignore_errors=True)
    spark = open_session(config)
    events, items, users = (read(spark, lake.get(t)) for t in (SILVER_EVENTS, BRONZE_ITEMS, BRONZE_USERS))
    cut = find_cut(events, config.features)
    events = cut.believed(events)
    with watch_memory() as peak:
        started = time.perf_counter()
        examples = training_examples(
            events,
            items,
            users,
            cut,
            config.features,
            num_partitions=config.spark.partitions_for(lake.count_rows(lake.get(SILVER_EVENTS))),
            max_rows=config.spark.rows_at_once,
        )
        commit(examples, TRAINING_EXAMPLES, lake, Lineage("bench", "bench", ""))
        seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "peak_mb": peak[0],
        "cut_us": cut.cut_ts.timestamp() * 1e6,
        "test_us": cut.test_ts.timestamp() * 1e6,
    }


def compare_features(folder: Path, num_events: int) -> None:
    """Both, and their outputs, which must be equal in each column."""
    config = config_for(folder, num_events)
    lake, target = Lake.of(config), folder / "duckdb"
    in_own_process(prepare, config)
    if lake.find(SILVER_EVENTS) is None:
        in_own_process(clean, config, config)
    ours = in_own_process(features, config)
    tables = {"events": SILVER_EVENTS, "items": BRONZE_ITEMS, "users": BRONZE_USERS}
    arguments = {
        **{name: files_of(lake, table) for name, table in tables.items()},
        "cut_us": round(ours["cut_us"]),
        "test_us": round(ours["test_us"]),
        "max_brands": config.features.max_brands,
        "max_weight": config.features.max_sample_weight,
        "target": str(target),
    }
    theirs = run_peer("features_peer.py", target, json.dumps(arguments))
    mine = checksums({"examples": files_of(lake, TRAINING_EXAMPLES)})
    other = checksums({"examples": [f"{target}/examples/*.parquet"]})
    if mine != other:
        raise SystemExit(f"The examples differ (rows, checksums): ours {mine}, DuckDB's {other}.")
    for figure, unit in (("seconds", "s"), ("peak_mb", "MB")):
        print_line("data", f"features.{figure}", ours[figure], unit, "duckdb", theirs[figure])


def checksums(files: dict[str, list[str]]) -> dict[str, tuple[int, int]]:
    """Of Parquet files by output, see `CHECKED`."""
    duckdb.sql("SET TimeZone = 'UTC'")
    return {
        name: duckdb.sql(
            f"SELECT {CHECKED[name]} FROM read_parquet({paths!r}, hive_partitioning = true)"
        ).fetchall()[0]
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
    tables = {"events": SILVER_EVENTS, "sessions": SILVER_SESSIONS, "rejected": SILVER_REJECTED}
    mine = checksums({name: files_of(lake, table) for name, table in tables.items()})
    for peer, clean_with in (("duckdb", clean_with_duckdb), ("polars", clean_with_polars)):
        theirs = clean_with(config, target)
        other = checksums({name: [f"{target}/{name}/*.parquet"] for name in tables})
        if mine != other:
            raise SystemExit(f"The outputs differ (rows, checksum): ours {mine}, {peer}'s {other}.")
        for figure, unit in (("seconds", "s"), ("peak_mb", "MB")):
            print_line("data", f"clean.{figure}", ours[figure], unit, peer, theirs[figure])
    print_line("data", "clean.events", lake.count_rows(lake.get(BRONZE_EVENTS)), "rows")


def make_hot(config: Config, base: Config) -> None:
    """bronze of one lake, with 5 % of the events given to one user and 20 % to one item."""
    from pyspark.sql import functions as F

    from clicksmith.lakehouse.commit import commit, read
    from clicksmith.lakehouse.lineage import Lineage
    from clicksmith.lakehouse.session import open_session

    lake, spark, lineage = Lake.of(config), open_session(config), Lineage("bench", "hot", "")
    if lake.find(BRONZE_EVENTS) is not None:
        return
    draw = F.pmod(F.xxhash64("event_id"), F.lit(100))
    hot = {
        "user_id": F.when(draw < 5, F.lit("hot")).otherwise(F.col("user_id")),
        "item_id": F.when((draw >= 80) & F.col("item_id").isNotNull(), F.lit("hot")).otherwise(
            F.col("item_id")
        ),
    }
    for table in (BRONZE_ITEMS, BRONZE_USERS, BRONZE_EVENTS):
        rows = read(spark, Lake.of(base).get(table))
        commit(rows.withColumns(hot) if table is BRONZE_EVENTS else rows, table, lake, lineage)


def skew(folder: Path, num_events: int) -> None:
    """Time and memory with hot keys, over those without."""
    warm, base = config_for(folder, WARM_EVENTS), config_for(folder, num_events)
    for each in (warm, base):
        in_own_process(prepare, each)
    hot = base.model_copy(update={"lake": LakeConfig(root=str(folder / "hot"))})
    in_own_process(make_hot, hot, base)
    for job, plain, skewed in (
        ("clean", in_own_process(clean, base, warm), in_own_process(clean, hot, warm)),
        ("features", in_own_process(features, base), in_own_process(features, hot)),
    ):
        for figure, unit in (("seconds", "s"), ("peak_mb", "MB")):
            print_line("data", f"skew.{job}.{figure}", skewed[figure], unit, "without", plain[figure])


def multiply(config: Config, base: Config) -> None:
    """bronze.events of one lake, in as many copies as another needs, each with users and ids of its own."""
    from pyspark.sql import functions as F

    from clicksmith.lakehouse.commit import commit, read
    from clicksmith.lakehouse.lineage import Lineage
    from clicksmith.lakehouse.session import open_session

    assert config.simulate is not None and base.simulate is not None
    lake = Lake.of(config)
    if lake.find(BRONZE_EVENTS) is not None:
        return
    spark = open_session(config)
    copies = spark.range(config.simulate.num_events // base.simulate.num_events, numPartitions=1)
    events = read(spark, Lake.of(base).get(BRONZE_EVENTS)).crossJoin(F.broadcast(copies))
    own = {name: F.concat(name, F.lit("#"), "id") for name in ("event_id", "user_id", "request_id")}
    commit(events.withColumns(own), BRONZE_EVENTS, lake, Lineage("bench", "copies", ""))


def scale(folder: Path, sizes: list[int]) -> None:
    """Time an event at each size over that at the smallest, and memory."""
    curve: list[tuple[float, float]] = []
    warm, base = config_for(folder, WARM_EVENTS), config_for(folder, sizes[0])
    for each in (warm, base):
        in_own_process(prepare, each)
    for num_events in sizes:
        copies = folder / f"copies_{num_events}"
        config = config_for(folder, num_events).model_copy(update={"lake": LakeConfig(root=str(copies))})
        in_own_process(multiply, config, base)
        figures = in_own_process(clean, config, warm)
        lake = Lake.of(config)
        seconds_an_event = figures["seconds"] / lake.count_rows(lake.get(BRONZE_EVENTS))
        curve.append((num_events / 1e6, seconds_an_event * 1e6))
        print_line("data", f"scale.{num_events}.us_an_event", curve[-1][1], "us")
        print_line("data", f"scale.{num_events}.peak_mb", figures["peak_mb"], "MB")
        print_line("data", f"scale.{num_events}.growth", curve[-1][1] / curve[0][1], "1")
        shutil.rmtree(copies)
    Path(__file__).with_name("scale.svg").write_text(plot(curve))


def plot(curve: list[tuple[float, float]]) -> str:
    """Microseconds an event over millions of events, as an SVG file."""
    svg = plots.lines("Cleaning", {"microseconds an event, over millions of events": curve})
    return svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def main() -> None:
    """Run the chosen parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    parser.add_argument("--events", type=int, default=20_000_000, help="of the parts clean and features")
    sizes = [5_000_000, 20_000_000, 80_000_000, 200_000_000]
    parser.add_argument("--sizes", type=int, nargs="*", default=sizes, help="of scale; skew takes the first")
    parser.add_argument("--folder", type=Path, help="keeps the simulated events for another run")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = arguments.folder or Path(scratch)
        if "clean" in arguments.parts:
            compare_clean(folder, arguments.events)
        if "features" in arguments.parts:
            compare_features(folder, arguments.events)
        if "skew" in arguments.parts:
            skew(folder, arguments.sizes[0])
        if "scale" in arguments.parts:
            scale(folder, arguments.sizes)


if __name__ == "__main__":
    main()
