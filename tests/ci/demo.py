"""Runs ``make demo`` in a lake of its own, within a laptop's memory, and checks what came out; then again.

The limits are what the README promises; what a lake must hold follows from the configuration.
"""

import argparse
import json
import math
import os
import re
import shlex
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from ci.limited import Usage, run_limited
from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import outdated, read_by
from clicksmith.tables import (
    ALL_TABLES,
    BRONZE_EVENTS,
    BRONZE_ITEMS,
    BRONZE_USERS,
    EVALUATION_METRICS,
    EVENT_FILES,
    EVENTS_REJECTED,
    ITEM_PROFILES,
    ITEMS_REJECTED,
    JOB_RUNS,
    RECOMMENDATIONS,
    SEARCH_PAIRS,
    SEQUENCES,
    SILVER_EVENTS,
    SILVER_REJECTED,
    SILVER_SESSIONS,
    TRAINING_EXAMPLES,
    TWINS,
    USER_PROFILES,
    USERS_REJECTED,
    VERDICTS,
    VOCABULARY,
    Table,
)

ROOT = Path(__file__).resolve().parents[2]
GIGABYTE = 10**9
# The Complete Journey knows no queries, and breaks no rule of the contract.
EMPTY = {EVENT_FILES, EVENTS_REJECTED, ITEMS_REJECTED, USERS_REJECTED, SILVER_REJECTED, SEARCH_PAIRS}
PURCHASES, ITEMS, USERS = 1_469_307, 92_331, 801
"""Rows of the source's own tables."""
JOBS = ("clean_events", "build_training_set", "evaluate_synthetic", "measure_lift", "score_candidates")
SECTIONS = ("lift", "quality", "distributions", "training", "recommenders", "data", "runs", "lineage")


def run(target: str, lake: Path, log: Path, gigabytes: float, minutes: float) -> Usage:
    """``make TARGET`` on the lake; its log goes to the terminal and to a file."""
    command = (
        f"make {target} ARGS={shlex.quote(f'--set lake.root={lake}')} 2>&1 | tee {shlex.quote(str(log))}"
    )
    # A table's size decides what the demo may take: nothing of the caller's is handed on.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("JDK_JAVA_OPTIONS")}
    return run_limited(
        ["bash", "-o", "pipefail", "-c", command], int(gigabytes * GIGABYTE), minutes * 60, environment
    )


def check_lake(config: Config, whole: bool) -> None:
    """Every table, model and report that a finished pipeline leaves.

    Args:
        config: of the run.
        whole: all of the source was read, so that its counts are known.
    """
    lake = Lake.of(config)
    counts = {table.name: _count(lake, table) for table in ALL_TABLES if table is not EVENT_FILES}
    empty = [table.name for table in ALL_TABLES if table not in EMPTY and not counts[table.name]]
    assert not empty, f"without rows: {empty}"
    if whole:
        found = counts[BRONZE_ITEMS.name], counts[BRONZE_USERS.name]
        assert found == (ITEMS, USERS), found
        types = _column(lake, BRONZE_EVENTS, "event_type")
        purchases = pc.sum(pc.equal(types, "purchase")).as_py()
        assert purchases + counts[EVENTS_REJECTED.name] == PURCHASES, purchases
    read = [part for job in JOBS for part in read_by(config, job)]
    assert read and not outdated(config, lake, read), "what the run itself made is as it is configured"
    _check_balance(lake, counts)
    _check_gold(lake, counts)
    _check_synthetic(config, lake)
    _check_verdict(config, lake)
    _check_models(config)
    _check_report(config)
    runs = lake.open(JOB_RUNS).to_pyarrow_table().to_pylist()  # type: ignore[union-attr]
    assert {row["outcome"] for row in runs} == {"done"}, [row["problem"] for row in runs]
    for name, count in counts.items():
        sys.stdout.write(f"{name:<28} {count:>12,} rows\n")


