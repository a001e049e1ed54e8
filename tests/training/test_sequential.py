"""The next-item model's run on users who walk a cycle; full-ranking figures by hand."""

import datetime
import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import torch

from builders import rows_of
from clicksmith.config import Config
from clicksmith.errors import ConfigError, TrainingError
from clicksmith.generators.recipe import Shard
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.reading import next_items
from clicksmith.reading.inputs import Items, load_attributes
from clicksmith.reading.next_items import NextItems, recent_counts
from clicksmith.reading.windows import Windows
from clicksmith.recommenders.artefact import TrainedSequence
from clicksmith.recommenders.next_item.baselines import Popularity
from clicksmith.recommenders.next_item.recommend import top
from clicksmith.recommenders.next_item.sequence import SequenceNetwork
from clicksmith.tables import ITEM_PROFILES, SEQUENCES, USER_PROFILES, VOCABULARY
from clicksmith.training import runs
from clicksmith.training.runs import Run, train_all
from clicksmith.training.sequential import BuildSequential, make_task, sequential_run
from training.toy_lake import write_rows
from training.toy_lift import START, cycle_sequences, vocabulary_of

COUNTS = [column.name for column in USER_PROFILES.columns if column.name.startswith("num_")]
SMALL = (
    "ray.num_workers=0",
    "sequential.num_steps=150",
    "sequential.batch_size=32",
    "sequential.embedding_dim=16",
    "sequential.max_length=8",
    "sequential.num_negatives=16",
    "sequential.learning_rate=0.01",
    "sequential.horizon=1",
)


def profiles_of(
    says: Mapping[str, Sequence[str | None]], columns: Sequence[str] = ("gender", "age_band")
) -> pa.Table:
    """gold.user_profiles of users by what is known of each one."""
    rest = {**dict.fromkeys(COUNTS, 0), "total_spend": 0.0, "as_of_ts": START}
    rows = [
        {**rest, "user_id": user, **dict(zip(columns, values, strict=True))} for user, values in says.items()
    ]
    return rows_of(USER_PROFILES, rows)


def sequential_run_of_cycles(config: Config, lake: Lake, num_items: int = 40) -> Run:
    rows = cycle_sequences(num_users=60, num_items=num_items, length=12)
    train = rows.filter([split == "train" for split in rows["split"].to_pylist()])
    ids = [item for items in train["item_ids"].to_pylist() for item in items]
    sequences = write_rows(lake, SEQUENCES, rows, "f" * 32)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(ids), "f" * 32)
    return sequential_run(config, {"sequences": sequences, "vocabulary": vocabulary})


