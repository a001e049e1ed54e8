"""Sequences that are asked for, through a lake: counted, written, judged, taken by arms of the next item."""

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import evaluate_synthetic
import synthesize_samples
import train_generator
from clicksmith.config import Config
from clicksmith.errors import ConfigError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.commit import read
from clicksmith.lift.kinds.generated import takes_rare
from clicksmith.lift.kinds.next_item import next_item_task
from clicksmith.reading.snapshot import load_table
from clicksmith.seeds import SILVER, Holdout, derive_seed, even_uniform
from clicksmith.synthesis.taken import count_taken
from clicksmith.tables import SEQUENCES, SYNTHETIC_SEQUENCE_CANDIDATES, SYNTHETIC_SEQUENCES, VOCABULARY
from training.toy_lake import write_rows
from training.toy_lift import vocabulary_of
from training.toy_shop import START, toy_sequences, write_sequences

pytestmark = pytest.mark.spark

SHARES = (0.35, 0.3)
ASKED = (
    f"synthesis.sequence_mix=[{{share: {SHARES[0]}, where: {{rare_items: 0.25}}}}, "
    f"{{share: {SHARES[1]}, where: {{num_events: {{max: 3}}}}}}]"
)
OPEN = (
    "gate.sequences={min_shapes: 0, min_pairs: 0, min_lengths: 0, min_neighbours: 0, max_c2st_auc: 1, "
    "min_entropy_ratio: 0, min_distinct_sequences: 0, max_next_item_loss: 1, max_copied_excess: 1, "
    "min_holdout_users: 4, max_dcr_share: 1, min_nndr_ratio: 0, max_membership_auc: 1, max_domias_auc: 1, "
    "max_domias_tpr: 1}"
)
SMALL = ("ray.num_workers=0", "synthesis.ratio=1", "spark.rows_per_synthesis_task=300")
GENERATORS = "generators={chain: {preset: markov, order: 1, max_rows: 1000}}"


def two_shops(num_users: int = 1000, seed: int = 0) -> pa.Table:
    """Users who walk one of two cycles: nine of ten that of 10 popular items, the others that of 40 rare.

    They have 2 to 9 events before the cut, two until the test split and one in it.
    """
    random = np.random.default_rng(seed)
    rows = []
    for user in range(num_users):
        shop, size = ("p", 10) if random.random() < 0.9 else ("r", 40)
        start, length = int(random.integers(size)), int(random.integers(2, 10))
        ends = {"train": (0, length), "validation": (length, length + 2), "test": (length + 2, length + 3)}
        for split, steps in ends.items():
            places = range(*steps)
            rows.append(
                {
                    "user_id": f"u{user:04d}",
                    "item_ids": [f"{shop}{(start + step) % size:02d}" for step in places],
                    "event_types": ["purchase"] * len(places),
                    "event_ts": [START + datetime.timedelta(days=step) for step in places],
                    "split": split,
                }
            )
    return pa.Table.from_pylist(rows, schema=SEQUENCES.arrow_schema)


def in_train(rows: pa.Table) -> pa.Table:
    return rows.filter(pa.array([split == "train" for split in rows["split"].to_pylist()]))


def write(config: Config) -> list[dict[str, Any]]:
    """Two shops in a lake, and what is generated of them, by row id."""
    write_sequences(Lake.of(config), two_shops())
    for job in (train_generator, synthesize_samples):
        job.run(config)
    snapshot = Lake.of(config).get(SYNTHETIC_SEQUENCE_CANDIDATES)
    return load_table(snapshot, snapshot.table.column_names).sort_by("row_id").to_pylist()


def test_what_is_counted_is_of_training_sequences_alone(
    make_config: Callable[..., Config], spark: SparkSession
) -> None:
    lake, holdout = Lake.of(make_config()), Holdout(("user_id",))
    users = pa.array([f"u{number}" for number in range(40)])
    held = next(
        u for u, out in zip(users.to_pylist(), holdout.mask(pa.table({"user_id": users})), strict=True) if out
    )
    a, b, c = [u for u in users.to_pylist() if not holdout.mask(pa.table({"user_id": [u]}))[0]][:3]
    lists = [
        (a, "xyx", "train"),
        (b, "yx", "train"),
        (c, "zyz", "train"),
        (held, "zzzzz", "train"),
        (a, "qqqq", "test"),
    ]
    rows = [
        {
            "user_id": user,
            "item_ids": list(items),
            "event_types": ["click"] * len(items),
            "event_ts": [START] * len(items),
            "split": split,
        }
        for user, items, split in lists
    ]
    snapshot = write_sequences(lake, pa.Table.from_pylist(rows, schema=SEQUENCES.arrow_schema))
    taken = count_taken(read(spark, snapshot), 100, holdout, with_items=True)
    assert taken.lengths.tolist() == [2, 3] and taken.length_counts.tolist() == [1, 2]
    assert taken.items.to_pylist() == ["z", "x", "y"] and taken.item_counts.tolist() == [2, 3, 3]
    without = count_taken(read(spark, snapshot), 100, holdout, with_items=False)
    assert without.lengths.tolist() == [2, 3] and not len(without.items)