def _count(lake: Lake, table: Table) -> int:
    delta = lake.open(table)
    assert delta is not None, f"{table.name} is not there"
    names = [field.name for field in delta.schema().fields]
    assert set(table.column_names) <= set(names), f"{table.name} has {names}"
    return int(delta.to_pyarrow_dataset().count_rows())


def _column(lake: Lake, table: Table, name: str) -> pa.ChunkedArray:
    delta = lake.open(table)
    assert delta is not None, table.name
    return delta.to_pyarrow_dataset().to_table([name])[name]


def _check_balance(lake: Lake, counts: dict[str, int]) -> None:
    cleaned = lake.get(SILVER_EVENTS).metadata["counts"]
    assert cleaned["rows_in"] == counts[BRONZE_EVENTS.name], cleaned
    assert cleaned["rows_in"] == cleaned["accepted"] + cleaned["rejected"] + cleaned["deduplicated"], cleaned
    assert cleaned["accepted"] == counts[SILVER_EVENTS.name], cleaned
    assert cleaned["rejected"] == counts[SILVER_REJECTED.name], cleaned
    assert pc.sum(_column(lake, SILVER_SESSIONS, "num_events")).as_py() == cleaned["accepted"]


def _check_gold(lake: Lake, counts: dict[str, int]) -> None:
    shown = pc.sum(pc.equal(_column(lake, SILVER_EVENTS, "event_type"), "impression")).as_py()
    assert counts[TRAINING_EXAMPLES.name] == shown, "an example is an impression"
    splits = set(pc.unique(_column(lake, TRAINING_EXAMPLES, "split")).to_pylist())
    assert splits == {"train", "validation", "test"}, splits
    bought = pc.sum(_column(lake, TRAINING_EXAMPLES, "label_purchase").cast("int64")).as_py()
    assert 0 < bought < shown / 2, bought
    users = pc.count_distinct(_column(lake, SEQUENCES, "user_id")).as_py()
    assert pc.count_distinct(_column(lake, RECOMMENDATIONS, "user_id")).as_py() == users
    assert 0 < counts[USER_PROFILES.name] <= users
    assert 0 < counts[ITEM_PROFILES.name]
    assert counts[VOCABULARY.name] > 0


def _check_synthetic(config: Config, lake: Lake) -> None:
    for kind, twin in TWINS.items():
        fits = {fit for fit, options in config.fits.items() if options.kind == kind}
        candidates, published = _by_generator(lake, twin.candidates), _by_generator(lake, twin.published)
        assert candidates.keys() == fits, candidates
        assert published.items() <= candidates.items(), f"published {published} of {candidates}"
        arms = [arm for arm, makes, *_ in config.generated_arms.values() if makes == kind]
        generators = {fit for arm in arms for fit in config.fits_of(arm.generator or "")}
        assert published.keys() & generators, f"no arm of {kind} has rows: published are {published}"


def _by_generator(lake: Lake, table: Table) -> dict[str, int]:
    values = _column(lake, table, "generator").cast(pa.string()).value_counts().to_pylist()
    return {row["values"]: row["counts"] for row in values}


def _check_verdict(config: Config, lake: Lake) -> None:
    verdicts = lake.open(VERDICTS).to_pyarrow_table().to_pylist()  # type: ignore[union-attr]
    arms = {"ranking": config.lift.arms, "next_item": config.lift.next_item.arms}
    assert sorted(verdict["task"] for verdict in verdicts) == sorted(arms), verdicts
    for verdict in verdicts:
        assert verdict["decision"] in ("augment", "no_gain", "inconclusive"), verdict
        evidence = json.loads(verdict["evidence"])
        assert evidence["statements"] and math.isfinite(evidence["detectable"]), evidence
        told = {*evidence["arms"], *evidence["skipped_arms"]}
        assert told == set(arms[verdict["task"]]), told
    _check_shipped(config, {verdict["task"]: verdict for verdict in verdicts})
    jobs = set(pc.unique(_column(lake, EVALUATION_METRICS, "job").cast(pa.string())).to_pylist())
    assert jobs == {"evaluate_synthetic", "measure_lift"}, jobs


