"""The ranker's run: finds a planted interaction, writes its folder once, repeats exactly with two workers."""

import dataclasses
import json
import os
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from safetensors.torch import load_file

from builders import at, rows_of
from clicksmith.config import Config
from clicksmith.errors import ConfigError, NotFittedError, TrainingError
from clicksmith.evaluation.metrics import ranking
from clicksmith.evaluation.metrics.calibration import calibration_error
from clicksmith.lakehouse.catalog import Lake, models_root
from clicksmith.reading.histories import Histories
from clicksmith.reading.inputs import Items, RankerCodec
from clicksmith.recommenders.ranking.ranker import build_ranker
from clicksmith.tables import SEQUENCES, VOCABULARY
from clicksmith.training.engine.supervised import Batch, fit
from clicksmith.training.ranker import BuildRanker, RankerTask, export_ranker, ranker_run
from clicksmith.training.runs import Run, Task, train_all
from training.toy_lake import write_examples, write_rows
from training.toy_lift import examples_with, vocabulary_of

SMALL = ("ranker.embedding_dim=4", "ranker.batch_size=256", "ranker.learning_rate=0.01")


def _run(config: Config, lake: Lake, weight_of_negatives: float = 1.0) -> Run:
    rows = examples_with(6000, 300, "interaction")
    weights = np.where(rows["label_purchase"].to_numpy(), 1.0, weight_of_negatives)
    rows = rows.set_column(rows.column_names.index("sample_weight"), "sample_weight", pa.array(weights))
    train = rows.filter([split == "train" for split in rows["split"].to_pylist()])
    examples = write_examples(lake, rows)
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(train["item_id"].to_pylist()), "f" * 32)
    return ranker_run(config, examples, vocabulary)


