"""Generated sequences as arms of the next item: what is taken, what is refused, and that they can help."""

from collections.abc import Callable

import pyarrow as pa
import pytest

from clicksmith.config import Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.generators.artefact import generator_id
from clicksmith.lakehouse import storage
from clicksmith.lakehouse.catalog import Lake, Snapshot, models_root
from clicksmith.lakehouse.steps import trace_generator
from clicksmith.lift.kinds.next_item import NextItemTask, next_item_task
from clicksmith.lift.measure import measure
from clicksmith.tables import SEQUENCES, SYNTHETIC_SEQUENCES, VOCABULARY
from training.toy_lake import write_rows
from training.toy_lift import cycle_sequences, vocabulary_of

GENERATORS = (
    "generators={walk: {preset: graph_walk, max_rows: 100}, counts: {preset: most_popular, max_rows: 100}}"
)
ARMS = (
    "lift.next_item.arms={none: {kind: none}, walk: {kind: synthetic, generator: walk, ratio: 2.0}, "
    "short: {kind: synthetic, generator: walk, ratio: 1.0, only: short_histories}, "
    "counts: {kind: synthetic, generator: counts, ratio: 1.0}, "
    "hardly: {kind: synthetic, generator: walk, ratio: 0.001}}"
)
SMALL = (
    "ray.num_workers=0", "lift.num_seeds=3", "lift.num_fits=1", "lift.min_users=20",
    "lift.next_item.max_users=100", "lift.next_item.max_asked=200", "sequential.num_steps=60",
    "sequential.batch_size=16", "sequential.embedding_dim=16", "sequential.max_length=10",
    "sequential.horizon=1", "sequential.num_negatives=8", "sequential.num_validations=1",
    "sequential.learning_rate=0.01", "synthesis.ratio=4",
)  # fmt: skip


def publish(
    lake: Lake, config: Config, real: Snapshot, rows: pa.Table, generator: str, maker: str | None = None
) -> Snapshot:
    """Rows of the train split as a generator's published ones."""
    rows = rows.filter(pa.array([split == "train" for split in rows["split"].to_pylist()]))
    made_by = maker or generator_id(generator, trace_generator(config, generator, real))
    ids = [f"{made_by}-{number}" for number in range(rows.num_rows)]
    same = {"run_id": "r", "generator_id": made_by, "generator": generator}
    columns = {
        "sample_id": ids,
        "row_id": list(range(rows.num_rows)),
        **{name: [value] * rows.num_rows for name, value in same.items()},
        **{name: rows[name] for name in rows.column_names},
        "user_id": ids,
    }
    table = pa.table(columns).select(SYNTHETIC_SEQUENCES.column_names)
    part = f"generator={generator}"
    return write_rows(lake, SYNTHETIC_SEQUENCES, table.cast(SYNTHETIC_SEQUENCES.arrow_schema), "e" * 32, part)


def prepare(config: Config, lake: Lake, num_users: int = 150, maker: str | None = None) -> NextItemTask:
    rows = cycle_sequences(num_users, 60, 6)
    items = [item for items in rows["item_ids"].to_pylist() for item in items]
    real = write_rows(lake, SEQUENCES, rows, "f" * 32)
    inputs = {"sequences": real, "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(items), "f" * 32)}
    walks = publish(lake, config, real, cycle_sequences(300, 60, 6, seed=7), "walk", maker)
    return next_item_task(config, inputs, {"walk": {"walk": walks}})


def test_arms_take_what_is_published_and_tell_what_is_not(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    task = prepare(make_config(GENERATORS, ARMS, *SMALL), lake)
    assert {name: (arm.role, arm.ratio) for name, arm in task.arms.items()} == {
        "none": ("control", 0.0),
        "walk": ("generator", 2.0),
        "short": ("generator", 1.0),
        "copies_2": ("cheap", 2.0),
        "copies_1": ("cheap", 1.0),
    }, "as many copies stand beside each"
    assert task.skipped == {
        "counts": "the gate published no rows of generator 'counts'",
        "hardly": "a ratio of 0.001 adds not a single row to 100 real ones",
    }
    assert task.chosen["walk"][0].num_rows == 200 and task.chosen["short"][0].num_rows == 300


def test_generated_users_who_know_the_order_help(make_config: Callable[..., Config], lake: Lake) -> None:
    """The next item of a cycle is known to who has seen enough of it: thrice the users know more."""
    only = "lift.next_item.arms={none: {kind: none}, walk: {kind: synthetic, generator: walk, ratio: 2.0}}"
    config = make_config(GENERATORS, only, *SMALL, "sequential.num_steps=40")
    task = prepare(config, lake)
    found = measure(task, config, storage.join(models_root(config), "runs", "lift"))
    assert found.gain("ndcg@10", "all", "walk", "none").value > 0
    assert found.verdict.arm == "walk"


def test_sequences_of_another_generator_are_refused(make_config: Callable[..., Config], lake: Lake) -> None:
    with pytest.raises(TrainingError, match="holds rows of the generator walk-old"):
        prepare(make_config(GENERATORS, ARMS, *SMALL), lake, maker="walk-old")


X = "arms={none: {kind: none}, x: {kind: synthetic, ratio: 1, generator: %s}}"


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("lift." + X % "walk", "makes sequences; this arm takes examples"),
        ("lift.next_item." + X % "nobody", "not under generators"),
        ("lift.next_item." + X % "walk, only: rare_outcome", "only of rare_outcome"),
        ("lift.next_item.max_users=50", "the control would lack rows"),
    ],
)
def test_arms_that_do_not_fit(make_config: Callable[..., Config], override: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        make_config(GENERATORS, ARMS, *SMALL, override)
