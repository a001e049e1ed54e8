"""Whether a verdict can be believed: false claims, coverage, power and harms, by many small measurements.

    aa       the control again under another name, decided as an augmentation that was chosen, not as the
             negative control that it is, which would only raise an alarm: a gain is never there. Beside it
             stands a third control as that: how often its alarm is raised
    planted  unseen real rows as an augmentation: a gain is there; its size is that of the same training rows
             on all test users, over twenty further seeds. Also as generated rows, which have to beat copies
             in their ratio
    safe     the same rows, judged on all test users: most of them are an augmentation to be found
    harm     as safe, but for one category of items, whose added rows have labels by a coin; it is the harm
             that stops the augmentation where a statement on this category holds of the same rows unspoilt

Rows are of a simulated click stream (`simulate_events`, cleaned and featurised by the jobs). Each case draws
its own training rows and test users. Trainings are small and real: a logistic model of 60 steps, five seeds
an arm.
"""

import argparse
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import ray
from numpy.typing import NDArray

from benchmarks.lines import print_line
from clicksmith.config import Config, load_config
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.kinds.arms import Stock, is_rare
from clicksmith.lift.kinds.ranking import RankingTask, units_of
from clicksmith.lift.kinds.segments import NUM_CATEGORIES
from clicksmith.lift.measure import Measured, measure
from clicksmith.lift.statistics.intervals import POWER, Estimate
from clicksmith.lift.task import ALL, Arm, Training
from clicksmith.lift.verdict import Statement, decide
from clicksmith.reading.examples import Examples, Splits, read_splits
from clicksmith.seeds import derive_seed
from clicksmith.tables import TRAINING_EXAMPLES, VOCABULARY
from clicksmith.training.engine.cluster import connect

ROOT = Path(__file__).resolve().parents[2]
JOBS = ("simulate_events", "ingest_events", "clean_events", "build_profiles", "build_training_set")
NUM_EVENTS = 600_000
NUM_REAL, NUM_ADDED, NUM_TESTED_USERS = 1_500, 1_500, 600
NUM_TRUTH_SEEDS = 20
SETTINGS = (
    "ranker={label: label_click, model: logistic, num_steps: 60, batch_size: 256, learning_rate: 0.02, "
    "num_validations: 1, max_rows: 400000, max_test_rows: 200000}",
    "ray={num_workers: 2}",
)
SAME, ADDED = "{kind: same}", "{kind: synthetic, generator: gan, ratio: 1.0}"
BESIDE = {"aa": {"again": SAME}, "planted": {"copies": "{kind: duplicate, ratio: 1.0}"}}
"""What else is measured, by kind: it decides nothing but what it is there for."""
ROLES = {
    "none": Arm("none", "control", 0.0),
    "tried": Arm("tried", "free", 1.0),  # generated rows would have to be told from copies as well
    "again": Arm("same", "same", 0.0),
    "copies": Arm("duplicate", "cheap", 1.0),
}


def world(folder: Path) -> tuple[Config, Splits]:
    """All real rows of a simulated stream."""
    conf = ROOT / "conf" / "simulated.yaml"
    overrides = [
        f"lake.root={folder / 'lake'}",
        f"simulate.path={folder / 'source'}",
        f"simulate.num_events={NUM_EVENTS}",
        f"source.events.path={folder / 'source' / 'log' / 'table=events'}",
        *(f"source.{name}.path={folder / 'source' / name}" for name in ("items", "users")),
        *SETTINGS,
    ]
    flags = [part for setting in overrides for part in ("--set", setting)]
    for job in JOBS:
        command = [sys.executable, str(ROOT / "jobs" / f"{job}.py"), "--conf", str(conf), *flags]
        subprocess.run(command, check=True, stdout=sys.stderr)
    config = load_config(str(conf), overrides)
    lake = Lake.of(config)
    return config, read_splits(config.ranker, lake.get(TRAINING_EXAMPLES), lake.get(VOCABULARY))


@dataclass(frozen=True)
class Case:
    """What one measurement of `kind` found.

    Attributes:
        gain: of the arm over the control on all rows.
        decision: of the whole verdict on it, beside the control alone.
        alarm: of the negative control that stands beside it, if one does.
        over_copies: the decision on it as generated rows, where copies were measured.
        truth: of the gain, where it is planted; else 0.
        stopped: by the harm, where one is done: a statement on who is harmed does not hold, and does without.
    """

    gain: Estimate
    decision: str
    alarm: bool = False
    over_copies: str = ""
    truth: float = 0.0
    stopped: bool = False