def _check_shipped(config: Config, verdicts: dict[str, dict[str, object]]) -> None:
    """The shipped models are trained as the verdicts say."""
    for task, name in (("ranking", "ranker"), ("next_item", "sequential")):
        (card,) = Path(config.lake.root).glob(f"_models/recommenders/{name}-*/card.json")
        read = json.loads(card.read_text())
        told, verdict = read["settings"].get("augmented", {}), verdicts[task]
        follows = {name: read["follows"][name] for name in ("decision", "verdict", "arm")}
        assert follows == {**follows, "decision": verdict["decision"], "verdict": verdict["run_id"]}, follows
        assert follows["arm"] == told.get("arm"), follows
        wanted = verdict["run_id"] if verdict["decision"] == "augment" else None
        assert (told.get("arm"), told.get("verdict")) == (verdict["arm"], wanted), told


def _check_models(config: Config) -> None:
    names = {
        kind: sorted(
            card.parent.name.split("-")[0]
            for card in Path(config.lake.root).glob(f"_models/{kind}/*/card.json")
        )
        for kind in ("generators", "recommenders")
    }
    assert names == {"generators": sorted(config.fits), "recommenders": ["ranker", "sequential"]}, names


def _check_report(config: Config) -> None:
    html = (Path(config.lake.root) / "_reports" / "report.html").read_text()
    missing = [name for name in SECTIONS if f'<section id="{name}">' not in html]
    arms = (*config.lift.arms, *config.lift.next_item.arms)
    missing += [name for name in (*config.fits, *arms) if name not in html]
    assert not missing, f"the report says nothing of {missing}"
    assert html.count("<svg") > len(config.generators) and html.rstrip().endswith("</html>")
    assert not re.search(r">\s*(nan|None)\s*<", html), "a figure without a value"


def state(lake: Path) -> dict[str, object]:
    """What a run that finds everything done must leave as it was: versions, models, the page's verdict."""
    opened = {table.name: Lake(str(lake)).open(table) for table in ALL_TABLES}
    models = {str(p): p.stat().st_mtime_ns for p in lake.glob("_models/**/*") if p.is_file()}
    return {**{name: delta.version() for name, delta in opened.items() if delta is not None}, **models}


def check_nothing_done(log: str) -> None:
    """Each step of a second run says that its work was done already; the report alone is written anew."""
    parts = re.split(r"\[\d+/\d+\] (\w+)\n", log)
    steps = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert len(steps) > 10, f"steps seen: {list(steps)}"
    busy = [name for name, said in steps.items() if "already" not in said and name != "write_report"]
    assert not busy, f"did something again: {busy}"


def main() -> None:
    """Twice, with the checks between."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--target", default="demo", help="of make, whose conf is conf/local.yaml or of that name"
    )
    parser.add_argument("--gigabytes", type=float, default=8.0, help="of memory, all processes together")
    parser.add_argument("--minutes", type=float, default=12.0, help="of the first run")
    parser.add_argument("--minutes-again", type=float, default=1.0, help="of the second run")
    given = parser.parse_args()
    conf = {"demo": "local"}.get(given.target, given.target)
    with tempfile.TemporaryDirectory(prefix="clicksmith-") as scratch:
        lake, log = Path(scratch, "lake"), Path(scratch, "log")
        config = load_config(str(ROOT / "conf" / f"{conf}.yaml"), [f"lake.root={lake}"])
        first = run(given.target, lake, log, given.gigabytes, given.minutes)
        check_lake(config, whole=given.target == "demo")
        before = state(lake)
        second = run(given.target, lake, log, given.gigabytes, given.minutes_again)
        assert state(lake) == before, "the second run changed the lake"
        check_nothing_done(log.read_text())
    sys.stdout.write(f"make {given.target}: {first}\nagain: {second}\n")


if __name__ == "__main__":
    main()