@pytest.mark.parametrize("model", ["sasrec", "bert4rec"])
def test_events_have_types_and_gaps_and_targets_none(
    make_config: Callable[..., Config], lake: Lake, model: str
) -> None:
    """One purchase a day: the first of a user has no gap, all later ones one of a day."""
    features = ("sequential.event_features=[type, gap]", f"sequential.model={model}")
    augmented = "sequential.augmentations=[none, insert]"
    run = sequential_run_of_cycles(make_config(*SMALL, *features, augmented), lake)
    task = run.build()
    size = len(task.popularity)
    events, targets, _ = task.batch(0, 0, 1)
    assert int(targets.max()) < size
    is_masked = events == size
    known = events[(events > 0) & ~is_masked]
    contexts = set((known // size).tolist())
    # Of an inserted item nothing is known: 0. A purchase is type 3 of 4; gaps of nine: 0 for none, 6 a day.
    assert contexts <= {0, 1 + 3 * 9, 1 + 3 * 9 + 6} and 1 + 3 * 9 + 6 in contexts
    for rows in task.evaluation.values():
        assert all((prefix >= size).all() for prefix in rows.prefixes)
        assert all((target < size).all() for target in rows.targets)
    assert task.test()["num_test_users"] == 60
    assert int(is_masked.sum() > 0) == (model == "bert4rec")


def test_users_are_known_by_what_their_profiles_say(make_config: Callable[..., Config], lake: Lake) -> None:
    """A value that no training user has is unknown, as is a user without a profile."""
    config = make_config(*SMALL, "sequential.user_features=[gender, household]")
    inputs = dict(sequential_run_of_cycles(config, lake).build.inputs)  # type: ignore[attr-defined]
    says = {"u0000": ("m", None), "u0001": ("f", "2"), "stranger": ("x", "9")}
    profiles = profiles_of(says, ("gender", "household"))
    inputs["user_profiles"] = write_rows(lake, USER_PROFILES, profiles, "f" * 32)
    task = sequential_run(config, inputs).build()
    assert task.codec["user_values"] == {"gender": ["f", "m"], "household": ["2"]}
    size = len(task.popularity)
    contexts = {
        user: set((prefix // size).tolist())
        for user, prefix in zip(task.evaluation["test"].users, task.evaluation["test"].prefixes, strict=True)
    }
    # (gender, household): (2, 0), (1, 1), and (0, 0) of all others
    assert contexts.pop("u0000") == {1 + 2 * 2 + 0}
    assert contexts.pop("u0001") == {1 + 1 * 2 + 1}
    assert set.union(*contexts.values()) == {1}
    assert task.test()["num_test_users"] == 60


def test_trained_models_know_users_as_they_were_trained(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Men walk the cycle and women walk it back, which two towers, blind to order, see by gender alone."""
    features = "sequential.user_features=[gender, age_band]"  # not the order of the alphabet
    config = make_config(*SMALL, "sequential.model=two_tower", "sequential.max_length=2", features)
    rows = cycle_sequences(num_users=60, num_items=12, length=12)
    forth = pa.array([int(user[1:]) % 2 == 0 for user in rows["user_id"].to_pylist()])
    back = [[f"i{-int(item[1:]) % 12:03d}" for item in items] for items in rows["item_ids"].to_pylist()]
    items = pc.if_else(forth, rows["item_ids"], pa.array(back))
    rows = rows.set_column(rows.column_names.index("item_ids"), "item_ids", items)
    train = rows.filter(pc.equal(rows["split"], "train"))
    says = {f"u{number:04d}": ("fm"[number % 2 == 0], "abc"[number % 3]) for number in range(60)}
    vocabulary = vocabulary_of(pc.list_flatten(train["item_ids"]).to_pylist())
    tables = {SEQUENCES: rows, VOCABULARY: vocabulary, USER_PROFILES: profiles_of(says)}
    inputs = {table.name.split(".")[1]: write_rows(lake, table, tables[table], "f" * 32) for table in tables}
    folder = train_all([sequential_run(config, inputs)], config.ray, models_root(config))[0]
    model = TrainedSequence.load(folder)
    assert list(model.context.user_values) == ["gender", "age_band"]
    assert model.context.sizes == model.network.context_sizes == (3, 4)
    users = {"gender": pa.array(["m", "f", "f"]), "age_band": pa.array(["a", "c", None])}
    lists, is_cold = model.recommend([["i004", "i005"], ["i006", "i005"], ["new"]], 1, users=users)
    assert lists[:2].tolist() == [["i006"], ["i004"]]
    assert is_cold.tolist() == [False, False, True] and lists[2] == model.ids[0]
    # Two towers that cannot tell men from women are right half the time, else second best: 0.82.
    assert json.loads((Path(folder) / "card.json").read_text())["metrics"]["test_ndcg@10"] > 0.95


def test_a_feature_that_no_training_user_shows_is_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(*SMALL, "sequential.user_features=[gender, age_band]")
    inputs = dict(sequential_run_of_cycles(config, lake).build.inputs)  # type: ignore[attr-defined]
    profiles = profiles_of({"u0000": ("m", None), "stranger": ("f", "19-24")})
    inputs["user_profiles"] = write_rows(lake, USER_PROFILES, profiles, "f" * 32)
    with pytest.raises(TrainingError, match="knows no age_band of any training user"):
        sequential_run(config, inputs).build()


@pytest.mark.parametrize("precision", ["gpu", "always"])
def test_learns_the_cycle_beyond_every_popularity(
    make_config: Callable[..., Config], lake: Lake, precision: str
) -> None:
    config = make_config(*SMALL, f"ray.mixed_precision={precision}")
    folder = Path(train_all([sequential_run_of_cycles(config, lake)], config.ray, models_root(config))[0])
    card = json.loads((folder / "card.json").read_text())
    metrics = card["metrics"]
    assert metrics["num_test_users"] == 60
    counted = {name: value for name, value in metrics.items() if name.startswith("num_test_users.")}
    assert sum(counted.values()) == 60
    assert all(f"test_ndcg@10.{name.split('.')[1]}" in metrics for name in counted)
    assert metrics["test_ndcg@10"] > 0.9
    for baseline in ("popularity", "recent_popularity", "personal_popularity"):
        assert metrics[f"{baseline}_ndcg@10"] < 0.5
    for baseline in ("item_knn", "ease"):  # which items go together, in any order
        assert 0 <= metrics[f"{baseline}_ndcg@10"] < metrics["test_ndcg@10"]
    assert card["history"][-1]["validation_ndcg@10"] > 0.9
    assert json.loads((folder / "codec.json").read_text())["sequential"]["max_length"] == 8


def test_batches_are_windows_of_the_sequences_and_shards_make_up_the_whole(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    task = sequential_run_of_cycles(make_config(*SMALL), lake).build()
    items, targets, negatives = task.batch(3, 0, 1)
    assert items.shape == targets.shape == (32, 8)
    ids = {index + 1: int(name[1:]) for index, name in enumerate(task.codec["items"]["ids"])}
    for window, following in zip(items.tolist(), targets.tolist(), strict=True):
        numbers = [ids[item] for item in window]
        assert all((a + 1) % 40 == b for a, b in itertools.pairwise(numbers))
        assert [ids[item] for item in following if item] == [
            (n + 1) % 40 for n in numbers[: sum(map(bool, following))]
        ]
    assert int((targets == 0).sum()) == int((targets[:, -1] == 0).sum())  # only a user's last event has none
    assert negatives.shape == (16,)
    assert int(negatives.min()) >= 1
    halves = [task.batch(3, rank, 2) for rank in (0, 1)]
    assert halves[0][0].tolist() == items[0::2].tolist()
    assert halves[1][1].tolist() == targets[1::2].tolist()
    assert halves[0][2].tolist() == halves[1][2].tolist() == negatives.tolist()


def test_negatives_of_the_batch_are_its_targets_and_are_corrected_for(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """100 negatives drawn evenly and 300 of the batch: an item's rate is a mean of both, 1 to 3."""
    settings = ("num_negatives=100", "in_batch_negatives=300", "negatives_exponent=0.0")
    config = make_config(*SMALL, *(f"sequential.{setting}" for setting in settings))
    task = sequential_run_of_cycles(config, lake).build()
    _, targets, negatives = task.batch(3, 0, 1)
    assert negatives.shape == (400,)
    assert set(negatives[100:].tolist()) <= set(targets[targets > 0].tolist())
    share = task.popularity / task.popularity.sum()
    expected = 0.25 / 40 + 0.75 * share[1:]
    np.testing.assert_allclose(np.exp(task.objective.log_rate.numpy()[1:]), expected, rtol=1e-5)
    halves = [task.batch(3, rank, 2) for rank in (0, 1)]
    assert halves[0][2].tolist() == halves[1][2].tolist() == negatives.tolist()


def test_targets_come_strictly_later_whatever_the_order_within_a_basket() -> None:
    items = Items(("a", "b", "c", "d", "e"), np.ones(5, np.int64))
    rows = pa.table(
        {
            "item_ids": [["a", "b", "c", "x", "d", "e"], ["a"], ["b", "c"]],
            "event_ts": [
                [START + datetime.timedelta(days=m) for m in (0, 0, 1, 1, 1, 2)],
                [START],
                [START, START],
            ],
        }
    )
    windows = Windows.of(rows, items)
    assert len(windows) == 1  # the second user has one event, the third one moment
    assert windows.flat.tolist() == [1, 2, 3, 4, 5]
    assert windows.later.tolist() == [2, 2, 4, 4, 5]
    seen: set[tuple[int, int]] = set()
    for seed in range(60):
        drawn, targets = windows.draw(np.array([0]), 5, 2, np.random.default_rng(seed))
        assert drawn.tolist() == [[1, 2, 3, 4, 5]]
        seen |= set(zip(drawn[0].tolist(), targets[0].tolist(), strict=True))
    assert seen == {(1, 3), (1, 4), (2, 3), (2, 4), (3, 5), (4, 5), (5, 0)}


def test_the_prefix_holds_train_and_validation_events(make_config: Callable[..., Config], lake: Lake) -> None:
    build = sequential_run_of_cycles(make_config(*SMALL), lake).build
    assert isinstance(build, BuildSequential)
    task = build()
    validation, test = task.evaluation["validation"], task.evaluation["test"]
    assert {len(prefix) for prefix in validation.prefixes} == {12}
    assert {len(prefix) for prefix in test.prefixes} == {14}
    assert len(task.windows.flat) == 60 * 12  # training sees train events only


def test_figures_by_hand() -> None:
    one = np.array([1], np.int32)
    rows = NextItems.of(
        {"a": one, "b": one}, {"a": np.array([3, 0, 0], np.int32), "b": np.array([2], np.int32), "cold": one}
    )
    assert len(rows) == 2
    assert rows.num_relevant.tolist() == [2, 1]  # item 3 and whatever is unknown; item 2
    scores = np.array([9.0, 1.0, 5.0, 3.0])  # index 0 is never recommended: 2, 3, 1
    found = rows.recommend(Popularity(scores), k=2)
    assert found.recall.mean() == pytest.approx((1 / 2 + 1) / 2)
    assert found.ndcg.mean() == pytest.approx(((1 / math.log2(3)) / (1 + 1 / math.log2(3)) + 1) / 2)


def test_top_breaks_ties_to_the_lower_index() -> None:
    scores = np.array([[7.0, 1.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0, 1.0]])
    assert top(scores, 2).tolist() == [[2, 3], [4, 1]]
    assert top(scores, 9).tolist() == [[2, 3, 4, 1], [4, 1, 2, 3]]


def test_recent_popularity_counts_the_last_days_only() -> None:
    times = [START + datetime.timedelta(days=day) for day in (0, 50, 59, 60)]
    train = pa.table({"item_ids": [["a", "b"], ["a", "x"]], "event_ts": [times[:2], times[2:]]})
    items = Items(("a", "b"), np.array([2, 1]))
    assert recent_counts(train, items, 30).tolist() == [0.0, 1.0, 1.0]


def test_ease_is_a_baseline_up_to_a_size_and_says_so_beyond(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    items, histories = Items(("a", "b"), np.array([2, 1])), [np.array([1, 2]), np.array([1])] * 2
    monkeypatch.setattr(next_items, "MAX_EASE", 3)
    assert "ease" in next_items.baselines(pa.table({}), items, histories)
    monkeypatch.setattr(next_items, "MAX_EASE", 2)
    assert "ease" not in next_items.baselines(pa.table({}), items, histories)
    assert "of 3 items and 4 users, one has to be at most 2" in caplog.text


def test_gbce_needs_negatives_drawn_evenly(make_config: Callable[..., Config], lake: Lake) -> None:
    """Its share of negatives is the chance of each item to be one: the same for all."""
    evenly = ("sequential.loss=gbce", "sequential.negatives_exponent=0.0")
    for settings in (("sequential.loss=gbce",), (*evenly, "sequential.in_batch_negatives=4")):
        with pytest.raises(ConfigError, match="gbce is calibrated for negatives drawn evenly"):
            make_config(*settings)
    task = sequential_run_of_cycles(make_config(*SMALL, *evenly), lake).build()
    assert task.rates.tolist() == [0.0] + [1 / 40] * 40


@pytest.mark.parametrize(
    ("exponent", "rates"), [(0.0, [0, 1 / 3, 1 / 3, 1 / 3]), (1.0, [0, 3 / 4, 1 / 4, 0])]
)
def test_an_item_shown_but_never_taken_can_be_learnt(
    make_config: Callable[..., Config], exponent: float, rates: list[float]
) -> None:
    """Outcomes of 3, 1 and 0: the last starts as if it had half a one, and is drawn where all are alike."""
    config = make_config(*SMALL, f"sequential.negatives_exponent={exponent}").sequential
    windows = Windows(np.array([1, 2]), np.array([0, 2]), np.array([1, 2]), np.array([2, 2]))
    task = make_task(config, windows, np.array([0.0, 3.0, 1.0, 0.0]), {}, {}, None, seed=1)
    np.testing.assert_allclose(task.network.bias.exp().tolist(), [0, 3 / 4, 1 / 4, 1 / 8], atol=1e-6)
    np.testing.assert_allclose(task.rates, rates)


def test_cold_users_get_what_was_taken_most_not_what_was_shown_most() -> None:
    network = SequenceNetwork("sasrec", torch.zeros(5), 4, 8, 1, 1, 0.0, seed=1).eval()
    model = TrainedSequence(network, np.array(["a", "b", "c", "d"], object), np.array([1, 4, 0, 4]), False)
    lists, is_cold = model.recommend([[], ["new"]], 3)
    assert is_cold.all() and lists.tolist() == [["b", "d", "a"]] * 2
    assert model.recommend([[]], 5)[0].tolist() == [["b", "d", "a", "c", None]]


def test_a_batch_of_fewer_rows_than_workers_is_refused(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    build = sequential_run_of_cycles(make_config(*SMALL, "sequential.batch_size=2"), lake).build
    with pytest.raises(TrainingError, match="A batch of 2 rows cannot be shared by 3 workers"):
        runs._work(SimpleNamespace(shard=Shard(2, 3), say=print), (build, "gpu"))  # type: ignore[arg-type]


def test_sequences_without_known_items_are_an_error_that_says_so(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    sequences = write_rows(lake, SEQUENCES, cycle_sequences(5, 4, 3), "f" * 32)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(["another"]), "f" * 32)
    with pytest.raises(TrainingError, match="No training sequence"):
        sequential_run(make_config(*SMALL), {"sequences": sequences, "vocabulary": vocabulary}).build()


def test_attributes_of_items_as_codes(lake: Lake) -> None:
    rows = [
        {"item_id": "b", "category": "food", "brand": None},
        {"item_id": "other", "category": "unseen", "brand": "z"},
        {"item_id": "a", "category": "drink", "brand": "x"},
    ]
    table = rows_of(ITEM_PROFILES, rows)
    profiles = write_rows(lake, ITEM_PROFILES, table, "p" * 32)
    items = Items(("a", "b", "c"), np.array([3, 2, 1]))
    found = load_attributes(items, profiles, ("category", "brand"))
    assert found.cardinalities == (3, 2)
    assert found.codes.tolist() == [[0, 0], [1, 1], [2, 0], [0, 0]]


def test_price_bands_are_fifths_of_the_known_items(lake: Lake) -> None:
    names = tuple("abcdefghijk")
    items = Items((*names, "no_price", "no_row"), np.ones(13, np.int64))
    rows = [
        {"item_id": name, "as_of_ts": START, "mean_price": float(place)} for place, name in enumerate(names)
    ]
    rows += [
        {"item_id": "no_price", "as_of_ts": START},
        {"item_id": "x", "as_of_ts": START, "mean_price": 99.0},
    ]
    profiles = write_rows(lake, ITEM_PROFILES, rows_of(ITEM_PROFILES, rows), "f" * 32)
    found = load_attributes(items, profiles, ("category", "price_band"))
    # Borders between fifths of 0, 1, ..., 10: 2, 4, 6 and 8, each in the lower band.
    assert found.cardinalities == (1, 6)
    assert found.codes[:, 1].tolist() == [0, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0, 0]


def test_segments_are_by_the_length_of_the_history() -> None:
    before = {f"u{length}": np.ones(length, np.int32) for length in (1, 4, 5, 19, 20, 30)}
    after = dict.fromkeys(before, np.array([2], np.int32))
    rows = NextItems.of(before, after)
    assert rows.users == list(before)
    assert {name: users.tolist() for name, users in rows.segments().items()} == {
        "short_history": [True, True, False, False, False, False],
        "middle_history": [False, False, True, True, False, False],
        "long_history": [False, False, False, False, True, True],
    }
    assert list(NextItems.of({"u": np.ones(1, np.int32)}, {"u": after["u1"]}).segments()) == ["short_history"]