def test_learns_the_planted_interaction_and_writes_its_folder_once(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    config = make_config(*SMALL, "ranker.num_steps=120", "ray.num_workers=0")
    run = _run(config, lake)
    folder = Path(train_all([run], config.ray, models_root(config))[0])
    assert folder == Path(lake.root) / "_models" / "recommenders" / f"ranker-{run.lineage.run_id}"
    card = json.loads((folder / "card.json").read_text())
    assert card["kind"] == "recommender"
    assert card["training_table"]["version"] == run.training.version
    assert 4000 < card["num_rows"] < 5000
    assert [point["step"] for point in card["history"]][-1] == 120
    assert card["history"][-1]["loss"] < 0.45 < card["history"][0]["loss"]
    assert "validation_auc" in card["history"][-1]
    # the planted rule is right for 9 of 10 rows, so an AUC of 0.9 is the ceiling
    assert 0.85 < card["metrics"]["test_auc"] < 0.95
    assert card["metrics"]["test_logloss"] < card["metrics"]["base_rate_logloss"]
    assert 0.4 < card["metrics"]["popularity_auc"] < 0.6

    codec = RankerCodec.from_json(json.loads((folder / "codec.json").read_text()))
    network = build_ranker("dcnv2", codec.cardinalities, 4, 0.5, seed=0)
    network.load_state_dict(load_file(folder / "weights.safetensors"))

    before = (folder / "card.json").stat().st_mtime_ns
    assert train_all([run], config.ray, models_root(config)) == [str(folder)]
    assert (folder / "card.json").stat().st_mtime_ns == before


def test_a_model_of_weighted_rows_is_calibrated_and_judged_on_them(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """One in eight rows without a purchase was kept: half of what is left has one, a ninth of all."""
    config = make_config(*SMALL, "ranker.weighted=true", "ranker.num_steps=40", "ray.num_workers=0")
    task = _run(config, lake, weight_of_negatives=8.0).build()
    assert isinstance(task, RankerTask)
    rows, labels = task.test_rows, task.test_rows.labels
    asked = task.validation
    assert asked is not None
    assert set(rows.weights[labels]) == {1.0} and set(rows.weights[~labels]) == {8.0}
    of_train = 1 / (1 + 8 * (1 / float(task.phases[0].labels.double().mean()) - 1))
    of_test = 1 / (1 + 8 * (1 / labels.mean() - 1))
    assert 0.1 < of_train < 0.12 and 0.45 < labels.mean() < 0.55
    bias = float(torch.sigmoid(task.network.head.bias.detach()))
    assert bias == pytest.approx(of_train, abs=1e-6), "training starts from the rate of all impressions"
    fit(task.objective, task.schedule, lambda step: task.batch(step, 0, 1))
    scores = task.score(asked)
    said = np.average(task.calibration().apply(scores), weights=asked.weights)
    assert said == pytest.approx(np.average(asked.labels, weights=asked.weights), abs=1e-4)
    figures = task.test()
    entropy = -(of_test * np.log(of_train) + (1 - of_test) * np.log(1 - of_train))
    assert figures["base_rate_logloss"] == pytest.approx(entropy, rel=1e-6)
    assert figures["calibrated_logloss"] < entropy - 0.05
    calibrated = task.calibration().apply(task.score(rows))
    error = calibration_error(calibrated, labels, rows.weights)
    assert figures["calibrated_calibration_error"] == error < 0.1
    assert task.validate()["validation_loss"] == ranking.log_loss(scores, asked.labels, asked.weights)


def test_auxiliary_labels_train_heads_that_an_export_does_not_need(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    auxiliary = "ranker.auxiliary_labels=[label_click, label_cart]"
    config = make_config(*SMALL, auxiliary, "ranker.num_steps=20", "ray.num_workers=0")
    run = _run(config, lake)
    task = run.build()
    codes, labels, weights, others = task.batch(0, 0, 1)
    assert (len(codes), labels.shape, others.shape) == (256, (256,), (256, 2))
    assert weights.tolist() == [1.0] * 256
    folder = Path(train_all([run], config.ray, models_root(config))[0])
    saved = load_file(folder / "weights.safetensors")
    assert saved["auxiliary.weight"].shape[0] == 2
    assert Path(export_ranker(run, config, models_root(config))).is_file()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (("ranker.auxiliary_labels=[label_purchase]",), "other labels than 'label'"),
        (("ranker.auxiliary_labels=[label_click]", "ranker.model=logistic"), "layers to share"),
    ],
)
def test_auxiliary_labels_that_cannot_help_are_a_clear_error(
    make_config: Callable[..., Config], settings: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        make_config(*settings)


def test_codec_and_vocabulary_come_from_the_train_split_only(
    make_config: Callable[..., Config], lake: Lake
) -> None:
    """Planted: test rows with categories and items of their own; nothing of them may reach the codec."""
    config = make_config(*SMALL, "ray.num_workers=0")
    build = _run(config, lake).build
    assert isinstance(build, BuildRanker)
    codec = json.dumps(build().codec)
    rows = examples_with(6000, 300, "interaction")
    test = [split == "test" for split in rows["split"].to_pylist()]
    for name in ("item_id", "item_brand", "placement"):
        values = [f"LEAK-{v}" if t else v for v, t in zip(rows[name].to_pylist(), test, strict=True)]
        rows = rows.set_column(rows.column_names.index(name), rows.schema.field(name), [values])
    leaked = BuildRanker(build.config, build.seed, write_examples(lake, rows), build.vocabulary)()
    assert json.dumps(leaked.codec) == codec
    assert "LEAK" not in codec
    assert (leaked.test_rows.codes[:, -1] == 0).all()  # unknown items


def test_an_empty_test_split_is_an_error_that_says_so(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*SMALL, "ray.num_workers=0", "ranker.num_steps=2")
    run = _run(config, lake)
    build = run.build
    assert isinstance(build, BuildRanker)
    rows = examples_with(500, 30, "noise")
    rows = rows.filter([split == "train" for split in rows["split"].to_pylist()])
    with pytest.raises(TrainingError, match="0 rows in split 'test'"):
        BuildRanker(build.config, build.seed, write_examples(lake, rows), build.vocabulary)()


@pytest.mark.soak
@pytest.mark.ray
def test_two_workers_killed_on_the_way_give_the_undisturbed_model_and_a_lost_folder_comes_back(
    make_config: Callable[..., Config], lake: Lake, ray_cluster: None
) -> None:
    config = make_config(*SMALL, "ranker.num_steps=12", "ray.num_workers=2")
    run = _run(config, lake)
    killed = Path(lake.root, "killed")

    def build_and_be_killed() -> Task:
        task = run.build()
        step_of = task.batch

        def batch(step: int, rank: int, world_size: int) -> Batch:
            if step == 8 and rank == 1 and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return step_of(step, rank, world_size)

        object.__setattr__(task, "batch", batch)
        return task

    results = []
    for root, build in ((models_root(config), run.build), (lake.root + "-killed", build_and_be_killed)):
        folder = Path(train_all([dataclasses.replace(run, build=build)], config.ray, root)[0])
        card = json.loads((folder / "card.json").read_text())
        results.append((load_file(folder / "weights.safetensors"), card["history"], card["metrics"]))
    assert killed.exists()
    (weights, *figures), (weights_again, *figures_again) = results
    assert figures == figures_again
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)

    # The folder is gone, the finished run is not: it is published again, with its own figures.
    (folder / "card.json").unlink()
    train_all([run], config.ray, root)
    assert json.loads((folder / "card.json").read_text())["seconds"] == card["seconds"]


def test_items_outside_the_vocabulary_share_buckets() -> None:
    rows = examples_with(50, 5, "noise")
    ids = pa.array(["i0", "i1", None, "new-1", "new-2"] * 10)
    rows = rows.set_column(rows.column_names.index("item_id"), "item_id", ids)
    items = Items(("i0", "i1"), np.array([2, 1]))
    plain, bucketed = RankerCodec.fit(rows, items), RankerCodec.fit(rows, items, oov_buckets=4)
    assert plain.encode(rows)[:5, -1].tolist() == [1, 2, 0, 0, 0]
    codes = bucketed.encode(rows)[:, -1]
    buckets = [3 + zlib.crc32(name) % 4 for name in (b"new-1", b"new-2")]
    assert codes[:5].tolist() == [1, 2, 0, *buckets]
    assert codes.max() < bucketed.cardinalities[-1] == plain.cardinalities[-1] + 4
    again = RankerCodec.from_json(json.loads(json.dumps(bucketed.to_json())))
    assert again.encode(rows).tolist() == bucketed.encode(rows).tolist()


def _lists(rows: list[tuple[str, str, list[str], list[float]]]) -> pa.Table:
    return rows_of(
        SEQUENCES,
        [
            {
                "user_id": user,
                "split": split,
                "item_ids": ids,
                "event_ts": [at(day) for day in days],
                "event_types": ["click"] * len(ids),
            }
            for user, split, ids, days in rows
        ],
    )


def test_histories_are_what_lies_strictly_before(lake: Lake) -> None:
    lists = _lists(
        [
            ("u", "train", ["a", "new", "b"], [0, 1, 2]),
            ("u", "test", ["c"], [5]),
            ("v", "train", ["c", "a"], [1, 1]),
        ]
    )
    items = Items(("a", "b", "c"), np.array([3, 2, 1]))
    histories = Histories.load(write_rows(lake, SEQUENCES, lists, "f" * 32), items)
    asked = [("u", 2), ("u", 2.5), ("u", 9), ("v", 1), ("v", 2), ("unknown", 9), (None, 9)]
    users, moments = (pa.chunked_array([list(column)]) for column in zip(*asked, strict=True))
    moments = pa.chunked_array([[at(day) for day in moments.to_pylist()]], pa.timestamp("us", tz="UTC"))
    found = histories.before(users, moments, 2)
    assert found.tolist() == [[1, 0], [1, 2], [2, 3], [0, 0], [1, 3], [0, 0], [0, 0]]


def test_din_reads_users_sequences(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(
        *SMALL,
        "ranker.model=din",
        "ranker.num_steps=3",
        "ranker.history_length=5",
        "ray.num_workers=0",
    )
    rows = examples_with(3000, 100, "interaction")
    ids = rows["item_id"].to_pylist()
    lists = _lists(
        [(f"u{user}", "train", ids[user : user + 3], [-4000, -3999, -3998]) for user in range(100)]
    )
    vocabulary = write_rows(lake, VOCABULARY, vocabulary_of(ids), "f" * 32)
    sequences = write_rows(lake, SEQUENCES, lists, "f" * 32)
    run = ranker_run(config, write_examples(lake, rows), vocabulary, sequences)
    task = run.build()
    assert task.test_rows.codes.shape[1] == len(task.network.embedding.offsets) + 5
    assert np.unique((task.batch(0, 0, 1)[0][:, -5:] > 0).sum(1)).tolist() == [3]
    card = json.loads((Path(train_all([run], config.ray, models_root(config))[0]) / "card.json").read_text())
    assert card["preset"] == "din"
    uri = export_ranker(run, config, models_root(config))
    assert Path(uri).name == "model.onnx" and Path(uri).stat().st_size > 1000


def test_only_a_trained_ranker_is_exported(make_config: Callable[..., Config], lake: Lake) -> None:
    config = make_config(*SMALL)
    with pytest.raises(NotFittedError, match="The ranker is not trained"):
        export_ranker(_run(config, lake), config, models_root(config))