def measure_case(config: Config, splits: Splits, kind: str, number: int) -> Case:
    """One measurement on users of its own."""
    random = np.random.default_rng(derive_seed(number, "bench_lift", kind))
    train = splits.train.take(random.permutation(len(splits.train))[: NUM_REAL + NUM_ADDED])
    real, more = train.take(np.arange(NUM_REAL)), train.take(np.arange(NUM_REAL, len(train)))
    test = splits.test if kind in ("safe", "harm") else of_users(splits.test, NUM_TESTED_USERS, random)
    mine = replace(splits, train=real, test=test)
    kinds = {"none": "{kind: none}", "tried": SAME if kind == "aa" else ADDED, **BESIDE.get(kind, {})}
    told = ", ".join(f"{name}: {arm}" for name, arm in kinds.items())
    settings = (f"lift.arms={{{told}}}", "generators={gan: {preset: ctgan}}")
    given = [
        *SETTINGS,
        *settings,
        f"seed={number}",
        "lift.num_fits=1",
        "lift.min_users=50",
        "lift.ranking.margin=0.03",  # of a size that so few rows can tell
        "ray.num_workers=0",
    ]
    own = load_config(None, given)
    arms = {name: ROLES[name] for name in kinds}
    nothing = real.take(np.zeros(0, np.int64))
    stock = Stock(real, nothing, is_rare(real, real), {"gan": (more,)})
    units = {"test": units_of(mine.test, own.lift.min_users)}
    task = RankingTask(own, own.lift.arms, mine, stock, arms, {}, units)
    truth, stopped = 0.0, False
    if kind == "harm":
        category = least_asked(splits.test)
        unharmed = holding(measured(task, own), category)
        task = replace(task, stock=replace(stock, generated={"gan": (spoilt(more, category),)}))
        found = measured(task, own)
        stopped = bool(unharmed - holding(found, category))
    else:
        found = measured(task, own)
    if kind == "planted":
        everybody = {"test": units_of(splits.test, own.lift.min_users)}
        whole = replace(task, splits=replace(mine, test=splits.test), units=everybody)
        seeds = range(own.lift.num_seeds, own.lift.num_seeds + NUM_TRUTH_SEEDS)
        truth = float(np.mean([area(whole, "tried", seed) - area(whole, "none", seed) for seed in seeds]))
    alone, copied = {name: arms[name] for name in ("none", "tried")}, ""
    if "copies" in arms:
        copied = decision({**arms, "tried": replace(arms["tried"], role="generator")}, found)
    alarm = any(one.what == "same" for one in found.verdict.statements)
    gain = found.gain("auc", ALL, "tried", "none")
    return Case(gain, decision(alone, found), alarm, copied, truth, stopped)


def decision(arms: Mapping[str, Arm], found: Measured) -> str:
    """What is decided on the arm that was tried, were these all the arms."""
    task, segments = found.task, list(found.task.units["test"].segments)
    return decide("tried", arms, found.gain, task.metrics, task.worthwhile, segments, found.few).decision


def measured(task: RankingTask, config: Config) -> Measured:
    """In a folder that nothing is kept in."""
    with tempfile.TemporaryDirectory() as folder:
        return measure(task, config, folder)


def holding(found: Measured, category: str) -> set[str]:
    """Subjects of the statements on a category, by either metric, that hold."""
    states = {one.subject: one.state for one in found.verdict.statements if one.what == "safe"}
    subjects = (f"category={category}", f"category={category} by logloss")
    return {subject for subject in subjects if states[subject] == "holds"}


def area(task: RankingTask, arm: str, seed: int) -> float:
    """The AUC of one training on all test rows."""
    said = task.train(Training(arm, 0, seed))["test"]
    return task.figure("auc", "test", said, ALL).value


def of_users(rows: Examples, num_users: int, random: np.random.Generator) -> Examples:
    """All rows of some users."""
    chosen = random.permutation(np.unique(rows.users))[:num_users]
    return rows.take(np.flatnonzero(np.isin(rows.users, chosen)))


def least_asked(rows: Examples) -> str:
    """Of the categories that are segments of their own."""
    names, counts = np.unique(rows.facts["item_category"].astype(str), return_counts=True)
    return str(names[np.argsort(-counts)[NUM_CATEGORIES - 1]])


