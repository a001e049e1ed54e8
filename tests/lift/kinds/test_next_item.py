"""Next items as a task of a measurement: what arms train on, and what is told of each user."""

from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from clicksmith.config import ArmConfig, Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.evaluation.metrics.recommendations import Recommended
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.lift.kinds.next_item import (
    NextItemTask,
    items_asked_for,
    next_item_task,
    novelty_by_user,
    training_rows,
    units_of,
)
from clicksmith.lift.measure import Measured, measure
from clicksmith.lift.statistics.comparison import compare
from clicksmith.lift.task import Arm, Training, few_units
from clicksmith.reading.next_items import NextItems
from clicksmith.tables import SEQUENCES, VOCABULARY
from training.toy_lake import write_rows
from training.toy_lift import cycle_sequences, vocabulary_of

ARMS = (
    "lift.next_item.arms={none: {kind: none}, again: {kind: same}, duplicate: {kind: duplicate, ratio: 1.0}, "
    "real_all: {kind: real_all}, shuffled: {kind: shuffled, ratio: 4.0}, "
    "crop: {kind: augmentation, operations: [none, crop]}}"
)
SMALL = (
    "ray.num_workers=0", "lift.num_seeds=3", "lift.min_users=20", "lift.next_item.max_users=30",
    "lift.next_item.max_asked=200", "lift.next_item.max_all_users=200", "sequential.num_steps=60",
    "sequential.batch_size=16", "sequential.embedding_dim=16", "sequential.max_length=10",
    "sequential.horizon=1", "sequential.num_negatives=8", "sequential.num_validations=1",
    "sequential.learning_rate=0.01",
)  # fmt: skip


def prepare(config: Config, lake: Lake, rows: pa.Table) -> NextItemTask:
    items = [item for items in rows["item_ids"].to_pylist() for item in items]
    inputs = {
        "sequences": write_rows(lake, SEQUENCES, rows, "f" * 32),
        "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(items), "f" * 32),
    }
    return next_item_task(config, inputs)


def measured(config: Config, task: NextItemTask) -> Measured:
    return measure(task, config, storage.join(models_root(config), "runs", "lift"))


