"""The road of generated sequences through a lake: trained, written, judged, published or withheld."""

from collections.abc import Callable
from itertools import pairwise

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

import evaluate_synthetic
import synthesize_samples
import train_generator
from clicksmith.config import Config
from clicksmith.evaluation.rows import read_metrics
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lakehouse.steps import JUDGED
from clicksmith.reading.snapshot import load_table
from clicksmith.seeds import Holdout
from clicksmith.tables import EVALUATION_METRICS, SYNTHETIC_SEQUENCE_CANDIDATES, SYNTHETIC_SEQUENCES
from training.toy_shop import toy_sequences, write_sequences

pytestmark = pytest.mark.spark

GENERATORS = "generators={chain: {preset: markov, order: 1}, counts: {preset: most_popular}}"


def rows_of(lake: Lake, table: object, generator: str) -> pa.Table:
    snapshot = lake.get(table)  # type: ignore[arg-type]
    return load_table(snapshot, snapshot.table.column_names, {"generator": generator})


def test_sequences_go_through_a_lake_as_rows_do(
    make_config: Callable[..., Config], spark: SparkSession
) -> None:
    config = make_config(
        GENERATORS,
        "ray.num_workers=0",
        "synthesis.ratio=2",
        "gate.sequences.max_domias_tpr=0.1",  # 300 held-out users cannot show less
    )
    lake, real = Lake.of(config), toy_sequences(3000)
    write_sequences(lake, real)
    for job in (train_generator, synthesize_samples, evaluate_synthetic):
        job.run(config)

    made = rows_of(lake, SYNTHETIC_SEQUENCE_CANDIDATES, "chain")
    shown = real.filter(pa.array(~Holdout(("user_id",)).mask(real)))
    assert made.num_rows == 2 * shown.num_rows
    assert made["user_id"].equals(made["sample_id"])
    assert set(made["split"].to_pylist()) == {"train"}
    newest = max(max(times) for times in shown["event_ts"].to_pylist())
    known = {item for items in shown["item_ids"].to_pylist() for item in items}
    follows = []
    for row in made.slice(0, 2000).to_pylist():
        items, times = row["item_ids"], row["event_ts"]
        assert len(items) == len(times) == len(row["event_types"]) in range(3, 10)
        assert times == sorted(times) and times[-1] <= newest, "nothing lies beyond what was learnt from"
        assert set(items) <= known
        numbers = [int(item[1:]) for item in items]
        follows += [b == (a + 1) % 30 for a, b in pairwise(numbers)]
    # Witten-Bell leaves a part to items that were never seen next: of some 450 pairs of an item, 29 are new.
    assert sum(follows) / len(follows) == pytest.approx((0.8 + 0.2 / 30) * 450 / 479, abs=0.03)

    figures = {
        (m.arm, m.metric): m
        for m in read_metrics(lake.get(EVALUATION_METRICS, JUDGED), "evaluate_synthetic")
        if m.slice == "all"
    }
    chain, counts = (figures[name, "utility.next_ndcg"] for name in ("chain", "counts"))
    assert chain.ceiling == pytest.approx(chain.value, abs=0.1)
    assert counts.value < chain.value - 0.2, "events drawn by themselves do not follow one another"
    assert figures["chain", "gate.passed"].value == 1.0
    assert figures["counts", "gate.passed"].value == 0.0
    assert rows_of(lake, SYNTHETIC_SEQUENCES, "chain").sort_by("sample_id").equals(made.sort_by("sample_id"))
    assert rows_of(lake, SYNTHETIC_SEQUENCES, "counts").num_rows == 0, "withheld"