def spoilt(rows: Examples, category: str) -> Examples:
    """With labels by a coin in a category."""
    worst = rows.facts["item_category"].astype(str) == category
    coin = np.random.default_rng(len(rows)).random(len(rows)) < 0.5
    return replace(rows, labels=np.where(worst, coin, rows.labels))


def cases(config: Config, splits: Splits, kind: str, num: int) -> list[Case]:
    """Measurements of a kind, as Ray tasks."""
    connect(config.ray)
    task = ray.remote(num_cpus=1)(measure_case)
    shared = [ray.put(value) for value in (config, splits)]
    waiting = [task.remote(*shared, kind, number) for number in range(num)]
    found = []
    for number, reference in enumerate(waiting, start=1):
        found.append(ray.get(reference))
        if number % 10 == 0:
            sys.stderr.write(f"{kind}: {number} of {num}\n")
    return found


def share(flags: list[bool] | NDArray[np.bool_]) -> float:
    """Of cases."""
    return float(np.mean(flags))


def aa(found: list[Case]) -> None:
    """A gain of nothing."""
    intervals = [case.gain.interval() for case in found]
    print_line("lift", "aa.cases", len(found), "1")
    print_line("lift", "aa.coverage", share([low <= 0 <= high for low, high in intervals]), "1")
    print_line("lift", "aa.false_augment", share([case.decision == "augment" for case in found]), "1")
    print_line("lift", "aa.gain_above_0", share([low > 0 for low, _ in intervals]), "1")
    print_line("lift", "aa.alarm", share([case.alarm for case in found]), "1")


def planted(found: list[Case]) -> None:
    """A gain that is known: called so by the whole verdict, and found by its interval alone.

    For the latter, worthwhile is set so that it is just detectable.
    """
    off = np.array([case.gain.value - case.truth for case in found])
    error = float(np.sqrt(np.mean([case.gain.error**2 for case in found])))
    covered = [low <= case.truth <= high for case in found for low, high in (case.gain.interval(),)]
    print_line("lift", "planted.cases", len(found), "1")
    print_line("lift", "planted.gain", float(np.mean([case.truth for case in found])), "auc")
    print_line("lift", "planted.bias", float(off.mean()), "auc")
    print_line("lift", "planted.coverage", share(covered), "1")
    print_line("lift", "planted.error_over_spread", error / float(off.std(ddof=1)), "1")
    print_line("lift", "planted.augment", share([case.decision == "augment" for case in found]), "1")
    copied = [case.over_copies == "augment" for case in found]
    print_line("lift", "planted.augment_over_copies", share(copied), "1")
    for times in (1.0, 1.5):
        reached = []
        for case in found:
            worthwhile = case.truth - times * case.gain.detectable(0.0, power=POWER)
            reached.append(Statement("gain", "none", worthwhile, case.gain).state == "holds")
        print_line("lift", f"planted.found_at_{times:g}_detectable", share(reached), "1")


def safe(found: list[Case]) -> None:
    """Nothing is spoilt: what harm is held against."""
    print_line("lift", "safe.augment", share([case.decision == "augment" for case in found]), "1")
    print_line("lift", "safe.gain", float(np.mean([case.gain.value for case in found])), "auc")


def harm(found: list[Case]) -> None:
    """One category is spoilt."""
    print_line("lift", "harm.stopped", share([case.decision != "augment" for case in found]), "1")
    print_line("lift", "harm.stopped_by_it", share([case.stopped for case in found]), "1")
    print_line("lift", "harm.gain", float(np.mean([case.gain.value for case in found])), "auc")


TOLD = {"aa": aa, "planted": planted, "safe": safe, "harm": harm}


def main() -> None:
    """Print one JSON line a figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=200, help="of aa; half as many of the others")
    parser.add_argument("--kinds", nargs="*", choices=list(TOLD), default=list(TOLD))
    parser.add_argument("--folder", type=Path, help="where the simulated lake is kept; else it is made anew")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as temporary:
        config, splits = world(arguments.folder or Path(temporary))
        for kind, tell in TOLD.items():
            if kind in arguments.kinds:
                num = arguments.cases if kind == "aa" else math.ceil(arguments.cases / 2)
                tell(cases(config, splits, kind, num))


if __name__ == "__main__":
    main()