def test_more_users_teach_more_and_shuffled_ones_nothing(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Users who walk a cycle: the next item is always known to who has seen enough of it."""
    config = make_config(ARMS, *SMALL)
    task = prepare(config, lake, cycle_sequences(150, 60, 6))
    shuffled = task.arms["shuffled"]
    assert task.num_real == 30 and task.arms["real_all"].ratio == 4.0
    assert (shuffled.role, shuffled.ratio) == ("cheap", 4.0)
    assert task.units["test"].num_rows == task.units["validation"].num_rows == 150
    found = measured(config, task)
    more, nothing = (found.gain("ndcg@10", "all", arm, "none") for arm in ("real_all", "shuffled"))
    assert more.interval()[0] > 0.02 > nothing.value
    low, high = found.gain("ndcg@10", "all", "again", "none").interval()
    assert low < 0 < high
    assert found.verdict.arm == "crop", "of free augmentations, one is chosen where nothing is generated"
    assert {s.subject for s in found.verdict.statements if s.what == "cheap"} == {"duplicate", "shuffled"}
    assert {name.split("=")[0] for name in task.units["test"].segments} <= {"all", "history", "popularity"}


def test_what_is_told_beside_what_decides(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(ARMS, *SMALL, "sequential.num_steps=5")
    task = prepare(config, lake, cycle_sequences(150, 60, 6))
    found = measured(config, task)
    assert {key[1] for key in found.comparisons} == {
        "ndcg@10", "recall@10", "mrr@10", "novelty@10", "coverage@10"
    }  # fmt: skip
    told = {(m, s) for split, m, s in found.comparisons if m in ("mrr@10", "novelty@10", "coverage@10")}
    assert told == {(m, "all") for m, _ in told}, "of all users alone"
    assert {s.subject.partition(" by ")[2] for s in found.verdict.statements} == {"", "recall@10"}
    said = np.zeros((14, 150), np.float32)
    said[4:, :2] = np.array([range(1, 11), range(6, 16)]).T
    figure = task.figure("coverage@10", "test", said, "all")
    assert figure.value == 15 / 60 and np.isnan(figure.influence).all()
    coverage = found.gain("coverage@10", "all", "again", "none")
    assert np.isfinite(coverage.value) and np.isnan(coverage.interval()).all()


def asked_for(*targets: list[int]) -> NextItems:
    """Users with one item before, and these after."""
    items = [np.array(one) for one in targets]
    return NextItems([np.array([1])] * len(items), items, np.array([len(one) for one in items]))


def test_the_item_asked_for_is_the_most_popular_known_one() -> None:
    taken = [np.array(items) for items in ([2, 3], [1, 2, 3], [0, 2], [0], [0], [0, 4])]
    found = items_asked_for(taken, np.array([0, 9, 5, 7, 0]))
    assert found.tolist() == [3, 1, 2, -4, -5, 4], "unknown items are not one"


def test_segments_of_items_are_by_the_whole_vocabulary() -> None:
    """The model has a vector of the first item alone; the last two users take what is in no vocabulary."""
    taken = [np.array([number]) for number in (1, 2, 3, 4, 0, 0)]
    units = units_of(asked_for([1], *[[0]] * 5), taken, np.array([0, 9, 9, 3, 3]), 2)
    assert {name: np.flatnonzero(mask).tolist() for name, mask in units.segments.items()} == {
        "all": [0, 1, 2, 3, 4, 5], "popularity=0-2": [4, 5], "popularity=3-8": [2, 3],
        "popularity=9+": [0, 1], "unknown_item=yes": [4, 5],
    }  # fmt: skip
    assert units.clusters[1].tolist() == [1, 2, 3, 4, -5, -6] and units.small == {}


def test_the_bucket_of_the_best_seller_is_put_aside() -> None:
    taken = [np.array([number]) for number in (1, 1, 1, 1, 2, 3)]
    units = units_of(asked_for(*[[1]] * 6), taken, np.array([0, 9, 3, 2]), 2)
    assert list(units.segments) == ["all", "popularity=0-8"]
    alone = "all 4 users were tested on a single item, where an interval needs several"
    assert units.small == {"popularity=9+": alone} and few_units(units, 2, 2) == {}


def test_what_items_share_widens(make_config: Callable[..., Config]) -> None:
    """Two users each of two items; an arm hits the first item alone: +1, +1, 0 and 0, with a mean of .5."""
    said = {"none": [0.0, 0.0, 0.0, 0.0], "crop": [1.0, 1.0, 0.0, 0.0]}
    trainings = [Training(arm, 0, seed) for arm in said for seed in range(3)]

    def output(training: Training) -> np.ndarray:
        return np.tile(np.array(said[training.arm], np.float32), (4 + 10, 1))

    def error(*targets: list[int]) -> tuple[float, float]:
        """Squared, of recall; and of what is told without an interval."""
        taken = [np.array(one) for one in targets]
        units = units_of(asked_for(*targets), taken, np.array([0, 4, 3, 2, 1]), 2)
        arms = {"none": Arm("none", "control", 0.0), "crop": Arm("augmentation", "free", 0.0)}
        rows = SimpleNamespace(items=range(5))  # all that a figure asks of them is how many items there are
        tail = np.zeros(0, bool)
        config = make_config(ARMS, *SMALL)
        task = NextItemTask(config, rows, 0, tail, {}, {}, arms, {}, {"test": units})  # type: ignore[arg-type]
        recall, coverage = (
            compare(task, metric, "test", "all", trainings, output, 1).gain("crop", "none")
            for metric in ("recall@10", "coverage@10")
        )
        assert recall.value == 0.5 and np.isfinite(coverage.value)
        items = recall.error**2 - 1 / 12
        assert recall.noise == pytest.approx({"units": 1 / 12, "items": items, "trainings": 0})
        return recall.error**2, coverage.error

    # By user: 4 / 3 of four times (1 / 8) squared. By item: twice two times (1 / 4) squared.
    alone, told = error([1], [2], [3], [4])
    assert alone == pytest.approx(1 / 12) and np.isnan(told)
    shared, told = error([1], [1], [2], [2])
    assert shared == pytest.approx(1 / 4) and np.isnan(told)
    assert error([1, 3], [1, 4], [2, 3], [2, 4])[0] == pytest.approx(1 / 4), "the most popular one counts"


def test_a_tail_that_nobody_took_is_no_arm(make_config: Callable[..., Config], lake: Lake) -> None:
    """Each user took three items that all took, and a single rare one."""
    arms = "lift.next_item.arms={none: {kind: none}, tail: {kind: oversample_tail, ratio: 1.0}}"
    config, rows = make_config(arms, *SMALL), cycle_sequences(30, 10, 4).to_pylist()
    for row in rows:
        taken = ["a", "b", "c", f"only {row['user_id']}"] if row["split"] == "train" else ["a", "b"]
        row["item_ids"] = taken[: len(row["item_ids"])]
    task = prepare(config, lake, pa.Table.from_pylist(rows, schema=SEQUENCES.arrow_schema))
    assert task.skipped == {"tail": "no training user took mostly rare items"} and "tail" not in task.arms


def sequences(lists: list[list[str]]) -> pa.Table:
    return pa.table({"user_id": [f"u{i}" for i in range(len(lists))], "item_ids": lists})


TRAIN = sequences([["a"], ["b", "c"], ["d"], ["e", "f"]])


@pytest.mark.parametrize(
    ("arm", "expected"),
    [
        ({"kind": "none"}, ["u0", "u1"]),
        ({"kind": "same"}, ["u0", "u1"]),
        ({"kind": "augmentation", "operations": ["crop"]}, ["u0", "u1"]),
        ({"kind": "real_more", "ratio": 0.5}, ["u0", "u1", "u2"]),
        ({"kind": "real_all"}, ["u0", "u1", "u2", "u3"]),
        ({"kind": "oversample_tail", "ratio": 1.0}, ["u0", "u1", "u1", "u1"]),
    ],
)
def test_which_users_an_arm_trains_on(arm: dict[str, object], expected: list[str]) -> None:
    tail = np.array([False, True])
    found = training_rows(ArmConfig.model_validate(arm), TRAIN, 2, tail, seed=3)
    assert found["user_id"].to_pylist() == expected


def test_copies_and_shuffled_copies() -> None:
    tail = np.zeros(2, bool)
    copies = training_rows(ArmConfig(kind="duplicate", ratio=1.0), TRAIN, 2, tail, seed=3)
    assert sorted(copies["user_id"].to_pylist()) == ["u0", "u0", "u1", "u1"]
    shuffled = training_rows(ArmConfig(kind="shuffled", ratio=2.0), TRAIN, 2, tail, seed=3).slice(2)
    items = shuffled["item_ids"].to_pylist()
    assert sorted(map(len, items)) == [1, 1, 2, 2]
    assert sorted(item for one in items for item in one) == ["a", "a", "b", "b", "c", "c"]
    nobody = training_rows(ArmConfig(kind="oversample_tail", ratio=1.0), TRAIN, 2, tail, seed=3)
    assert nobody["user_id"].to_pylist() == ["u0", "u1"]


def test_novelty_by_hand() -> None:
    """Of 8 events one item has 4 and the others 2: 1 and 2 bits; an empty list has none."""
    found = Recommended(np.array([[1, 2], [0, 0]]), np.zeros((2, 2), bool), np.ones(2, np.int64))
    events = np.array([0.0, 4.0, 2.0, 2.0])
    assert novelty_by_user(found, events).tolist() == [1.5, 0.0]
    assert found.novelty(events) == 1.5


def test_arms_that_sequences_do_not_have(make_config: Callable[..., Config]) -> None:
    with pytest.raises(ConfigError, match="'taught' of kind 'teacher', which sequences do not have"):
        make_config("lift.next_item.arms={none: {kind: none}, taught: {kind: teacher, ratio: 1.0}}")
    with pytest.raises(ConfigError, match="exactly one arm of kind 'none'"):
        make_config("lift.next_item.arms={again: {kind: same}}")
    with pytest.raises(ConfigError, match="'operations' must be given"):
        make_config("lift.next_item.arms={none: {kind: none}, odd: {kind: augmentation}}")


def test_nobody_to_ask_is_an_error_that_says_so(make_config: Callable[..., Config], lake: Lake) -> None:
    rows = cycle_sequences(20, 10, 6)
    known = rows.filter([split != "test" for split in rows["split"].to_pylist()])
    with pytest.raises(TrainingError, match=r"Nobody in .*sequences has known items both before the test"):
        prepare(make_config(ARMS, *SMALL), lake, known)