def test_sequences_that_are_asked_for_are_written_judged_and_taken_by_arms(
    make_config: Callable[..., Config], spark: SparkSession, tmp_path: Path
) -> None:
    arms = (
        "lift.next_item.arms={none: {kind: none}, "
        "cold: {kind: synthetic, generator: chain, ratio: 0.25, only: rare_items}, "
        "short: {kind: synthetic, generator: chain, ratio: 0.3, only: short_histories}}"
    )
    limits = (
        "lift.num_fits=1",
        "lift.min_users=20",
        "lift.next_item.max_users=1000",
        "lift.next_item.max_asked=100",
    )
    config = make_config(GENERATORS, ASKED, OPEN, *SMALL, arms, *limits)
    made = write(config)

    real = in_train(two_shops())
    shown = real.filter(pa.array(~Holdout(("user_id",)).mask(real)))
    assert len(made) == shown.num_rows
    flat = [item for items in shown["item_ids"].to_pylist() for item in items]
    names, counts = np.unique(flat, return_counts=True)
    rare = set(names[np.lexsort((names, counts))][: round(0.25 * len(names))])
    seed = derive_seed(derive_seed(config.seed, "synthesize", "chain"), "mix")
    place = even_uniform(seed, np.arange(len(made)), SILVER)
    first = [row for row, at in zip(made, place, strict=True) if at < SHARES[0]]
    second = [row for row, at in zip(made, place, strict=True) if SHARES[0] <= at < sum(SHARES)]
    rest = [row for row, at in zip(made, place, strict=True) if at >= sum(SHARES)]
    assert len(first) == pytest.approx(SHARES[0] * len(made), abs=4)
    assert len(second) == pytest.approx(SHARES[1] * len(made), abs=4)
    assert all(rare & set(row["item_ids"]) for row in first)
    assert {len(row["item_ids"]) for row in second} == {2, 3}
    assert {len(row["item_ids"]) for row in rest} == set(range(2, 10)), "as they are in the data"
    asked = [sum(item in row["item_ids"] for row in first) for item in rare]
    assert min(asked) > 0.5 * len(first) / len(rare), "each as often"

    # One task in place of several, in another lake: the same rows.
    fewer = config.spark.model_copy(update={"rows_per_synthesis_task": 1_000_000})
    elsewhere = config.lake.model_copy(update={"root": str(tmp_path / "other")})
    assert write(config.model_copy(update={"spark": fewer, "lake": elsewhere})) == made

    evaluate_synthetic.run(config)
    lake = Lake.of(config)
    items = [item for items in real["item_ids"].to_pylist() for item in items]
    inputs = {
        "sequences": lake.get(SEQUENCES),
        "vocabulary": write_rows(lake, VOCABULARY, vocabulary_of(items), "f" * 32),
    }
    task = next_item_task(config, inputs, {"chain": {"chain": lake.get(SYNTHETIC_SEQUENCES)}})
    assert {name: task.arms[name].ratio for name in ("cold", "short")} == {"cold": 0.25, "short": 0.3}
    natural = pa.Table.from_pylist(
        [{name: row[name] for name in real.column_names} for row in rest], real.schema
    )
    share = takes_rare(natural, real, task.rows.vocabulary).mean()
    assert share * len(made) / real.num_rows < 0.25, "without a mix there would be too few"


def test_an_item_that_nobody_took_is_told_before_anything_is_written(
    make_config: Callable[..., Config], spark: SparkSession
) -> None:
    config = make_config(
        GENERATORS, *SMALL, "synthesis.sequence_mix=[{share: 0.5, where: {item_ids: [i3, kiwi]}}]"
    )
    write_sequences(Lake.of(config), toy_sequences(300))
    train_generator.run(config)
    with pytest.raises(ConfigError, match=r"sequence_mix\[0\].where.item_ids asks for 'kiwi'"):
        synthesize_samples.run(config)
    assert Lake.of(config).find(SYNTHETIC_SEQUENCE_CANDIDATES) is None
