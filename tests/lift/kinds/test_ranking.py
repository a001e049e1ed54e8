"""Ranking as a task of a measurement: it trains the configured ranker, on rows that belong together."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from clicksmith.config import Config
from clicksmith.errors import TrainingError
from clicksmith.lakehouse.catalog import Lake
from clicksmith.lift.kinds.ranking import RankingTask, ranking_task, units_of
from clicksmith.lift.task import Training, few_units
from clicksmith.reading.examples import POPULARITY, read_splits
from clicksmith.reading.inputs import RankerCodec
from clicksmith.tables import SYNTHETIC_EXAMPLES, VOCABULARY
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, synthetic_from, vocabulary_of

SMALL = (
    "ray.num_workers=0", "ranker.num_steps=80", "ranker.batch_size=256", "ranker.embedding_dim=4",
    "ranker.learning_rate=0.01", "ranker.num_validations=4", "lift.num_fits=1", "lift.max_rows=1500",
    "generators={gan: {preset: ctgan, max_rows: 1000}}",
    "lift.arms={none: {kind: none}, gan: {kind: synthetic, generator: gan, ratio: 0.5}, "
    "tail: {kind: oversample_tail, ratio: 0.5}}",
)  # fmt: skip


def replaced(rows: pa.Table, name: str, values: object) -> pa.Table:
    field = rows.schema.field(name)
    return rows.set_column(rows.column_names.index(name), field, pa.array(values).cast(field.type))


def task_of(config: Config, lake: Lake, rows: pa.Table, run: str = "f" * 32) -> RankingTask:
    vocabulary = vocabulary_of(rows["item_id"].to_pylist())
    known = write_rows(lake, VOCABULARY, vocabulary, run, mode="overwrite")
    return ranking_task(config, write_examples(lake, rows, run), known, {})


def control(task: RankingTask) -> tuple[np.ndarray, float]:
    """Probabilities of the test rows by the control, and their area under the curve."""
    said = task.train(Training("none", 0, 0))["test"]
    return said[0], task.figure("auc", "test", said, "all").value


def test_the_measured_ranker_has_the_configured_weights(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Three in ten rows are positive, whatever they are; with 9 for each other one, 3 in 66."""
    rows = examples_with(4000, 200, "noise")
    rows = replaced(rows, "sample_weight", np.where(rows["label_purchase"].to_pylist(), 1.0, 9.0))
    simple = (*SMALL, "ranker.model=logistic")
    plain, _ = control(task_of(make_config(*simple), lake, rows))
    weighted, _ = control(task_of(make_config(*simple, "ranker.weighted=true"), lake, rows))
    assert plain.mean() == pytest.approx(0.3, abs=0.03)
    assert weighted.mean() == pytest.approx(3 / 66, abs=0.02)


def test_the_measured_ranker_has_the_configured_auxiliary_labels(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """One in fifty who click buys: of who clicks, clicks tell far more than the few purchases do."""
    rows, last = examples_with(4000, 200, "interaction"), "ranker.num_validations=1"
    clicked = np.array(rows["label_purchase"].to_pylist())
    bought = clicked & (np.random.default_rng(0).random(len(clicked)) < 0.02)
    rows = replaced(replaced(rows, "label_click", clicked), "label_purchase", bought)
    clicks = task_of(make_config(*SMALL, "ranker.label=label_click"), lake, rows)

    def area(*settings: str) -> float:
        """Of the purchases' ranker by what is clicked, of which there is enough to tell."""
        said, _ = control(task_of(make_config(*SMALL, last, *settings), lake, rows))
        return clicks.figure("auc", "test", said[None], "all").value

    assert area("ranker.auxiliary_labels=[label_click]") > 0.7 > 0.6 > area()


def test_the_measured_ranker_keeps_the_weights_of_the_best_validation(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Validation rows whose labels are turned round call the first weights the best."""
    rows = examples_with(4000, 200, "interaction")
    _, last = control(task_of(make_config(*SMALL), lake, rows))
    turned = pc.xor(rows["label_purchase"], pc.equal(rows["split"], "validation")).combine_chunks()
    _, first = control(task_of(make_config(*SMALL), lake, replaced(rows, "label_purchase", turned)))
    assert last > first + 0.1


def test_an_item_that_became_popular_is_not_rare(make_config: Callable[..., Config], lake: Lake) -> None:
    """Its early rows know of no purchase of it yet; before the cut it was taken more than any other."""
    rows = examples_with(4000, 200, "noise")
    early = np.arange(rows.num_rows) % 2 == 0
    items = np.where(early, "new", rows["item_id"].to_pylist())
    counts = np.where(early, 0, 1 + np.array(rows["item_num_purchases"].to_pylist()))
    rows = replaced(replaced(rows, "item_id", items), "item_num_purchases", counts)
    task = task_of(make_config(*SMALL), lake, rows)
    real = task.stock.real
    is_new = real.facts["item_num_purchases"] == 0
    assert 0.4 < is_new.mean() < 0.6, "by what they knew at the time these are the rarest half"
    rare = task.stock.rare["rare_items"]
    assert rare.any() and not (rare & is_new).any()
    assert (real.facts[POPULARITY][is_new] == early.sum()).all(), "counted at the cut, in every row"


def test_popularity_is_of_all_items_not_of_those_with_a_code(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Three items have a code of their own; the others share one, and keep how often they were taken."""
    rows = examples_with(2000, 100, "noise")
    ids = rows["item_id"].to_pylist()
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(ids[:1500]), "f" * 32)
    splits = read_splits(make_config(*SMALL).ranker, write_examples(lake, rows), vocabulary)
    coder = splits.coder
    few = replace(coder, codec=RankerCodec(coder.codec.table, coder.vocabulary.items(3)))
    taken = few(rows)
    counts = Counter(ids[:1500])
    assert taken.facts[POPULARITY].tolist() == [counts[name] for name in ids]
    assert (taken.codes[:, -1] == 0).mean() > 0.9 > 0.1 > (taken.facts[POPULARITY] == 0).mean()


def test_new_items_that_all_were_taken_are_put_aside(make_config: Callable[..., Config], lake: Lake) -> None:
    """As of a log without impressions, whose negatives are items that were there before the cut."""
    rows = examples_with(4000, 200, "noise")
    is_new = np.arange(rows.num_rows) % 10 == 0
    labels = is_new | np.array(rows["label_purchase"].to_pylist())
    rows = replaced(replaced(rows, "is_cold_item", is_new), "label_purchase", labels)
    task = task_of(make_config(*SMALL, "lift.min_users=20", "lift.min_positives=2"), lake, rows)
    units = task.units["test"]
    assert units.small["cold_item=yes"] == "all rows have the same outcome, so that nothing can be ranked"
    assert "cold_item=yes" not in units.segments and few_units(units, 20, 2) == {}
    rows = task.splits.test
    mixed = replace(rows, labels=np.arange(len(rows)) % 2 == 0)
    assert "cold_item=yes" in units_of(mixed, 20).segments


def test_rows_of_a_generator_with_another_vocabulary_are_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """The same examples: an item has another number now, or the generator learnt with the one before."""
    config, rows = make_config(*SMALL), examples_with(2000, 100, "noise")
    task_of(config, lake, rows)
    examples = write_examples(lake, rows)
    drawn = synthetic_from(examples_with(500, 100, "noise", seed=3), "gan", config, examples)
    generated = write_rows(lake, SYNTHETIC_EXAMPLES, drawn, "s" * 32, "generator=gan")
    other = vocabulary_of([*rows["item_id"].to_pylist(), *["another"] * 99])
    vocabulary = write_rows(lake, VOCABULARY, other, "e" * 32, mode="overwrite")
    with pytest.raises(TrainingError, match=r"vocabulary version 1 and gold.* were not made by the same run"):
        ranking_task(config, examples, vocabulary, {"gan": {"gan": generated}})
    anew = write_examples(lake, rows, "e" * 32)
    with pytest.raises(TrainingError, match=r"holds rows of the generator gan-.* as configured is gan-"):
        ranking_task(config, anew, vocabulary, {"gan": {"gan": generated}})
